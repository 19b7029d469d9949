//! Templates: `{{ path }}` inside texts of a configuration, resolved before a step runs.
//!
//! A text that is one placeholder takes the value with its type; inside a longer text the value is written out.
//! What cannot be resolved stays as it was written, and is named to the caller.

use serde_json::{Map, Value};

use super::scope::Scope;

/// Whether there is anything to resolve in a value.
pub fn has_placeholder(value: &Value) -> bool {
    match value {
        Value::String(text) => placeholders(text).next().is_some(),
        Value::Array(list) => list.iter().any(has_placeholder),
        Value::Object(map) => map.values().any(has_placeholder),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Resolves every placeholder of a value; the paths without a value are put into `unresolved`.
pub fn resolve(value: &Value, scope: &Scope<'_>, unresolved: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => resolve_text(text, scope, unresolved),
        Value::Array(list) => list
            .iter()
            .map(|value| resolve(value, scope, unresolved))
            .collect(),
        Value::Object(map) => resolve_map(map, scope, unresolved).into(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Resolves every value of a map.
pub fn resolve_map(
    map: &Map<String, Value>,
    scope: &Scope<'_>,
    unresolved: &mut Vec<String>,
) -> Map<String, Value> {
    map.iter()
        .map(|(key, value)| (key.clone(), resolve(value, scope, unresolved)))
        .collect()
}

/// Calls `visit` with every path that a value's placeholders name.
pub fn each_path(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => placeholders(text).for_each(|found| visit(found.path)),
        Value::Array(list) => list.iter().for_each(|value| each_path(value, visit)),
        Value::Object(map) => map.values().for_each(|value| each_path(value, visit)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The alternatives of a step input's `source`: `{a}|{b}`, `{{ a }}` or a bare path, best first.
/// None where the braces do not match.
pub fn source_paths(source: &str) -> Option<Vec<&str>> {
    source
        .split('|')
        .map(|part| {
            let part = part.trim();
            let inner = match part.strip_prefix("{{") {
                Some(rest) => rest.strip_suffix("}}")?,
                None => match part.strip_prefix('{') {
                    Some(rest) => rest.strip_suffix('}')?,
                    None => part,
                },
            };
            let path = inner.trim();
            let plain = !path.is_empty() && !path.contains(['{', '}']);
            plain.then_some(path)
        })
        .collect()
}

struct Placeholder<'t> {
    start: usize,
    end: usize,
    path: &'t str,
}

fn resolve_text(text: &str, scope: &Scope<'_>, unresolved: &mut Vec<String>) -> Value {
    let mut out = String::new();
    let mut done = 0;
    for found in placeholders(text) {
        let value = scope.lookup(found.path);
        if value.is_none() {
            unresolved.push(found.path.to_owned());
        }
        if found.start == 0 && found.end == text.len() {
            return value.cloned().unwrap_or_else(|| text.into());
        }
        out.push_str(text.get(done..found.start).unwrap_or_default());
        match value {
            None => out.push_str(text.get(found.start..found.end).unwrap_or_default()),
            Some(Value::String(value)) => out.push_str(value),
            Some(value) => out.push_str(&value.to_string()),
        }
        done = found.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out.into()
}

fn placeholders(text: &str) -> impl Iterator<Item = Placeholder<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text.get(from..)?.find("{{")?;
        let inner = text.get(start + 2..)?;
        let length = inner.find("}}")?;
        let end = start + 2 + length + 2;
        from = end;
        Some(Placeholder {
            start,
            end,
            path: inner.get(..length)?.trim(),
        })
    })
    .filter(|found| !found.path.is_empty())
}
