//! The events of AG-UI that are made in more than one place.

use serde_json::{Map, Value, json};

/// An AG-UI event; `null` members are left out, for the protocol knows none.
pub(super) fn event(kind: &str, at: Option<u64>, members: Value) -> Value {
    let mut event = Map::new();
    event.insert("type".into(), kind.into());
    if let Some(at) = at {
        event.insert("timestamp".into(), at.into());
    }
    if let Value::Object(members) = members {
        event.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(event)
}

pub(super) fn custom(name: &str, value: &Value, at: Option<u64>) -> Value {
    let mut custom = event("CUSTOM", at, json!({ "name": name }));
    if let Some(custom) = custom.as_object_mut() {
        // it may be null, and is there all the same
        custom.insert("value".into(), value.clone());
    }
    custom
}

/// A change of the state: each entry is put at its path.
pub(super) fn delta(changes: Vec<(String, Value)>, at: Option<u64>) -> Value {
    let operations: Vec<Value> = changes
        .into_iter()
        .map(|(path, value)| json!({ "op": "add", "path": path, "value": value }))
        .collect();
    event("STATE_DELTA", at, json!({ "delta": operations }))
}

/// A member's name in a JSON pointer.
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
