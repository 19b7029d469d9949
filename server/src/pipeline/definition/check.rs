//! What only shows when the whole pipeline is known: steps out of reach, loops without a way out,
//! templates that name what is not there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::flow::{PathDefinition, Target};
use super::input::InputSource;
use super::parameter::Parameter;
use super::problem::{Place, Problems, closest};
use super::step::StepDefinition;
use crate::pipeline::graph::Graph;
use crate::pipeline::template;

/// Warns of steps that no run comes to, and of loops that only a limit ends.
pub(super) fn graph(
    graph: &Graph,
    steps: &[StepDefinition],
    paths: &[PathDefinition],
    problems: &mut Problems,
) {
    let list = Place::root().key("steps");
    for (at, step) in steps.iter().enumerate() {
        if !graph.is_reachable(at) {
            let message = format!("no path leads to step `{}`", step.id);
            problems.warn(&list.index(at), message, None);
        }
    }
    let mut seen = BTreeSet::new();
    for (at, path) in paths.iter().enumerate() {
        let Target::Step(head) = path.to else {
            continue;
        };
        if graph.is_back(at)
            && let Some(members) = closed_loop(head, graph, paths)
            && seen.insert(members.clone())
        {
            let names: Vec<&str> = members
                .iter()
                .filter_map(|member| Some(steps.get(*member)?.id.as_str()))
                .collect();
            let message = format!(
                "the loop of {} has no path out: it ends where no condition matches, or at the limit",
                names.join(", ")
            );
            problems.warn(&path.place, message, None);
        }
    }
    for path in paths {
        let continues = steps
            .get(path.from)
            .is_some_and(|step| step.error_handling.continue_on_error);
        if path.condition.asks_for_failure() && !continues {
            let message = "the path asks for a failure, after which the run goes on only with `continue_on_error`";
            problems.warn(&path.place.key("condition"), message, None);
        }
    }
}

/// Reports templates, sources and conditions that name steps which do not exist.
pub(super) fn names(
    steps: &[StepDefinition],
    paths: &[PathDefinition],
    outputs: Option<&Value>,
    parameters: &[Parameter],
    problems: &mut Problems,
) {
    let names = Names {
        steps: steps.iter().map(|step| step.id.as_str()).collect(),
        parameters: parameters.iter().map(|one| one.name.as_str()).collect(),
    };
    let list = Place::root().key("steps");
    for (at, step) in steps.iter().enumerate() {
        let place = list.index(at);
        template::each_path(&step.config, &mut |path| {
            names.check(path, &place.key("config"), problems);
        });
        for input in &step.inputs {
            let place = place.key("inputs");
            match &input.source {
                InputSource::Paths(paths) => {
                    for path in paths {
                        names.check(path, &place, problems);
                    }
                }
                InputSource::Template(value) => {
                    template::each_path(value, &mut |path| names.check(path, &place, problems));
                }
            }
        }
    }
    for path in paths {
        let place = path.place.key("condition");
        path.condition
            .each_path(&mut |path| names.check(path, &place, problems));
    }
    if let Some(outputs) = outputs {
        let place = Place::root().key("outputs");
        template::each_path(outputs, &mut |path| names.check(path, &place, problems));
    }
}

struct Names<'a> {
    steps: Vec<&'a str>,
    parameters: Vec<&'a str>,
}

impl Names<'_> {
    fn check(&self, path: &str, place: &Place, problems: &mut Problems) {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        match head {
            "steps" if !self.names_a_step(rest) => {
                let word = rest.split('.').next().unwrap_or_default();
                let message = format!("`{path}` names no step");
                problems.unknown(place, message, word, self.steps.iter().copied());
            }
            "parameters" if !self.parameters.is_empty() && !rest.is_empty() => {
                let name = rest.split('.').next().unwrap_or_default();
                if !self.parameters.contains(&name) {
                    let message = format!("`{path}` names no declared parameter");
                    let suggestion = closest(name, self.parameters.iter().copied());
                    problems.warn(place, message, suggestion);
                }
            }
            "steps" | "parameters" | "input" | "result" => {}
            _ if self.names_a_step(path) || rest.is_empty() => {}
            // it may be a field of the input; a near miss of a step's id rather is a slip
            _ => {
                if let Some(step) = closest(head, self.steps.iter().copied()) {
                    let message = format!("`{path}` names no step");
                    problems.warn(place, message, Some(step));
                }
            }
        }
    }

    fn names_a_step(&self, path: &str) -> bool {
        self.steps.iter().any(|step| {
            path.strip_prefix(step)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }
}

/// The steps of a loop from which no path leads to an end, and none to a step without paths.
fn closed_loop(head: usize, graph: &Graph, paths: &[PathDefinition]) -> Option<Vec<usize>> {
    let mut members = BTreeMap::new();
    let mut open = vec![head];
    while let Some(step) = open.pop() {
        if members.insert(step, ()).is_some() {
            continue;
        }
        let outgoing = graph.outgoing(step);
        if outgoing.is_empty() {
            return None;
        }
        for path in outgoing {
            open.push(paths.get(*path)?.to.step()?);
        }
    }
    Some(members.into_keys().collect())
}
