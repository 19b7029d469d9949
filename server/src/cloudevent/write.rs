//! From an event of ours.

use serde_json::{Map, Value, json};
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};

use super::{METADATA, PREFIX, SUFFIX};

/// An event in structured mode. Its `id` is its cursor, unique in its source for good.
pub(crate) fn written(event: &StreamEvent, cursor: Cursor) -> Value {
    let mut out = head(
        &event.execution_id,
        event.event_type.as_str(),
        &cursor.to_string(),
    );
    let mut set = |key: &str, value: Value| out.insert(key.to_owned(), value);
    if let Some(step) = &event.step_id {
        set("subject", step.as_str().into());
    }
    set("time", event.timestamp.to_string().into());
    set("sequence", format!("{:020}", event.seq).into());
    let mut rest = event.metadata.clone().unwrap_or_default();
    if let Some(rest) = rest.as_object_mut() {
        for key in TRACE {
            if rest
                .get(key)
                .is_some_and(|it| it.as_str().is_some_and(|text| !text.is_empty()))
            {
                set(key, rest.remove(key).unwrap_or_default());
            }
        }
        if !rest.is_empty() {
            set(METADATA, Value::Object(rest.clone()).to_string().into());
        }
    }
    set("datacontenttype", "application/json".into());
    set("data", event.data.clone());
    Value::Object(out)
}

/// Events that will not come, told in their place.
pub(crate) fn gap(id: &ExecutionId, epoch: Epoch, (from, to): (Seq, Seq), reason: Value) -> Value {
    let mut out = head(id, "gap", &format!("{epoch}.gap.{from}-{to}"));
    out.insert("datacontenttype".into(), "application/json".into());
    out.insert(
        "data".into(),
        json!({ "from": from, "to": to, "reason": reason }),
    );
    Value::Object(out)
}

fn head(execution_id: &ExecutionId, kind: &str, id: &str) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |key: &str, value: String| out.insert(key.to_owned(), value.into());
    set("specversion", "1.0".to_owned());
    set("id", id.to_owned());
    set("source", format!("/api/executions/{execution_id}"));
    set("type", format!("{PREFIX}{kind}{SUFFIX}"));
    set("executionid", execution_id.to_string());
    out
}

/// Of metadata: the extension for distributed tracing.
pub(super) const TRACE: [&str; 2] = ["traceparent", "tracestate"];
