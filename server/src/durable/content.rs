//! What a stream holds: whole events, or messages that somebody appended, each in an event.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stepcast_core::event::EventType;

use super::Kept;
use crate::context::Draft;

/// What a stream is made of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// The events of an execution.
    Events,
    /// Messages of JSON.
    Messages,
    /// Bytes; whether they are text.
    Bytes {
        /// So that an event stream can hold them as they are.
        is_text: bool,
    },
}

/// Why a body has nothing to append.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum NoMessage {
    /// It is no JSON.
    Json(String),
    /// It is an empty array.
    Empty,
    /// A message is longer than an event may be.
    TooLong,
}

impl Content {
    /// Of a stream that was made with this, or of an execution that was not made as a stream.
    pub(crate) fn of(kept: Option<&Kept>) -> Self {
        let Some(kept) = kept else {
            return Self::Events;
        };
        let media = kept.content_type.split(';').next().unwrap_or_default();
        match media.trim_end() {
            "application/json" => Self::Messages,
            media => Self::Bytes {
                is_text: media.starts_with("text/"),
            },
        }
    }

    /// Whether a body of it is an array of JSON.
    pub(crate) fn is_json(self) -> bool {
        matches!(self, Self::Events | Self::Messages)
    }

    /// The events that hold what a body brings, for events of at most `longest` bytes. A body is taken as a whole, so
    /// bytes may be cut wherever that is needed.
    ///
    /// # Errors
    /// Where it cannot be appended.
    pub(crate) fn drafts(self, body: &[u8], longest: usize) -> Result<Vec<Draft>, NoMessage> {
        if !self.is_json() {
            return Ok(pieces(body, longest).map(draft).collect());
        }
        let value: Value =
            serde_json::from_slice(body).map_err(|error| NoMessage::Json(error.to_string()))?;
        let messages = match value {
            Value::Array(messages) if messages.is_empty() => return Err(NoMessage::Empty),
            Value::Array(messages) => messages,
            one @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_)) => vec![one],
        };
        let draft = |message: Value| {
            let data = json!({ VALUE: message });
            if data.to_string().len() > longest {
                return Err(NoMessage::TooLong);
            }
            Ok(draft(data))
        };
        messages.into_iter().map(draft).collect()
    }

    /// Adds what one event holds; true where it holds anything.
    pub(crate) fn add(self, out: &mut Vec<u8>, event: &str) -> bool {
        if self == Self::Events {
            between(out);
            out.extend_from_slice(event.as_bytes());
            return true;
        }
        let Ok(Event { event_type, data }) = serde_json::from_str(event) else {
            return false;
        };
        if event_type != APPENDED {
            return false;
        }
        match (self, data) {
            (
                Self::Messages,
                Data {
                    value: Some(value), ..
                },
            ) => {
                between(out);
                out.extend_from_slice(value.get().as_bytes());
            }
            (
                Self::Bytes { .. },
                Data {
                    text: Some(text), ..
                },
            ) => {
                out.extend_from_slice(text.as_bytes());
            }
            (
                Self::Bytes { .. },
                Data {
                    base64: Some(text), ..
                },
            ) => match STANDARD.decode(text) {
                Ok(bytes) => out.extend_from_slice(&bytes),
                Err(_) => return false,
            },
            (Self::Events | Self::Messages | Self::Bytes { .. }, _) => return false,
        }
        true
    }

    /// What was added, as one body.
    pub(crate) fn body(self, added: Vec<u8>) -> Vec<u8> {
        if !self.is_json() {
            return added;
        }
        let mut body = added;
        if body.is_empty() {
            body.push(b'[');
        }
        body.push(b']');
        body
    }
}

/// What stands before a message.
fn between(out: &mut Vec<u8>) {
    out.push(if out.is_empty() { b'[' } else { b',' });
}

fn draft(data: Value) -> Draft {
    Draft {
        event_type: EventType::from(APPENDED),
        step_id: None,
        data,
        metadata: None,
    }
}

/// A body in pieces that fit an event however they are written: text as it is, everything else in base64.
fn pieces(body: &[u8], longest: usize) -> impl Iterator<Item = Value> {
    // six bytes are the most that JSON makes of one
    let most = (longest / 8).max(4);
    let mut rest = body;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let mut at = most.min(rest.len());
        // not within a character
        while at < rest.len() && at + 3 > most && rest.get(at).is_some_and(|b| b & 0xc0 == 0x80) {
            at -= 1;
        }
        let (piece, more) = rest.split_at(at);
        rest = more;
        Some(match std::str::from_utf8(piece) {
            Ok(text) => json!({ TEXT: text }),
            Err(_) => json!({ BASE64: STANDARD.encode(piece) }),
        })
    })
}

/// An event, as far as it can hold a message.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event_type: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Default, Deserialize)]
struct Data<'a> {
    #[serde(borrow, default, deserialize_with = "given")]
    value: Option<&'a RawValue>,
    text: Option<String>,
    base64: Option<String>,
}

/// A message may be `null`.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// The type of an event that holds what was appended.
const APPENDED: &str = "appended";
const VALUE: &str = "value";
const TEXT: &str = "text";
const BASE64: &str = "base64";
