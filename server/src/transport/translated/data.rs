//! What translations read of an event's data.

use serde_json::{Value, json};

/// A text member; none where there is none, or it is no text.
pub(crate) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// The texts of a list.
pub(crate) fn texts(value: &Value, key: &str) -> Vec<String> {
    let list = value.get(key).and_then(Value::as_array);
    let texts = list.into_iter().flatten().filter_map(Value::as_str);
    texts.map(str::to_owned).collect()
}

/// The data with the step that it is of.
pub(crate) fn with_step(id: &str, data: &Value) -> Value {
    let mut value = json!({ "step_id": id });
    if let (Some(object), Some(data)) = (value.as_object_mut(), data.as_object()) {
        object.extend(data.clone());
    }
    value
}

/// The text of the last message that a user sent, whose text is a string at `key`, or parts with texts.
pub(crate) fn last_said(messages: &[Value], key: &str) -> Option<String> {
    let users = |message: &&Value| text(message, "role") == Some("user");
    let message = messages.iter().rfind(users)?;
    match message.get(key)? {
        Value::String(said) => Some(said.clone()),
        Value::Array(parts) => {
            let texts: Vec<&str> = parts.iter().filter_map(|part| text(part, "text")).collect();
            (!texts.is_empty()).then(|| texts.join("\n"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
