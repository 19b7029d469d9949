//! Where each item stands, and each edge runs, once the order within the layers is known.

#![expect(
    clippy::indexing_slicing,
    reason = "every index is an item, a link or a layer of the one graph that is placed"
)]

use super::layers::{Edge, Layered};
use super::{Course, Layout, Measure, Point, Route};

/// Places all.
pub(super) fn placed(
    graph: &Layered,
    rows: &[Vec<usize>],
    edges: &[Edge],
    measure: &Measure,
) -> Layout {
    let mut across = settled(graph, rows, measure);
    let top = edge_of(graph, &across, measure, -1.0);
    for at in &mut across {
        *at -= top;
    }
    let pitch = measure.along + measure.layer_gap;
    let layer_at = |layer: usize| layer as f64 * pitch + measure.along / 2.0;
    let mut nodes: Vec<Point> = (0..graph.nodes)
        .map(|node| Point {
            along: graph.layer[node].map_or(0.0, layer_at),
            across: across[node],
        })
        .collect();
    let mut size = Point {
        along: (rows.len() as f64 * pitch - measure.layer_gap).max(0.0),
        across: edge_of(graph, &across, measure, 1.0).max(0.0),
    };
    stand_aside(graph, &mut nodes, &mut size, measure);
    let ports = ports(graph, &across, measure);
    let edges = edges.iter().enumerate();
    let edges = edges.map(|(number, edge)| {
        let own = (edge.from == edge.to).then(|| own_route(nodes[edge.from], measure));
        own.unwrap_or_else(|| route(graph, number, &across, &ports, layer_at, measure))
    });
    Layout {
        edges: edges.collect(),
        nodes,
        size,
    }
}

/// What an item takes before and behind its middle, across the flow.
fn extent(graph: &Layered, item: usize, measure: &Measure) -> (f64, f64) {
    if item >= graph.nodes {
        return (0.0, 0.0);
    }
    let half = measure.across / 2.0;
    let own = if graph.own.contains(&item) {
        OWN_REACH
    } else {
        0.0
    };
    (half + own, half)
}

/// How far apart the middles of two neighbours in a row stand.
fn apart(graph: &Layered, one: usize, next: usize, measure: &Measure) -> f64 {
    let joints = usize::from(one >= graph.nodes) + usize::from(next >= graph.nodes);
    let gap = if joints == 0 {
        measure.step_gap
    } else {
        measure.path_gap
    };
    extent(graph, one, measure).1 + gap + extent(graph, next, measure).0
}

/// The outermost place, at the one side or the other.
fn edge_of(graph: &Layered, across: &[f64], measure: &Measure, side: f64) -> f64 {
    let placed = (0..across.len()).filter(|item| graph.layer[*item].is_some());
    let reach = placed.map(|item| {
        let (before, behind) = extent(graph, item, measure);
        let reach = if side < 0.0 { before } else { behind };
        side * across[item]
            + if item >= graph.nodes {
                PATH_EDGE
            } else {
                reach
            }
    });
    reach.fold(f64::NEG_INFINITY, f64::max) * side
}

/// Moves every item as near to its neighbours as the order allows. A path that passes through runs straight
/// before anything else.
fn settled(graph: &Layered, rows: &[Vec<usize>], measure: &Measure) -> Vec<f64> {
    let mut across = vec![0.0; graph.layer.len()];
    for row in rows {
        let mut at = 0.0;
        for (place, item) in row.iter().enumerate() {
            if place > 0 {
                at += apart(graph, row[place - 1], *item, measure);
            }
            across[*item] = at;
        }
        for item in row {
            across[*item] -= at / 2.0;
        }
    }
    let mut pulls = vec![[Vec::new(), Vec::new()]; graph.layer.len()];
    for link in &graph.links {
        let weight = match (link.from < graph.nodes, link.to < graph.nodes) {
            (true, true) => 1.0,
            // one of many that share a line must not bend it
            (true, false) | (false, true) => 0.02,
            (false, false) => 8.0,
        };
        pulls[link.to][0].push((link.from, weight));
        pulls[link.from][1].push((link.to, weight));
    }
    for round in 0..ROUNDS {
        let last = round + 2 >= ROUNDS;
        for step in 0..rows.len() {
            let down = round % 2 == 0;
            let row = if down {
                &rows[step]
            } else {
                &rows[rows.len() - 1 - step]
            };
            let sides: &[usize] = match (last, down) {
                (true, _) => &[0, 1],
                (false, true) => &[0],
                (false, false) => &[1],
            };
            let wanted = row.iter().map(|item| {
                let near = sides.iter().flat_map(|side| &pulls[*item][*side]);
                let (sum, weight) = near.fold((0.0, 0.0), |(sum, all), (other, weight)| {
                    (sum + weight * across[*other], all + weight)
                });
                if weight > 0.0 {
                    (sum / weight, weight)
                } else {
                    (across[*item], LOOSE)
                }
            });
            let wanted: Vec<(f64, f64)> = wanted.collect();
            let steps = row.iter().zip(row.iter().skip(1));
            let steps: Vec<f64> = steps.map(|(a, b)| apart(graph, *a, *b, measure)).collect();
            for (item, at) in row.iter().zip(nearest(&wanted, &steps)) {
                across[*item] = at;
            }
        }
    }
    across
}

/// The places nearest to those wanted, by their weights, that keep their distances: pools of adjacent
/// violators, each at its mean.
fn nearest(wanted: &[(f64, f64)], steps: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(wanted.len());
    let mut offset = 0.0;
    let mut offsets = Vec::with_capacity(wanted.len());
    for (place, (want, weight)) in wanted.iter().enumerate() {
        if place > 0 {
            offset += steps[place - 1];
        }
        offsets.push(offset);
        let mut pool = (want - offset, *weight, 1);
        while let Some(before) = pools.pop_if(|before| before.0 > pool.0) {
            let weight = before.1 + pool.1;
            let mean = (before.0 * before.1 + pool.0 * pool.1) / weight;
            pool = (mean, weight, before.2 + pool.2);
        }
        pools.push(pool);
    }
    let means = pools
        .into_iter()
        .flat_map(|(mean, _, count)| std::iter::repeat_n(mean, count));
    means
        .zip(offsets)
        .map(|(mean, offset)| mean + offset)
        .collect()
}

/// Nodes that no edge touches stand in rows below the others.
fn stand_aside(graph: &Layered, nodes: &mut [Point], size: &mut Point, measure: &Measure) {
    let aside: Vec<usize> = (0..graph.nodes)
        .filter(|node| graph.layer[*node].is_none())
        .collect();
    if aside.is_empty() {
        return;
    }
    let pitch = Point {
        along: measure.along + measure.layer_gap / 2.0,
        across: measure.across + measure.step_gap,
    };
    let fits = ((size.along + measure.layer_gap / 2.0) / pitch.along) as usize;
    let line = fits.max((aside.len() as f64).sqrt().ceil() as usize);
    let top = if size.across > 0.0 {
        size.across + measure.step_gap
    } else {
        0.0
    };
    for (number, node) in aside.iter().enumerate() {
        nodes[*node] = Point {
            along: (number % line) as f64 * pitch.along + measure.along / 2.0,
            across: top + (number / line) as f64 * pitch.across + measure.across / 2.0,
        };
        size.along = size.along.max(nodes[*node].along + measure.along / 2.0);
        size.across = nodes[*node].across + measure.across / 2.0;
    }
}

/// How far from the middle of its two ends each link is tied.
fn ports(graph: &Layered, across: &[f64], measure: &Measure) -> Vec<[f64; 2]> {
    let mut ties = vec![[Vec::new(), Vec::new()]; graph.layer.len()];
    for (number, link) in graph.links.iter().enumerate() {
        ties[link.from][0].push((across[link.to], link.back, number));
        ties[link.to][1].push((across[link.from], link.back, number));
    }
    let mut ports = vec![[0.0; 2]; graph.links.len()];
    for node in ties.iter_mut().take(graph.nodes) {
        for (end, tied) in node.iter_mut().enumerate() {
            tied.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
            let between = tied.len().saturating_sub(1) as f64;
            let pitch = PORT_PITCH.min((measure.across - 2.0 * PORT_EDGE) / between.max(1.0));
            for (place, (_, _, number)) in tied.iter().enumerate() {
                ports[*number][end] = (place as f64 - between / 2.0) * pitch;
            }
        }
    }
    ports
}

fn route(
    graph: &Layered,
    number: usize,
    across: &[f64],
    ports: &[[f64; 2]],
    layer_at: impl Fn(usize) -> f64,
    measure: &Measure,
) -> Route {
    let end = |item: usize, port: f64, side: f64| Point {
        along: graph.layer[item].map_or(0.0, &layer_at) + side * measure.along / 2.0,
        across: across[item] + port,
    };
    let links = graph.ways[number].iter();
    let mut points: Vec<Point> = links
        .flat_map(|at| {
            let link = graph.links[*at];
            [
                end(link.from, ports[*at][0], 1.0),
                end(link.to, ports[*at][1], -1.0),
            ]
        })
        .collect();
    let course = if graph.back[number] {
        points.reverse();
        Course::Back
    } else {
        Course::Onward
    };
    Route { course, points }
}

/// Out of the near side of a step, and in again.
fn own_route(node: Point, measure: &Measure) -> Route {
    let side = node.across - measure.across / 2.0;
    let foot = (measure.along / 4.0).min(OWN_FOOT);
    let at = |along: f64, across: f64| Point {
        along: node.along + along,
        across,
    };
    let points = vec![
        at(foot, side),
        at(foot * 1.6, side - OWN_REACH),
        at(-foot * 1.6, side - OWN_REACH),
        at(-foot, side),
    ];
    Route {
        course: Course::Own,
        points,
    }
}

/// How often the layers are gone through.
const ROUNDS: usize = 18;
/// The weight of an item that nothing pulls.
const LOOSE: f64 = 0.01;
/// The most between two ties of a side.
const PORT_PITCH: f64 = 12.0;
/// How far from a corner the outermost tie stays.
const PORT_EDGE: f64 = 8.0;
/// How far an edge to its own step reaches out.
const OWN_REACH: f64 = 26.0;
/// How far from the middle it leaves.
const OWN_FOOT: f64 = 30.0;
/// How much room an edge at the rim has.
const PATH_EDGE: f64 = 4.0;
