//! JSON frames: what travels in one WebSocket text message.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::control::ControlFrame;
use crate::event::{Fields, StreamEvent};
use crate::filter::Filter;
use crate::id::{ExecutionId, Position};

/// From the server: an event, or something about the stream.
#[derive(Clone, Debug, PartialEq)]
pub enum ServerFrame {
    /// An event of the log.
    Event(Box<StreamEvent>),
    /// Something about the stream.
    Control(ControlFrame),
    /// A control frame of a later version: to be ignored.
    UnknownControl(Value),
}

/// Why a text is not a frame.
#[derive(Debug, Error)]
#[error("not a frame: {0}")]
pub struct FrameError(#[from] serde_json::Error);

impl ServerFrame {
    /// Reads one frame.
    ///
    /// # Errors
    /// Where the text is not JSON, or an event without the fields that every event has.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let fields: Fields = serde_json::from_str(text)?;
        match fields.other("control") {
            None | Some(Value::Null) => {
                let event = fields.event().map_err(serde_json::Error::custom)?;
                Ok(Self::Event(Box::new(event)))
            }
            Some(Value::String(_)) => {
                let value: Value = serde_json::from_str(text)?;
                let known = ControlFrame::read(&value);
                Ok(known.map_or(Self::UnknownControl(value), Self::Control))
            }
            Some(_) => Err(serde_json::Error::custom("control is a text").into()),
        }
    }
}

/// From the client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientFrame {
    /// Follow an execution.
    Subscribe {
        /// Which.
        execution_id: ExecutionId,
        /// From where.
        #[serde(default)]
        after: Position,
        /// What of it.
        #[serde(default, skip_serializing_if = "Filter::is_empty")]
        filter: Filter,
    },
    /// Follow it no longer.
    Unsubscribe {
        /// Which.
        execution_id: ExecutionId,
    },
    /// Are you there? The server answers with a pong.
    Ping {},
}
