//! Which layer each node is in, and the joints of the edges that pass through layers.

#![expect(
    clippy::indexing_slicing,
    reason = "every index is one of the graph that made it: a node, or a joint added here"
)]

use std::collections::{BTreeMap, BTreeSet};

/// An edge between two nodes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in super::super) struct Edge {
    /// Begins at.
    pub(in super::super) from: usize,
    /// Leads to.
    pub(in super::super) to: usize,
}

/// A graph in layers: each link leads from one layer to the next.
#[derive(Debug, Default)]
pub(super) struct Layered {
    /// How many of the items are nodes; the others are joints.
    pub(super) nodes: usize,
    /// The layer of each item; none for a node that no edge touches.
    pub(super) layer: Vec<Option<usize>>,
    /// The links.
    pub(super) links: Vec<Link>,
    /// For each edge, the links that it runs through, with the flow; none for one from a node to itself.
    pub(super) ways: Vec<Vec<usize>>,
    /// For each edge, whether it runs against the flow.
    pub(super) back: Vec<bool>,
    /// Which nodes have an edge to themselves.
    pub(super) own: BTreeSet<usize>,
}

/// A link between two items of neighbouring layers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Link {
    /// In the earlier layer.
    pub(super) from: usize,
    /// In the later layer.
    pub(super) to: usize,
    /// Whether it belongs to edges that run against the flow.
    pub(super) back: bool,
}

impl Layered {
    /// How many layers there are.
    pub(super) fn depth(&self) -> usize {
        self.layer.iter().flatten().max().map_or(0, |last| last + 1)
    }
}

/// Puts the nodes into layers. Which edges lead back is seen from the start, in the order in which they are
/// told, as the runner sees it.
pub(super) fn layered(count: usize, edges: &[Edge], start: usize) -> Layered {
    let back = led_back(count, edges, start);
    let flow: Vec<(usize, usize)> = edges
        .iter()
        .zip(&back)
        .map(|(edge, back)| {
            if *back {
                (edge.to, edge.from)
            } else {
                (edge.from, edge.to)
            }
        })
        .collect();
    let mut graph = Layered {
        nodes: count,
        layer: depths(count, &flow),
        back,
        ..Layered::default()
    };
    let mut places = Places::default();
    for (edge, (from, to)) in edges.iter().zip(flow) {
        if from == to {
            graph.own.insert(from);
            graph.ways.push(Vec::new());
        } else {
            let way = places.lead(&mut graph, edge.to, (from, to));
            graph.ways.push(way);
        }
    }
    graph
}

/// Joints and links that exist already.
#[derive(Default)]
struct Places {
    joints: BTreeMap<(usize, usize, bool), usize>,
    links: BTreeMap<Link, usize>,
}

impl Places {
    /// Leads an edge through the layers between its ends. Edges to the same node share their joints, so that
    /// a step that all others lead to costs one line, not hundreds.
    fn lead(
        &mut self,
        graph: &mut Layered,
        target: usize,
        (from, to): (usize, usize),
    ) -> Vec<usize> {
        let back = target == from;
        let (Some(first), Some(last)) = (graph.layer[from], graph.layer[to]) else {
            return Vec::new();
        };
        let mut way = Vec::with_capacity(last - first);
        let mut at = from;
        for layer in first + 1..=last {
            let next = if layer == last {
                to
            } else {
                *self.joints.entry((target, layer, back)).or_insert_with(|| {
                    graph.layer.push(Some(layer));
                    graph.layer.len() - 1
                })
            };
            let link = Link {
                from: at,
                to: next,
                back,
            };
            way.push(*self.links.entry(link).or_insert_with(|| {
                graph.links.push(link);
                graph.links.len() - 1
            }));
            at = next;
        }
        way
    }
}

/// For each edge whether it closes a loop.
fn led_back(count: usize, edges: &[Edge], start: usize) -> Vec<bool> {
    let mut out = vec![Vec::new(); count];
    for (number, edge) in edges.iter().enumerate() {
        out[edge.from].push((number, edge.to));
    }
    let mut back = vec![false; edges.len()];
    // not seen, on the way, done
    let mut seen = vec![0_u8; count];
    let roots = std::iter::once(start)
        .filter(|start| *start < count)
        .chain(0..count);
    for root in roots {
        if seen[root] != 0 {
            continue;
        }
        let mut way = vec![(root, 0)];
        seen[root] = 1;
        while let Some((node, next)) = way.last_mut() {
            let Some(&(number, to)) = out[*node].get(*next) else {
                seen[*node] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            match seen[to] {
                0 => {
                    seen[to] = 1;
                    way.push((to, 0));
                }
                1 if to != edges[number].from => back[number] = true,
                _ => {}
            }
        }
    }
    back
}

/// The length of the longest way to each node. A node without a way to it stands close to what follows it.
fn depths(count: usize, flow: &[(usize, usize)]) -> Vec<Option<usize>> {
    let mut out = vec![Vec::new(); count];
    let mut open = vec![0_usize; count];
    let mut touched = vec![count == 1; count];
    for &(from, to) in flow {
        touched[from] = true;
        touched[to] = true;
        if from != to {
            out[from].push(to);
            open[to] += 1;
        }
    }
    let sources: Vec<usize> = (0..count).filter(|node| open[*node] == 0).collect();
    let mut ready = sources.clone();
    let mut depth = vec![0_usize; count];
    while let Some(node) = ready.pop() {
        for &to in &out[node] {
            depth[to] = depth[to].max(depth[node] + 1);
            open[to] -= 1;
            if open[to] == 0 {
                ready.push(to);
            }
        }
    }
    for source in sources.into_iter().skip(1) {
        let next = out[source].iter().map(|to| depth[*to]).min();
        depth[source] = next.map_or(0, |next| next.saturating_sub(1));
    }
    let known = touched.into_iter().zip(depth);
    known
        .map(|(touched, depth)| touched.then_some(depth))
        .collect()
}
