//! What the graph shows of a run: its steps and the paths between them, and where each is drawn.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use stepcast_core::view::RunView;

use super::layout::{self, Course, Edge, Layout, Measure, Point};

/// The steps and paths of a run, as far as they decide where things are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plan {
    /// The steps' ids, in the run's order.
    pub(super) steps: Vec<String>,
    pub(super) start: usize,
    pub(super) edges: Vec<PlanEdge>,
    pub(super) ends: Vec<PlanEnd>,
}

/// All paths from one step to another.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlanEdge {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Their conditions, in words.
    pub(super) condition: String,
    /// Where they are among the run's paths.
    pub(super) paths: Vec<usize>,
}

/// The paths from a step to the run's end.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PlanEnd {
    pub(super) from: usize,
    pub(super) condition: String,
    pub(super) paths: Vec<usize>,
}

impl Plan {
    pub(super) fn of(view: &RunView) -> Self {
        let steps: Vec<String> = view.steps.iter().map(|step| step.id.clone()).collect();
        let numbers: BTreeMap<&str, usize> = steps
            .iter()
            .enumerate()
            .map(|(number, id)| (id.as_str(), number))
            .collect();
        let mut edges: BTreeMap<(usize, Option<usize>), PlanEdge> = BTreeMap::new();
        let mut order = Vec::new();
        for (place, path) in view.paths.iter().enumerate() {
            let Some(&from) = numbers.get(path.from.as_str()) else {
                continue;
            };
            // what leads to no step leads to an end
            let key = (from, numbers.get(path.to.as_str()).copied());
            let edge = edges.entry(key).or_insert_with(|| {
                order.push(key);
                PlanEdge {
                    from,
                    to: key.1.unwrap_or(from),
                    ..PlanEdge::default()
                }
            });
            edge.paths.push(place);
            if let Some(condition) = &path.condition {
                let or = if edge.condition.is_empty() {
                    ""
                } else {
                    " or "
                };
                edge.condition.push_str(or);
                edge.condition.push_str(condition);
            }
        }
        let start = view
            .start_at
            .as_deref()
            .and_then(|start| numbers.get(start));
        let mut plan = Self {
            start: start.copied().unwrap_or(0),
            steps: steps.clone(),
            ..Self::default()
        };
        for key in order {
            let Some(edge) = edges.remove(&key) else {
                continue;
            };
            match key.1 {
                Some(_) => plan.edges.push(edge),
                None => plan.ends.push(PlanEnd {
                    from: edge.from,
                    condition: edge.condition,
                    paths: edge.paths,
                }),
            }
        }
        plan
    }

    /// Draws it, along the width or along the height.
    pub(super) fn drawn(&self, upright: bool) -> Drawing {
        let labelled = self.edges.iter().any(|edge| !edge.condition.is_empty());
        let (width, height) = STEP;
        let measure = Measure {
            along: if upright { height } else { width },
            across: if upright { width } else { height },
            layer_gap: match (upright, labelled) {
                (true, _) => 44.0,
                (false, true) => 116.0,
                (false, false) => 52.0,
            },
            step_gap: if upright { 24.0 } else { 22.0 },
            path_gap: 18.0,
        };
        let edges = self.edges.iter().map(|edge| Edge {
            from: edge.from,
            to: edge.to,
        });
        let edges: Vec<Edge> = edges.collect();
        Drawing {
            layout: layout::lay_out(self.steps.len(), &edges, self.start, &measure),
            upright,
        }
    }
}

/// Where everything is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Drawing {
    layout: Layout,
    upright: bool,
}

impl Drawing {
    /// Its width and height. What stands out at the end of the last layer has room.
    pub(super) fn size(&self) -> (f64, f64) {
        let (width, height) = self.flat(self.layout.size);
        (width + END_REACH, height + END_REACH)
    }

    /// The middle of a step.
    pub(super) fn step(&self, number: usize) -> (f64, f64) {
        self.flat(self.layout.nodes.get(number).copied().unwrap_or_default())
    }

    /// An edge as the path of an SVG.
    pub(super) fn line(&self, number: usize) -> String {
        let Some(route) = self.layout.edges.get(number) else {
            return String::new();
        };
        let mut d = String::new();
        let mut put = |command: &str, points: &[(f64, f64)]| {
            d.push_str(command);
            for (x, y) in points {
                // never fails for a text
                let _written = write!(d, " {x:.1} {y:.1}");
            }
        };
        let points: Vec<(f64, f64)> = route.points.iter().map(|point| self.flat(*point)).collect();
        match (route.course, points.as_slice()) {
            (Course::Own, [from, one, two, to]) => {
                put("M", &[*from]);
                put("C", &[*one, *two, *to]);
            }
            (_, points) => {
                for (number, pair) in points.chunks_exact(2).enumerate() {
                    let [from, to] = pair else { continue };
                    put(if number == 0 { "M" } else { "L" }, &[*from]);
                    let (one, two) = self.handles(*from, *to);
                    put("C", &[one, two, *to]);
                }
            }
        }
        d
    }

    /// The tip of an edge, as the path of an SVG.
    pub(super) fn tip(&self, number: usize) -> String {
        let Some((x, y)) = self.last(number) else {
            return String::new();
        };
        // the side that it comes from, along the flow or across it
        let (dx, dy) = match self.layout.edges.get(number).map(|route| route.course) {
            Some(Course::Own) => self.turned(0.0, -1.0),
            Some(Course::Back) => self.turned(1.0, 0.0),
            Some(Course::Onward) | None => self.turned(-1.0, 0.0),
        };
        let (bx, by) = (x + dx * TIP, y + dy * TIP);
        let (wx, wy) = (dy * TIP * 0.55, dx * TIP * 0.55);
        format!(
            "M{x:.1} {y:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
            bx + wx,
            by + wy,
            bx - wx,
            by - wy
        )
    }

    /// Where the words of an edge stand: at its first bend, nearer to where it leads, for there edges are
    /// further apart than where they begin. What leads back is told under its line.
    pub(super) fn label(&self, number: usize) -> (f64, f64) {
        let Some(route) = self.layout.edges.get(number) else {
            return (0.0, 0.0);
        };
        let (onward, below) = match route.course {
            Course::Onward => (0.75, ABOVE),
            Course::Back => (0.5, BELOW),
            Course::Own => (0.5, ABOVE),
        };
        let between = |a: f64, b: f64, part: f64| a + (b - a) * part;
        match route.points.as_slice() {
            [a, b, ..] => {
                let along = if self.upright { 0.6 } else { 0.5 };
                let (x, y) = self.turned(
                    between(a.along, b.along, along),
                    between(a.across, b.across, onward),
                );
                (x, y + below)
            }
            _ => (0.0, 0.0),
        }
    }

    /// The stub that says that the run may end after a step: its line and its mark.
    pub(super) fn end(&self, from: usize) -> (String, (f64, f64)) {
        let (x, y) = self.step(from);
        let (width, height) = STEP;
        let (from, to) = if self.upright {
            let x = x + width / 2.0 - 14.0;
            (
                (x, y + height / 2.0),
                (x, y + height / 2.0 + END_REACH - 8.0),
            )
        } else {
            let y = y + height / 2.0 - 8.0;
            ((x + width / 2.0, y), (x + width / 2.0 + END_REACH - 8.0, y))
        };
        (
            format!("M{:.1} {:.1}L{:.1} {:.1}", from.0, from.1, to.0, to.1),
            to,
        )
    }

    /// The step that is next in a direction on the page; none where there is none.
    pub(super) fn neighbour(&self, from: usize, (dx, dy): (f64, f64)) -> Option<usize> {
        let (x, y) = self.step(from);
        let steps = (0..self.layout.nodes.len()).filter(|number| *number != from);
        let far = steps.filter_map(|number| {
            let (to_x, to_y) = self.step(number);
            let (over, aside) = (
                (to_x - x) * dx + (to_y - y) * dy,
                (to_x - x) * dy + (to_y - y) * dx,
            );
            // straight ahead goes before near: aside counts double
            (over > 1.0).then_some((number, over + 2.0 * aside.abs()))
        });
        far.min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(number, _)| number)
    }

    fn last(&self, number: usize) -> Option<(f64, f64)> {
        let route = self.layout.edges.get(number)?;
        route.points.last().map(|point| self.flat(*point))
    }

    fn handles(&self, from: (f64, f64), to: (f64, f64)) -> ((f64, f64), (f64, f64)) {
        let (x, y) = (f64::midpoint(from.0, to.0), f64::midpoint(from.1, to.1));
        if self.upright {
            ((from.0, y), (to.0, y))
        } else {
            ((x, from.1), (x, to.1))
        }
    }

    const fn flat(&self, point: Point) -> (f64, f64) {
        self.turned(point.along, point.across)
    }

    const fn turned(&self, along: f64, across: f64) -> (f64, f64) {
        if self.upright {
            (across, along)
        } else {
            (along, across)
        }
    }
}

/// A step's width and height.
pub(super) const STEP: (f64, f64) = (176.0, 46.0);
/// How far the stub of an end reaches.
const END_REACH: f64 = 28.0;
/// How far words stand above their line, and below it.
const ABOVE: f64 = -4.0;
const BELOW: f64 = 13.0;
/// The length of a tip.
const TIP: f64 = 8.0;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn view(paths: &Value) -> RunView {
        let mut view = RunView::default();
        let event = json!({"event_type": "pipeline_start", "execution_id": "e", "seq": 1,
            "timestamp": "2025-10-22T10:30:00.000Z",
            "data": {"pipeline": {"name": "p", "start_at": "a", "steps": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "paths": paths}}});
        view.apply(&serde_json::from_value(event).unwrap());
        view
    }

    #[test]
    fn paths_between_the_same_steps_are_one_line_and_ends_are_none() {
        let plan = Plan::of(&view(&json!([
            {"from": "a", "to": "b", "condition": "x"}, {"from": "b", "to": "end"},
            {"from": "a", "to": "b", "condition": "y"}, {"from": "nowhere", "to": "a"}, {"from": "b", "to": "a"},
        ])));
        let ends: Vec<_> = plan.edges.iter().map(|edge| (edge.from, edge.to)).collect();
        assert_eq!(ends, [(0, 1), (1, 0)]);
        assert_eq!(plan.edges[0].condition, "x or y");
        assert_eq!(plan.edges[0].paths, [0, 2]);
        assert_eq!(plan.ends[0].paths, [1]);
    }

    #[test]
    fn lines_lead_from_side_to_side_either_way_up() {
        let plan = Plan::of(&view(
            &json!([{"from": "a", "to": "b"}, {"from": "b", "to": "b"}]),
        ));
        let flat = plan.drawn(false);
        assert_eq!(
            flat.line(0),
            "M 176.0 49.0C 202.0 49.0 202.0 49.0 228.0 49.0"
        );
        assert_eq!(flat.tip(0), "M228.0 49.0L220.0 44.6L220.0 53.4Z");
        assert!(
            flat.line(1).starts_with("M 346.0 26.0C"),
            "{}",
            flat.line(1)
        );
        let upright = plan.drawn(true);
        assert_eq!(
            upright.line(0),
            "M 114.0 46.0C 114.0 68.0 114.0 68.0 114.0 90.0"
        );
        assert!(flat.size().0 > upright.size().0);
    }

    #[test]
    fn arrows_lead_to_the_step_that_is_seen_there() {
        let plan = Plan::of(&view(
            &json!([{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]),
        ));
        let drawing = plan.drawn(false);
        assert_eq!(drawing.neighbour(0, (1.0, 0.0)), Some(1));
        assert_eq!(drawing.neighbour(1, (0.0, 1.0)), Some(2));
        assert_eq!(drawing.neighbour(1, (0.0, -1.0)), None);
        assert_eq!(drawing.neighbour(2, (-1.0, 0.0)), Some(0));
    }
}
