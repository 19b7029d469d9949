//! The order of the items within each layer, so that few links cross.

#![expect(
    clippy::indexing_slicing,
    reason = "every index is an item or a layer of the one graph that is ordered"
)]

use super::layers::Layered;

/// The items of each layer, in order.
pub(super) fn ordered(graph: &Layered) -> Vec<Vec<usize>> {
    let (before, after) = neighbours(graph);
    let mut rows = first_order(graph, &after);
    let mut place = vec![0_usize; graph.layer.len()];
    note(&rows, &mut place);
    let mut best = (crossings(&rows, &after, &place), rows.clone());
    for round in 0..ROUNDS {
        if best.0 == 0 {
            break;
        }
        let down = round % 2 == 0;
        let last = rows.len();
        for step in 1..last {
            let (row, fixed) = if down {
                (step, &before)
            } else {
                (last - 1 - step, &after)
            };
            settle(&mut rows[row], fixed, &mut place);
        }
        let now = crossings(&rows, &after, &place);
        if now < best.0 {
            best = (now, rows.clone());
        }
    }
    best.1
}

/// The items before and after each item.
fn neighbours(graph: &Layered) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut before = vec![Vec::new(); graph.layer.len()];
    let mut after = before.clone();
    for link in &graph.links {
        after[link.from].push(link.to);
        before[link.to].push(link.from);
    }
    (before, after)
}

/// The order in which a walk comes by: what follows one item stands together.
fn first_order(graph: &Layered, after: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); graph.depth()];
    let mut seen = vec![false; graph.layer.len()];
    for root in 0..graph.layer.len() {
        let mut way = vec![root];
        while let Some(item) = way.pop() {
            let Some(layer) = graph.layer[item] else {
                continue;
            };
            if !std::mem::replace(&mut seen[item], true) {
                rows[layer].push(item);
                way.extend(after[item].iter().rev());
            }
        }
    }
    rows
}

/// Sorts a row by the middle of each item's neighbours; one without any stays where it is.
fn settle(row: &mut [usize], fixed: &[Vec<usize>], place: &mut [usize]) {
    let mut keyed: Vec<(f64, usize)> = row
        .iter()
        .map(|&item| {
            let near = &fixed[item];
            let sum: usize = near.iter().map(|other| place[*other]).sum();
            let middle = if near.is_empty() {
                place[item] as f64
            } else {
                sum as f64 / near.len() as f64
            };
            (middle, item)
        })
        .collect();
    keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (at, (_, item)) in keyed.into_iter().enumerate() {
        row[at] = item;
        place[item] = at;
    }
}

fn note(rows: &[Vec<usize>], place: &mut [usize]) {
    for row in rows {
        for (at, item) in row.iter().enumerate() {
            place[*item] = at;
        }
    }
}

/// How many links cross. A sum tree over the later layer's places counts those that were passed.
fn crossings(rows: &[Vec<usize>], after: &[Vec<usize>], place: &[usize]) -> usize {
    let mut crossed = 0;
    for (row, next) in rows.iter().zip(rows.iter().skip(1)) {
        let mut tree = vec![0_usize; next.len() + 1];
        let mut held = 0;
        for item in row {
            let mut ends: Vec<usize> = after[*item].iter().map(|to| place[*to]).collect();
            ends.sort_unstable();
            for end in &ends {
                crossed += held - up_to(&tree, end + 1);
            }
            for end in ends {
                add(&mut tree, end + 1);
                held += 1;
            }
        }
    }
    crossed
}

fn up_to(tree: &[usize], mut at: usize) -> usize {
    let mut sum = 0;
    while at > 0 {
        sum += tree[at];
        at &= at - 1;
    }
    sum
}

fn add(tree: &mut [usize], mut at: usize) {
    while at < tree.len() {
        tree[at] += 1;
        at += at & at.wrapping_neg();
    }
}

/// How often the rows are gone through, down and up in turn.
const ROUNDS: usize = 16;
