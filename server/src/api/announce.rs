//! What a producer elsewhere says of an execution before it begins.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use super::incoming::too_large;
use super::producer;
use crate::config::LEASE_MS;
use crate::error::{Flaw, Problem};
use crate::executions::Announcement;

/// The parts of `POST /api/executions` that belong to the mode `external`.
#[derive(Debug, Default)]
pub(crate) struct Described {
    pub(crate) description: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) steps: Option<Value>,
    pub(crate) paths: Option<Value>,
    pub(crate) lease_ms: Option<u64>,
}

impl Described {
    /// Refuses what other modes have no use for.
    pub(super) fn must_be_absent(&self) -> Result<(), Problem> {
        let absent = self.description.is_none()
            && self.version.is_none()
            && self.steps.is_none()
            && self.paths.is_none()
            && self.lease_ms.is_none();
        if absent {
            return Ok(());
        }
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "`description`, `version`, `steps`, `paths` and `lease_ms` belong to the mode `external`; a pipeline that this server runs has its own.",
        ))
    }

    /// Checks it, and puts the pipeline into the form of `pipeline_start`.
    pub(crate) fn announcement(
        self,
        name: String,
        input: Map<String, Value>,
        execution_id: Option<ExecutionId>,
        headers: &HeaderMap,
        max_event_bytes: usize,
    ) -> Result<Announcement, Problem> {
        let mut flaws = Vec::new();
        if name.is_empty() || name.len() > LONGEST_NAME {
            flaws.push(flaw("$.pipeline", "must be a name of 1 to 200 bytes"));
        }
        if self
            .lease_ms
            .is_some_and(|lease| !LEASE_MS.contains(&lease))
        {
            flaws.push(flaw("$.lease_ms", "must be from 100 to 86400000"));
        }
        let steps = list(self.steps, "steps", &mut flaws, step);
        let paths = list(self.paths, "paths", &mut flaws, path);
        if !flaws.is_empty() {
            return Err(Problem::invalid("The execution cannot be created.", flaws));
        }
        let mut pipeline = json!({ "name": name });
        if let Some(members) = pipeline.as_object_mut() {
            let texts = [("description", self.description), ("version", self.version)];
            for (key, text) in texts {
                members.extend(text.map(|text| (key.to_owned(), text.into())));
            }
            members.insert("steps".into(), steps.into());
            members.insert("paths".into(), paths.into());
        }
        let input = Value::from(input);
        if pipeline.to_string().len() + input.to_string().len() > max_event_bytes {
            // together they are the first event
            return Err(too_large(max_event_bytes));
        }
        Ok(Announcement {
            execution_id,
            name,
            pipeline,
            input,
            lease: self.lease_ms.map(Duration::from_millis),
            producer: producer::name(headers)?,
            owner: None,
            trace: None,
        })
    }
}

fn list(
    given: Option<Value>,
    member: &str,
    flaws: &mut Vec<Flaw>,
    read: impl Fn(Value) -> Option<Value>,
) -> Vec<Value> {
    let given = match given {
        None => return Vec::new(),
        Some(Value::Array(given)) if given.len() <= MOST_STEPS => given,
        Some(_) => {
            let message = format!("must be a list of at most {MOST_STEPS}");
            flaws.push(flaw(&format!("$.{member}"), &message));
            return Vec::new();
        }
    };
    let mut found = Vec::with_capacity(given.len());
    for (at, value) in given.into_iter().enumerate() {
        match read(value) {
            Some(value) => found.push(value),
            None => {
                let shape = match member {
                    "steps" => "must be a step's id, or {\"id\", \"name\"?, \"kind\"?}, all texts",
                    _ => "must be {\"from\", \"to\", \"condition\"?}, all texts",
                };
                flaws.push(flaw(&format!("$.{member}[{at}]"), shape));
            }
        }
    }
    found
}

/// A step: its id alone, or with what is shown of it.
fn step(value: Value) -> Option<Value> {
    match value {
        Value::String(id) if !id.is_empty() => Some(json!({ "id": id, "kind": "external" })),
        Value::Object(mut members) => {
            texts(&members, &["id"], &["name", "kind"])?;
            members.entry("kind").or_insert_with(|| "external".into());
            Some(members.into())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            None
        }
    }
}

fn path(value: Value) -> Option<Value> {
    texts(value.as_object()?, &["from", "to"], &["condition"])?;
    Some(value)
}

/// Whether all `needed` members are texts that are not empty, and there is nothing else but `other` texts.
fn texts(members: &Map<String, Value>, needed: &[&str], other: &[&str]) -> Option<()> {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let all = needed.iter().all(|key| members.get(*key).is_some_and(text));
    let known = |key: &str| needed.contains(&key) || other.contains(&key);
    let only = members
        .iter()
        .all(|(key, value)| known(key) && value.is_string());
    (all && only).then_some(())
}

fn flaw(path: &str, message: &str) -> Flaw {
    Flaw {
        path: path.to_owned(),
        message: message.to_owned(),
        suggestion: None,
    }
}

/// Steps, and paths, that are announced.
const MOST_STEPS: usize = 1_000;

/// Names longer than this are none.
const LONGEST_NAME: usize = 200;
