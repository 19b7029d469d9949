//! Executions as text, to be kept or carried elsewhere: a line that says what each was, then its events as they are.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{ExecutionId, Seq};

use super::execution::ExecutionStatus;
use super::record::Record;
use crate::trace::TraceContext;

/// The first line of an execution.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Header {
    /// The version of this format: [`VERSION`].
    pub(super) stepcast_execution: u32,
    pub(super) execution_id: ExecutionId,
    pub(super) pipeline: String,
    pub(super) status: ExecutionStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// Milliseconds since 1970, as all times here.
    pub(super) created_at: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) started_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ended_at: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lease_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) resumed_from: Option<ExecutionId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trace: Option<TraceContext>,
    /// The first event that follows; 1 where there is none.
    pub(super) earliest: Seq,
    /// The last one; 0 where there is none.
    pub(super) last_seq: Seq,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) checkpoint: Option<Saved>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) producers: Vec<Mark>,
    pub(super) definition: Box<RawValue>,
    pub(super) input: Box<RawValue>,
}

/// A checkpoint, its parts as the text they are.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Saved {
    pub(super) seq: Seq,
    pub(super) state: String,
    pub(super) results: Vec<(u32, String)>,
}

/// A producer's place.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Mark {
    pub(super) producer: String,
    pub(super) epoch: u64,
    pub(super) seq: u64,
}

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// How a header begins, and no event does.
pub(super) const HEADER: &str = "{\"stepcast_execution\":";

/// The event that these bytes are, at this place of this log; else what is wrong with them.
pub(super) fn event(json: &[u8], id: &ExecutionId, seq: Seq) -> Result<StreamEvent, String> {
    let parsed = Record::from_stored(0, seq, json)
        .and_then(|record| record.parse().ok())
        .ok_or_else(|| format!("event {seq} is no event as the log writes them"))?;
    if parsed.seq != seq || parsed.execution_id != *id {
        return Err(format!(
            "in the place of event {seq} of {id} is event {} of {}",
            parsed.seq, parsed.execution_id
        ));
    }
    Ok(parsed)
}
