//! JSON Schemas of inputs, parameters and outputs, compiled when the pipeline loads.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::Value;

use super::problem::{Place, Problem, Problems};

/// A compiled schema.
#[derive(Clone)]
pub struct Schema(Arc<Validator>);

impl Schema {
    /// Compiles a schema; a problem where it is none.
    pub fn compile(schema: &Value, place: &Place, problems: &mut Problems) -> Option<Self> {
        match jsonschema::validator_for(schema) {
            Ok(validator) => Some(Self(Arc::new(validator))),
            Err(error) => {
                problems.error(
                    place,
                    format!("no JSON Schema: {}", short(&error.to_string())),
                );
                None
            }
        }
    }

    /// Everything in `value` that the schema forbids.
    pub fn check(&self, value: &Value, place: &Place) -> Vec<Problem> {
        self.0
            .iter_errors(value)
            .map(|error| Problem {
                path: below(place, error.instance_path().as_str()).to_string(),
                message: short(&error.to_string()),
                suggestion: None,
            })
            .collect()
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").finish_non_exhaustive()
    }
}

/// The place that a JSON pointer names below `place`.
fn below(place: &Place, pointer: &str) -> Place {
    pointer
        .split('/')
        .skip(1)
        .fold(place.clone(), |place, part| match part.parse() {
            Ok(index) => place.index(index),
            Err(_) => place.key(&part.replace("~1", "/").replace("~0", "~")),
        })
}

/// Values are quoted in messages; long ones would drown them.
fn short(message: &str) -> String {
    const LONGEST: usize = 300;
    match message.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", message.get(..at).unwrap_or_default()),
        None => message.to_owned(),
    }
}
