//! The chunks that are made in more than one place.

use serde_json::{Map, Value, json};

/// A chunk of this type.
pub(super) fn chunk(kind: &str, members: Value) -> Value {
    let mut chunk = Map::new();
    chunk.insert("type".into(), kind.into());
    if let Value::Object(members) = members {
        chunk.extend(members);
    }
    Value::Object(chunk)
}

/// The members that have a value.
pub(super) fn known(mut members: Value) -> Value {
    if let Some(members) = members.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    members
}

/// Something that is told once, and is no part of the message.
pub(super) fn transient(kind: &str, data: &Value) -> Value {
    json!({ "type": format!("data-{kind}"), "data": data, "transient": true })
}

/// A part of the message of its own, which a later one of the same id replaces.
pub(super) fn data(kind: &str, id: &str, data: &Map<String, Value>) -> Value {
    json!({ "type": format!("data-{kind}"), "id": id, "data": data })
}
