//! Places the steps of a graph in layers, and leads the paths between them: Sugiyama's method.
//!
//! Our own, for what is published places the nodes only, or draws by itself: neither leads a loop back around
//! the steps. Positions are `along` the flow and `across` it; who draws decides which of the two is the width.

mod layers;
mod order;
mod place;

pub(super) use self::layers::Edge;

/// The sizes to lay out for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measure {
    /// A step's extent along the flow.
    pub(super) along: f64,
    /// A step's extent across the flow.
    pub(super) across: f64,
    /// The room between two layers.
    pub(super) layer_gap: f64,
    /// The room between two steps of a layer.
    pub(super) step_gap: f64,
    /// The room that a path needs across the flow.
    pub(super) path_gap: f64,
}

/// A place on the plane.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Point {
    /// Along the flow.
    pub(super) along: f64,
    /// Across the flow.
    pub(super) across: f64,
}

/// How an edge runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Course {
    /// With the flow. Points come in pairs: a curve leads through each pair, a straight line to the next.
    Onward,
    /// Against the flow: it closes a loop. Points as in `Onward`.
    Back,
    /// From a step to itself: two ends and the two handles of one curve.
    Own,
}

/// Where an edge is drawn, from its beginning to its end.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    /// How it runs.
    pub(super) course: Course,
    /// Its points.
    pub(super) points: Vec<Point>,
}

/// A graph with its places.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    /// The middle of each node.
    pub(super) nodes: Vec<Point>,
    /// The course of each edge.
    pub(super) edges: Vec<Route>,
    /// The extent of all of it; it begins at zero.
    pub(super) size: Point,
}

/// Lays out `count` nodes, of which `start` is the first.
pub(super) fn lay_out(count: usize, edges: &[Edge], start: usize, measure: &Measure) -> Layout {
    let graph = layers::layered(count, edges, start);
    let rows = order::ordered(&graph);
    place::placed(&graph, &rows, edges, measure)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURE: Measure = Measure {
        along: 100.0,
        across: 40.0,
        layer_gap: 50.0,
        step_gap: 20.0,
        path_gap: 10.0,
    };

    fn drawn(count: usize, pairs: &[(usize, usize)]) -> Layout {
        let edges: Vec<Edge> = pairs.iter().map(|&(from, to)| Edge { from, to }).collect();
        let layout = lay_out(count, &edges, 0, &MEASURE);
        assert_sound(&layout, pairs);
        layout
    }

    /// What holds for every layout: no two steps overlap, and each edge begins and ends at its steps.
    fn assert_sound(layout: &Layout, pairs: &[(usize, usize)]) {
        for (i, a) in layout.nodes.iter().enumerate() {
            assert!(
                a.along > 49.9 && a.along < layout.size.along - 49.9,
                "{a:?}"
            );
            assert!(
                a.across > 19.9 && a.across < layout.size.across - 19.9,
                "{a:?} {:?}",
                layout.size
            );
            for b in &layout.nodes[..i] {
                let apart = (a.along - b.along).abs() > 99.9 || (a.across - b.across).abs() > 39.9;
                assert!(apart, "{a:?} overlaps {b:?}");
            }
        }
        assert_eq!(layout.edges.len(), pairs.len());
        for (route, &(from, to)) in layout.edges.iter().zip(pairs) {
            assert!(touches(layout.nodes[from], route.points[0]), "{route:?}");
            assert!(
                touches(layout.nodes[to], *route.points.last().unwrap()),
                "{route:?}"
            );
            for point in &route.points {
                assert!(
                    point.across > -0.1 && point.across < layout.size.across + 0.1,
                    "{point:?}"
                );
            }
        }
    }

    fn touches(node: Point, end: Point) -> bool {
        let (along, across) = (
            (node.along - end.along).abs(),
            (node.across - end.across).abs(),
        );
        along <= 50.01 && across <= 20.01 && (along >= 49.99 || across >= 19.99)
    }

    fn layer(layout: &Layout, node: usize) -> i64 {
        (layout.nodes[node].along / 150.0) as i64
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let layout = drawn(3, &[(0, 1), (1, 2)]);
        assert_eq!(
            layout.size,
            Point {
                along: 400.0,
                across: 40.0
            }
        );
        assert!(layout.nodes.iter().all(|node| node.across == 20.0));
        assert_eq!(layout.edges[0].points.len(), 2);
    }

    #[test]
    fn branches_lie_beside_each_other_and_their_join_in_the_middle() {
        let layout = drawn(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
        assert_eq!([0, 1, 2, 3].map(|n| layer(&layout, n)), [0, 1, 1, 2]);
        assert!(layout.nodes[1].across < layout.nodes[2].across);
        let middle = f64::midpoint(layout.nodes[1].across, layout.nodes[2].across);
        assert!((layout.nodes[3].across - middle).abs() < 1.0);
    }

    #[test]
    fn a_path_back_is_led_around_and_ends_where_it_began() {
        let layout = drawn(4, &[(0, 1), (1, 2), (2, 1), (2, 3), (3, 0)]);
        let courses: Vec<Course> = layout.edges.iter().map(|edge| edge.course).collect();
        use Course::{Back, Onward};
        assert_eq!(courses, [Onward, Onward, Back, Onward, Back]);
        assert_eq!([0, 1, 2, 3].map(|n| layer(&layout, n)), [0, 1, 2, 3]);
        // there and back do not lie on one another
        assert!((layout.edges[1].points[0].across - layout.edges[2].points[1].across).abs() > 3.0);
        // the long way back passes two layers beside their steps
        let back = &layout.edges[4];
        assert_eq!(back.points.len(), 6);
        for node in [1, 2] {
            let beside = back.points.iter().all(|at| {
                (at.along - layout.nodes[node].along).abs() > 50.01
                    || (at.across - layout.nodes[node].across).abs() >= 25.0
            });
            assert!(beside, "{back:?} crosses {:?}", layout.nodes[node]);
        }
    }

    #[test]
    fn a_step_may_follow_itself_and_some_follow_nothing() {
        let layout = drawn(4, &[(0, 0), (0, 1)]);
        assert_eq!(layout.edges[0].course, Course::Own);
        // what nothing leads to stands below
        assert!(layout.nodes[2].across > layout.nodes[1].across + 40.0);
        assert_eq!(drawn(0, &[]), Layout::default());
        assert_eq!(
            drawn(1, &[]).size,
            Point {
                along: 100.0,
                across: 40.0
            }
        );
    }

    #[test]
    fn a_path_past_others_goes_around_them() {
        let layout = drawn(3, &[(0, 1), (1, 2), (0, 2)]);
        let past = &layout.edges[2].points;
        assert_eq!(past.len(), 4);
        assert!((past[1].across - layout.nodes[1].across).abs() >= 25.0);
    }

    #[test]
    fn crossings_that_can_be_avoided_are() {
        // two rails, told crosswise
        let layout = drawn(5, &[(0, 1), (0, 2), (2, 4), (1, 3)]);
        let side = |a: usize, b: usize| layout.nodes[a].across < layout.nodes[b].across;
        assert_eq!(side(1, 2), side(3, 4));
    }

    #[test]
    fn any_graph_is_laid_out() {
        let mut seed = 7_u64;
        let mut draw = |most: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % most
        };
        for round in 0..200 {
            let count = 1 + draw(30);
            let mut pairs: Vec<_> = (0..draw(60)).map(|_| (draw(count), draw(count))).collect();
            pairs.sort_unstable();
            pairs.dedup();
            let layout = drawn(count, &pairs);
            assert_eq!(layout.nodes.len(), count, "round {round}");
        }
    }

    #[test]
    fn a_large_graph_with_one_handler_for_all_stays_small() {
        // 300 steps in a row, each with a path to the last, and one back to the first
        let mut pairs: Vec<_> = (0..298).map(|n| (n, n + 1)).collect();
        pairs.extend((0..297).map(|n| (n, 299)));
        pairs.extend((2..298).map(|n| (n, 0)));
        pairs.sort_unstable();
        pairs.dedup();
        let layout = drawn(300, &pairs);
        // the paths to one step share a line
        assert!(layout.size.across < 200.0, "{:?}", layout.size);
    }
}
