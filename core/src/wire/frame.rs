//! JSON frames: what travels in one WebSocket text message.

use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::control::ControlFrame;
use crate::event::{Fields, StreamEvent};
use crate::fidelity::{Fidelity, WhenSlow};
use crate::filter::Filter;
use crate::id::{ExecutionId, Position, Seq};
use crate::pattern::{Pattern, Since};

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

/// How many events may be on their way, sent and not acknowledged: 1 to [`Window::MOST`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct Window(u32);

impl Window {
    /// The largest window.
    pub const MOST: u32 = 100_000;

    /// How many.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A window of no events, or of too many.
#[derive(Clone, Copy, Debug, Error)]
#[error("a window is from 1 to {} events", Window::MOST)]
pub struct WindowError;

impl TryFrom<u32> for Window {
    type Error = WindowError;

    fn try_from(events: u32) -> Result<Self, WindowError> {
        let fits = (1..=Self::MOST).contains(&events);
        fits.then_some(Self(events)).ok_or(WindowError)
    }
}

impl From<Window> for u32 {
    fn from(window: Window) -> Self {
        window.0
    }
}

/// From the client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
        /// How much of that.
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        fidelity: Fidelity,
        /// What where the client is slower than that.
        #[serde(default, skip_serializing_if = "is_default")]
        when_slow: WhenSlow,
        /// No more than so many events that were not acknowledged; as many as the socket takes where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
    },
    /// Follow it no longer.
    Unsubscribe {
        /// Which.
        execution_id: ExecutionId,
    },
    /// Everything up to this event has been dealt with: a window has room again.
    Ack {
        /// Of which execution.
        execution_id: ExecutionId,
        /// The last event dealt with.
        seq: Seq,
    },
    /// Follow the runs that match, those too that are not there yet.
    Watch {
        /// What the client calls this watch, up to 64 bytes.
        watch: String,
        /// Which runs.
        #[serde(default)]
        pattern: Pattern,
        /// From where in the order of runs.
        #[serde(default)]
        since: Since,
        /// What of each of them, which is followed from its first event on.
        #[serde(default, skip_serializing_if = "Filter::is_empty")]
        filter: Filter,
        /// As for a subscription, for each of them.
        #[serde(default, skip_serializing_if = "is_default")]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        fidelity: Fidelity,
        /// As for a subscription, for each of them.
        #[serde(default, skip_serializing_if = "is_default")]
        when_slow: WhenSlow,
        /// As for a subscription, for each of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        window: Option<Window>,
    },
    /// Pick up no more runs. Those that were picked up are followed to their end.
    Unwatch {
        /// Which watch.
        watch: String,
    },
    /// Send a file that an execution has made, beside its events.
    Fetch {
        /// What the client calls it while it is under way, up to 64 bytes.
        fetch: String,
        /// Which execution.
        execution_id: ExecutionId,
        /// The SHA-256 of the file's content.
        sha256: String,
        /// So many bytes the client has already.
        #[serde(default, skip_serializing_if = "is_default")]
        offset: u64,
        /// No more than so many from there on; all that there are where there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
    },
    /// Send no more of a file.
    Unfetch {
        /// What the client calls it.
        fetch: String,
    },
    /// Are you there? The server answers with a pong.
    Ping {},
}

fn is_default<T: Default + PartialEq>(it: &T) -> bool {
    *it == T::default()
}
