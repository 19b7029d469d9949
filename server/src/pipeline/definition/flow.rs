//! The flow: where a run starts, and the paths from step to step.

use std::collections::BTreeMap;

use serde_json::Value;

use super::problem::{Place, Problems};
use super::reader::Fields;
use crate::pipeline::condition::Condition;

/// A path out of a step.
#[derive(Clone, Debug)]
pub struct PathDefinition {
    /// The step that it leaves.
    pub from: usize,
    /// Where it leads.
    pub to: Target,
    /// When it is taken.
    pub condition: Condition,
    pub(super) place: Place,
}

/// Where a path leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// To a step.
    Step(usize),
    /// To the end of its branch: `end`, or a name that begins with `end_`.
    End(String),
}

impl Target {
    /// Whether the run fails for having come here.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::End(name) if name == "end_with_failure")
    }

    /// The step, where it is one.
    pub fn step(&self) -> Option<usize> {
        match self {
            Self::Step(step) => Some(*step),
            Self::End(_) => None,
        }
    }
}

/// Whether a name stands for the end of a branch.
pub(super) fn is_end(name: &str) -> bool {
    name == "end" || name.starts_with("end_")
}

/// The start and the paths.
pub(super) struct Flow {
    pub(super) start: usize,
    pub(super) paths: Vec<PathDefinition>,
}

/// Reads the flow; `steps` gives every step's place in the pipeline.
pub(super) fn load(
    value: &Value,
    place: &Place,
    steps: &BTreeMap<&str, usize>,
    problems: &mut Problems,
) -> Flow {
    let mut flow = Flow {
        start: 0,
        paths: Vec::new(),
    };
    let Some(mut fields) = Fields::open(value, place, "`flow`", problems) else {
        return flow;
    };
    match fields.text("start_at", problems) {
        Some(name) => match steps.get(name) {
            Some(start) => flow.start = *start,
            None => unknown_step(name, &fields.place("start_at"), steps, problems),
        },
        None if fields.has(&["start_at"]) => {}
        None => problems.error(place, "no start: `start_at` names the first step"),
    }
    for key in ["paths", "transitions"] {
        let list = fields.list(key, problems).unwrap_or_default();
        let place = fields.place(key);
        if list.len() > MOST_PATHS {
            let message = format!("a pipeline has at most {MOST_PATHS} paths");
            problems.error(&place, message);
            continue;
        }
        for (at, path) in list.iter().enumerate() {
            flow.paths
                .extend(load_path(path, &place.index(at), steps, problems));
        }
    }
    fields.close(problems);
    flow
}

/// Paths of one pipeline: who waits for whom is found by walking them from each step.
const MOST_PATHS: usize = 10_000;

fn load_path(
    value: &Value,
    place: &Place,
    steps: &BTreeMap<&str, usize>,
    problems: &mut Problems,
) -> Option<PathDefinition> {
    let mut fields = Fields::open(value, place, "a path", problems)?;
    let from = end_point(&mut fields, &["from", "from_step"], problems);
    let to = end_point(&mut fields, &["to", "to_step"], problems);
    let condition = match fields.value("condition") {
        Some(value) => Condition::parse(value, &fields.place("condition"), problems),
        None => Condition::Always,
    };
    fields.close(problems);
    let from = from.and_then(|(name, place)| {
        let step = steps.get(name).copied();
        if step.is_none() {
            unknown_step(name, &place, steps, problems);
        }
        step
    });
    let to = to.and_then(|(name, place)| match steps.get(name) {
        Some(step) => Some(Target::Step(*step)),
        None if is_end(name) => Some(Target::End(name.to_owned())),
        None => {
            unknown_step(name, &place, steps, problems);
            None
        }
    });
    Some(PathDefinition {
        from: from?,
        to: to?,
        condition,
        place: place.clone(),
    })
}

fn end_point<'a>(
    fields: &mut Fields<'a>,
    keys: &[&'static str; 2],
    problems: &mut Problems,
) -> Option<(&'a str, Place)> {
    let Some((key, value)) = fields.either(keys, problems) else {
        let [key, other] = keys;
        problems.error(
            fields.here(),
            format!("a path needs `{key}` (or `{other}`)"),
        );
        return None;
    };
    let place = fields.place(key);
    let name = value.as_str();
    if name.is_none() {
        problems.error(&place, format!("`{key}` is the id of a step"));
    }
    Some((name?, place))
}

fn unknown_step(name: &str, place: &Place, steps: &BTreeMap<&str, usize>, problems: &mut Problems) {
    problems.unknown(
        place,
        format!("no step has the id `{name}`"),
        name,
        steps
            .keys()
            .copied()
            .chain(["end", "end_with_success", "end_with_failure"]),
    );
}
