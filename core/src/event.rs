//! The event: one JSON object, the same bytes on every transport and in the log.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::id::{ExecutionId, Seq, StepId};
use crate::time::Timestamp;

/// What happened. A type this build does not know is kept as it came.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum EventType {
    /// The execution begins; `data` describes the pipeline and holds the input.
    PipelineStart,
    /// A step begins an iteration.
    StepStart,
    /// What happens inside a step: a fraction, tokens, a retry, a log line; `docs/protocol.md` has the shapes.
    StepProgress,
    /// A step has produced output.
    StepOutput,
    /// A step ends well.
    StepComplete,
    /// A step ends badly.
    StepError,
    /// The execution ends well. Terminal.
    PipelineComplete,
    /// The execution ends badly, with a reason. Terminal.
    PipelineError,
    /// The execution can be resumed from here.
    CheckpointSaved,
    /// A type of a later version.
    Unknown(String),
}

impl EventType {
    /// The nine types of the plan.
    pub const KNOWN: [Self; 9] = [
        Self::PipelineStart,
        Self::StepStart,
        Self::StepProgress,
        Self::StepOutput,
        Self::StepComplete,
        Self::StepError,
        Self::PipelineComplete,
        Self::PipelineError,
        Self::CheckpointSaved,
    ];

    /// The type as it is written on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::PipelineStart => "pipeline_start",
            Self::StepStart => "step_start",
            Self::StepProgress => "step_progress",
            Self::StepOutput => "step_output",
            Self::StepComplete => "step_complete",
            Self::StepError => "step_error",
            Self::PipelineComplete => "pipeline_complete",
            Self::PipelineError => "pipeline_error",
            Self::CheckpointSaved => "checkpoint_saved",
            Self::Unknown(text) => text,
        }
    }

    /// Whether nothing of the execution follows an event of this type.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::PipelineComplete | Self::PipelineError)
    }
}

impl From<&str> for EventType {
    fn from(text: &str) -> Self {
        Self::KNOWN
            .into_iter()
            .find(|known| known.as_str() == text)
            .unwrap_or_else(|| Self::Unknown(text.to_owned()))
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for EventType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// One event of one execution.
///
/// Fields that this build does not know are kept in `extra` and written again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct StreamEvent {
    /// What happened.
    pub event_type: EventType,
    /// To which execution.
    pub execution_id: ExecutionId,
    /// In which step; none for what concerns the whole execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// The place in the execution: 1, 2, 3 … without a hole.
    pub seq: Seq,
    /// When, by the server's clock.
    pub timestamp: Timestamp,
    /// What, in the shape that `docs/protocol.md` gives for the type.
    #[serde(default)]
    pub data: Value,
    /// What the author of the pipeline or the step attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Value>,
    /// Fields of a later version.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}
