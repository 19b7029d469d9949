//! What templates and conditions can see, and how a dotted path is walked through it.

use serde_json::{Map, Value};

use super::data::Data;

/// The names in reach of a step or of a path out of it.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The branch's data.
    pub data: &'a Data,
    /// The pipeline's parameters.
    pub parameters: &'a Map<String, Value>,
    /// What the run was given.
    pub input: &'a Value,
    /// Whether the step that the path leaves failed, and the run went on.
    pub failed: bool,
}

impl<'a> Scope<'a> {
    /// The value at a dotted path:
    ///
    /// - `parameters.x`, the input's `x` where no parameter has that name;
    /// - `input.x`, what the run was given;
    /// - `steps.s.output.f` or `steps.s.f`;
    /// - `result.f`, what the step before gave;
    /// - `s.f` for a step `s`, else the merged map.
    ///
    /// List elements are named by number.
    pub fn lookup(&self, path: &str) -> Option<&'a Value> {
        let path = path.trim();
        self.reserved(path).or_else(|| self.merged(path))
    }

    fn reserved(&self, path: &str) -> Option<&'a Value> {
        let (head, rest) = path.split_once('.').unwrap_or((path, ""));
        match head {
            "parameters" => walk_map(self.parameters, rest).or_else(|| walk(self.input, rest)),
            "input" => walk(self.input, rest),
            "result" => walk(self.data.last()?, rest),
            "steps" => prefixes(rest).find_map(|(step, rest)| {
                let output = self.data.output_of(step)?;
                let inner = rest.strip_prefix("output").and_then(|inner| {
                    let inner = inner.strip_prefix('.').unwrap_or(inner);
                    walk(output, inner)
                });
                inner.or_else(|| walk(output, rest))
            }),
            _ => None,
        }
    }

    fn merged(&self, path: &str) -> Option<&'a Value> {
        prefixes(path).find_map(|(head, rest)| {
            let in_output = self
                .data
                .output_of(head)
                .and_then(|value| walk(value, rest));
            in_output.or_else(|| walk(self.data.field(head)?, rest))
        })
    }
}

/// Walks a dotted path from a value; the empty path is the value itself.
pub fn walk<'a>(from: &'a Value, path: &str) -> Option<&'a Value> {
    if path.is_empty() {
        return Some(from);
    }
    match from {
        Value::Object(map) => walk_map(map, path),
        Value::Array(list) => {
            let (head, rest) = path.split_once('.').unwrap_or((path, ""));
            walk(list.get(head.parse::<usize>().ok()?)?, rest)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn walk_map<'a>(map: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    prefixes(path).find_map(|(head, rest)| walk(map.get(head)?, rest))
}

/// Every way to take a first name off a path, the shortest first: names may hold dots themselves.
fn prefixes(path: &str) -> impl Iterator<Item = (&str, &str)> {
    let dots = path.match_indices('.').filter_map(|(at, _)| {
        let (head, rest) = path.split_at_checked(at)?;
        Some((head, rest.strip_prefix('.')?))
    });
    dots.chain(std::iter::once((path, "")))
}
