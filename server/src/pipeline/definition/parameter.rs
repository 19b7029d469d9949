//! The pipeline's parameters: what a run has to be given, and what is taken where it is not.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

use super::problem::{MOST_GUESSES, Place, Problem, Problems, closest};
use super::reader::{Fields, kind_of};
use super::schema::Schema;

/// One parameter.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// Its name, a key of the run's input.
    pub name: String,
    /// Whether a run is refused without it.
    pub required: bool,
    /// What is taken where the input has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its schema, as written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    #[serde(skip)]
    compiled: Option<Schema>,
}

/// Reads `parameters`: a list of declarations, or an object of declarations or of plain default values.
pub(super) fn load(
    value: Option<&Value>,
    place: &Place,
    problems: &mut Problems,
) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = match value {
        None => Vec::new(),
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .filter_map(|(at, value)| load_declared(None, value, &place.index(at), problems))
            .collect(),
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(name, value)| {
                let place = place.key(name);
                if is_declaration(value) {
                    return load_declared(Some(name), value, &place, problems);
                }
                Some(Parameter {
                    name: name.clone(),
                    required: false,
                    default: Some(value.clone()),
                    description: None,
                    schema: None,
                    compiled: None,
                })
            })
            .collect(),
        Some(other) => {
            let found = kind_of(other);
            problems.error(
                place,
                format!("`parameters` is a list or an object, not {found}"),
            );
            Vec::new()
        }
    };
    let mut seen = BTreeSet::new();
    parameters.retain(|parameter| {
        let new = seen.insert(parameter.name.clone());
        if !new {
            problems.error(
                place,
                format!("parameter `{}` is declared twice", parameter.name),
            );
        }
        new
    });
    parameters
}

/// The values of the parameters for one run.
///
/// # Errors
/// With every place of the input that is wrong.
pub(super) fn values(
    parameters: &[Parameter],
    input: &Map<String, Value>,
) -> Result<Map<String, Value>, Vec<Problem>> {
    let (mut values, mut problems) = (Map::new(), Vec::new());
    let known: BTreeSet<&str> = parameters.iter().map(|it| it.name.as_str()).collect();
    for parameter in parameters {
        let place = Place::root().key(&parameter.name);
        match (input.get(&parameter.name), &parameter.default) {
            (Some(given), _) => {
                if let Some(schema) = &parameter.compiled {
                    problems.extend(schema.check(given, &place));
                }
                values.insert(parameter.name.clone(), given.clone());
            }
            (None, Some(default)) => {
                values.insert(parameter.name.clone(), default.clone());
            }
            (None, None) if parameter.required => {
                let others = input.keys().map(String::as_str);
                let others = others.filter(|key| !known.contains(key));
                let suggestion = (problems.len() < MOST_GUESSES)
                    .then(|| closest(&parameter.name, others))
                    .flatten();
                problems.push(Problem {
                    path: place.to_string(),
                    message: format!("parameter `{}` is required", parameter.name),
                    suggestion,
                });
            }
            (None, None) => {}
        }
    }
    if problems.is_empty() {
        Ok(values)
    } else {
        Err(problems)
    }
}

fn load_declared(
    name: Option<&str>,
    value: &Value,
    place: &Place,
    problems: &mut Problems,
) -> Option<Parameter> {
    let mut fields = Fields::open(value, place, "a parameter", problems)?;
    let own = fields.text("name", problems);
    let Some(name) = name.or(own).map(str::to_owned) else {
        problems.error(place, "a parameter needs a `name`");
        return None;
    };
    let required = fields.flag("required", problems).unwrap_or_default();
    let default = fields.value("default").cloned();
    let description = fields.text("description", problems).map(str::to_owned);
    let schema = match fields.value("schema") {
        Some(schema) => Some(schema.clone()),
        None => short_schema(&mut fields),
    };
    let compiled = schema
        .as_ref()
        .and_then(|schema| Schema::compile(schema, &fields.place("schema"), problems));
    if let (Some(schema), Some(default)) = (&compiled, &default) {
        problems.extend(schema.check(default, &fields.place("default")));
    }
    fields.close(problems);
    Some(Parameter {
        name,
        required,
        default,
        description,
        schema,
        compiled,
    })
}

/// The schema of a declaration that has its keywords beside `default` and `required`.
fn short_schema(fields: &mut Fields<'_>) -> Option<Value> {
    let schema: Map<String, Value> = KEYWORDS
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), fields.value(key)?.clone())))
        .collect();
    (!schema.is_empty()).then(|| schema.into())
}

/// Whether an object below a parameter's name describes the parameter, and is not its value.
fn is_declaration(value: &Value) -> bool {
    let Some(map) = value.as_object() else {
        return false;
    };
    let typed = map
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|name| TYPES.contains(&name));
    let known = |key: &String| {
        KEYWORDS.contains(&key.as_str())
            || ["name", "schema", "required", "default", "description"].contains(&key.as_str())
    };
    (typed || map.contains_key("schema") || map.contains_key("required")) && map.keys().all(known)
}

const KEYWORDS: [&str; 11] = [
    "type",
    "enum",
    "items",
    "properties",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "pattern",
    "format",
];

const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];
