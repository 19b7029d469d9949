//! A question to a person as an interrupt, and the way back.

use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use crate::transport::translated::data::text;

/// The execution and the wait that an interrupt's id names: `EXECUTION/WAIT`. An execution id has no slash.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Interrupted {
    pub(crate) execution_id: ExecutionId,
    pub(crate) wait_id: String,
}

impl Interrupted {
    /// None where it is none of ours.
    pub(crate) fn parse(id: &str) -> Option<Self> {
        let (execution_id, wait_id) = id.split_once('/')?;
        Some(Self {
            execution_id: execution_id.parse().ok()?,
            wait_id: wait_id.to_owned(),
        })
    }
}

/// The interrupt that a `waiting` event is.
pub(super) fn interrupt(execution_id: &str, step: &str, data: &Value) -> Value {
    let wait_id = text(data, "wait_id").unwrap_or_default();
    let mut interrupt = Map::new();
    interrupt.insert("id".into(), format!("{execution_id}/{wait_id}").into());
    interrupt.insert("reason".into(), "input_required".into());
    if let Some(prompt) = text(data, "prompt") {
        interrupt.insert("message".into(), prompt.into());
    }
    interrupt.insert("responseSchema".into(), schema(data));
    if let Some(expires_at) = text(data, "expires_at") {
        interrupt.insert("expiresAt".into(), expires_at.into());
    }
    let mut metadata = Map::new();
    metadata.insert("step_id".into(), step.into());
    for key in [
        "wait_id",
        "form",
        "context",
        "assigned_users",
        "channels",
        "default",
    ] {
        if let Some(value) = data.get(key) {
            metadata.insert(key.into(), value.clone());
        }
    }
    interrupt.insert("metadata".into(), Value::Object(metadata));
    Value::Object(interrupt)
}

/// A form as JSON Schema of its answer.
fn schema(data: &Value) -> Value {
    let form = data.get("form").unwrap_or(&Value::Null);
    let fields = form.get("fields").and_then(Value::as_array);
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for field in fields.into_iter().flatten() {
        let Some(name) = text(field, "name") else {
            continue;
        };
        properties.insert(name.to_owned(), property(field));
        if field.get("required") == Some(&Value::Bool(true)) {
            required.push(Value::from(name));
        }
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if let (Some(object), false) = (schema.as_object_mut(), required.is_empty()) {
        object.insert("required".into(), required.into());
    }
    if let (Some(object), Some(title)) = (schema.as_object_mut(), text(form, "title")) {
        object.insert("title".into(), title.into());
    }
    schema
}

fn property(field: &Value) -> Value {
    let options = field.get("options").and_then(Value::as_array);
    let values: Vec<Value> = options
        .into_iter()
        .flatten()
        .filter_map(|option| option.get("value").cloned())
        .collect();
    let mut property = match text(field, "type").unwrap_or_default() {
        "number" => json!({ "type": "number" }),
        "boolean" => json!({ "type": "boolean" }),
        "radio" | "select" => json!({ "enum": values }),
        "multiselect" => {
            json!({ "type": "array", "items": { "enum": values }, "uniqueItems": true })
        }
        "email" => json!({ "type": "string", "format": "email" }),
        "url" => json!({ "type": "string", "format": "uri" }),
        "date" => json!({ "type": "string", "format": "date" }),
        "datetime" => json!({ "type": "string", "format": "date-time" }),
        _ => json!({ "type": "string" }),
    };
    if let Some(object) = property.as_object_mut() {
        for (ours, theirs) in [
            ("label", "title"),
            ("description", "description"),
            ("default", "default"),
        ] {
            if let Some(value) = field.get(ours).filter(|value| !value.is_null()) {
                object.insert(theirs.into(), value.clone());
            }
        }
        let number = text(field, "type") == Some("number");
        for (ours, theirs) in [("min", "minimum"), ("max", "maximum")] {
            if let Some(value) = field.get(ours).filter(|value| number && value.is_number()) {
                object.insert(theirs.into(), value.clone());
            }
        }
    }
    property
}
