//! The event: one JSON object, the same bytes on every transport and in the log.

use std::fmt;

use serde::de::{Error as DeError, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::fidelity::FROM;
use crate::id::{ExecutionId, Seq, StepId};
use crate::time::Timestamp;

/// What happened. A type this build does not know is kept as it came.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename_all = "snake_case"))]
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
    #[cfg_attr(feature = "types", ts(untagged))]
    Unknown(#[cfg_attr(feature = "types", ts(type = "string & {}"))] String),
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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// One event of one execution.
///
/// Fields that this build does not know are kept in `extra` and written again.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StreamEvent {
    /// What happened.
    pub event_type: EventType,
    /// To which execution.
    pub execution_id: ExecutionId,
    /// In which step; none for what concerns the whole execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "types", ts(optional))]
    pub step_id: Option<StepId>,
    /// The place in the execution: 1, 2, 3 … without a hole.
    pub seq: Seq,
    /// When, by the server's clock.
    pub timestamp: Timestamp,
    /// What, in the shape that `docs/protocol.md` gives for the type.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub data: Value,
    /// What the author of the pipeline or the step attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "types", ts(type = "any", optional))]
    pub metadata: Option<Value>,
    /// Fields of a later version.
    #[serde(flatten)]
    #[cfg_attr(feature = "types", ts(skip))]
    pub extra: Map<String, Value>,
}

impl StreamEvent {
    /// The first event that it stands for: itself, but where tokens were merged.
    pub fn first_seq(&self) -> Seq {
        let from = self.extra.get(FROM).and_then(Value::as_u64);
        from.map_or(self.seq, |from| from.min(self.seq))
    }
}

impl<'de> Deserialize<'de> for StreamEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Fields::deserialize(deserializer)?
            .event()
            .map_err(D::Error::custom)
    }
}

/// The fields of an event, as they stand there. What a derive makes of a flattened rest keeps every field twice on the
/// way, and every event of every page goes this way.
#[derive(Default)]
pub(crate) struct Fields {
    event_type: Option<Value>,
    execution_id: Option<Value>,
    step_id: Option<Value>,
    seq: Option<Value>,
    timestamp: Option<Value>,
    data: Option<Value>,
    metadata: Option<Value>,
    extra: Map<String, Value>,
}

impl Fields {
    /// A field that no event has.
    pub(crate) fn other(&self, name: &str) -> Option<&Value> {
        self.extra.get(name)
    }

    /// The event, or what it lacks.
    pub(crate) fn event(self) -> Result<StreamEvent, String> {
        let present = |value: Option<Value>| value.filter(|value| !value.is_null());
        Ok(StreamEvent {
            event_type: text("event_type", self.event_type)?.as_str().into(),
            execution_id: text("execution_id", self.execution_id)?
                .parse()
                .map_err(|error| format!("execution_id: {error}"))?,
            step_id: match present(self.step_id) {
                Some(id) => Some(text("step_id", Some(id))?.into()),
                None => None,
            },
            seq: self
                .seq
                .and_then(|seq| seq.as_u64())
                .ok_or("seq is a whole number")?,
            timestamp: text("timestamp", self.timestamp)?.into(),
            data: self.data.unwrap_or_default(),
            metadata: present(self.metadata),
            extra: self.extra,
        })
    }
}

fn text(name: &str, value: Option<Value>) -> Result<String, String> {
    match value {
        Some(Value::String(text)) => Ok(text),
        Some(_) | None => Err(format!("{name} is a text")),
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an event")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Fields::default();
                while let Some(name) = map.next_key::<Name>()? {
                    let place = match name {
                        Name::EventType => &mut fields.event_type,
                        Name::ExecutionId => &mut fields.execution_id,
                        Name::StepId => &mut fields.step_id,
                        Name::Seq => &mut fields.seq,
                        Name::Timestamp => &mut fields.timestamp,
                        Name::Data => &mut fields.data,
                        Name::Metadata => &mut fields.metadata,
                        Name::Other(name) => {
                            fields.extra.insert(name, map.next_value()?);
                            continue;
                        }
                    };
                    if place.replace(map.next_value()?).is_some() {
                        return Err(M::Error::custom("a field of an event stands there twice"));
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

enum Name {
    EventType,
    ExecutionId,
    StepId,
    Seq,
    Timestamp,
    Data,
    Metadata,
    Other(String),
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }

            fn visit_str<E: DeError>(self, name: &str) -> Result<Name, E> {
                Ok(match name {
                    "event_type" => Name::EventType,
                    "execution_id" => Name::ExecutionId,
                    "step_id" => Name::StepId,
                    "seq" => Name::Seq,
                    "timestamp" => Name::Timestamp,
                    "data" => Name::Data,
                    "metadata" => Name::Metadata,
                    other => Name::Other(other.to_owned()),
                })
            }
        }
        deserializer.deserialize_str(Reader)
    }
}
