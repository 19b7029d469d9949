//! What only shows when the whole pipeline is known: steps out of reach, loops without a way out,
//! templates that name what is not there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::flow::{PathDefinition, Target};
use super::input::InputSource;
use super::parameter::Parameter;
use super::problem::{Place, Problems};
use super::step::StepDefinition;
use crate::pipeline::graph::{BitSet, Graph};
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
    let ends = ending(graph, steps.len(), paths);
    let mut told = BitSet::new(steps.len());
    for (at, path) in paths.iter().enumerate() {
        let Target::Step(head) = path.to else {
            continue;
        };
        // what was told of one way into a loop holds for the others
        if graph.is_back(at) && !ends.contains(head) && !told.contains(head) {
            let members = members(head, graph, paths);
            for member in &members {
                told.insert(*member);
            }
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
    steps: BTreeSet<&'a str>,
    parameters: BTreeSet<&'a str>,
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
                if !self.parameters.contains(name) {
                    let message = format!("`{path}` names no declared parameter");
                    let suggestion = problems.guess(name, self.parameters.iter().copied());
                    problems.warn(place, message, suggestion);
                }
            }
            "steps" | "parameters" | "input" | "result" => {}
            _ if self.names_a_step(path) || rest.is_empty() => {}
            // it may be a field of the input; a near miss of a step's id rather is a slip
            _ => {
                if let Some(step) = problems.guess(head, self.steps.iter().copied()) {
                    let message = format!("`{path}` names no step");
                    problems.warn(place, message, Some(step));
                }
            }
        }
    }

    fn names_a_step(&self, path: &str) -> bool {
        let heads = path.match_indices('.').map(|(at, _)| at);
        // each head is a look-up as long as itself
        let mut heads = heads.take_while(|at| *at <= LONGEST_HEAD);
        self.steps.contains(path)
            || heads.any(|at| path.get(..at).is_some_and(|it| self.steps.contains(it)))
    }
}

/// Ids of steps that are longer, in bytes, are found where nothing follows them.
const LONGEST_HEAD: usize = 1_024;

/// The steps from which paths lead to an end, or to a step without paths.
fn ending(graph: &Graph, steps: usize, paths: &[PathDefinition]) -> BitSet {
    let mut before = vec![Vec::new(); steps];
    let (mut ends, mut open) = (BitSet::new(steps), Vec::new());
    for path in paths {
        match path.to {
            Target::Step(to) => before
                .get_mut(to)
                .into_iter()
                .for_each(|it| it.push(path.from)),
            Target::End(_) => open.push(path.from),
        }
    }
    open.extend((0..steps).filter(|step| graph.outgoing(*step).is_empty()));
    while let Some(step) = open.pop() {
        if ends.insert(step) {
            open.extend(before.get(step).into_iter().flatten());
        }
    }
    ends
}

/// The steps to which paths lead from here, this one too.
fn members(head: usize, graph: &Graph, paths: &[PathDefinition]) -> Vec<usize> {
    let mut found = BitSet::new(graph.size());
    let (mut members, mut open) = (Vec::new(), vec![head]);
    while let Some(step) = open.pop() {
        if found.insert(step) {
            members.push(step);
            let outgoing = graph.outgoing(step).iter();
            open.extend(outgoing.filter_map(|path| paths.get(*path)?.to.step()));
        }
    }
    members.sort_unstable();
    members
}
