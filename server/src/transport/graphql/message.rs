//! What travels over graphql-transport-ws.

use async_graphql::{Request, Response, ServerError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Said {
    ConnectionInit {
        #[serde(default)]
        payload: Value,
    },
    Ping {
        #[serde(default)]
        payload: Value,
    },
    Pong {},
    Subscribe {
        id: String,
        payload: Box<Request>,
    },
    Complete {
        id: String,
    },
}

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Told<'a> {
    ConnectionAck {},
    Ping {},
    Pong {
        #[serde(skip_serializing_if = "Value::is_null")]
        payload: Value,
    },
    Next {
        id: &'a str,
        payload: &'a Response,
    },
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    Complete {
        id: &'a str,
    },
}

/// The codes of the protocol with which a connection is closed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Close {
    /// The server restarts, or what let the client in is over: one of ours.
    Ours(u16),
    /// Something that is no message.
    BadRequest,
    /// An operation before the connection is initialised.
    Unauthorized,
    /// What the client shows does not let it in.
    Forbidden,
    /// Another protocol.
    SubprotocolNotAcceptable,
    /// Nothing was said in time.
    InitialisationTimeout,
    /// An operation of this id is under way.
    SubscriberExists,
    /// Initialised twice.
    TooManyInitialisations,
}

impl Close {
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::Ours(code) => code,
            Self::BadRequest => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::SubprotocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberExists => 4409,
            Self::TooManyInitialisations => 4429,
        }
    }

    /// In the words of the protocol; a close frame has room for 123 bytes.
    pub(super) fn reason(self, id: &str) -> String {
        match self {
            Self::Ours(_) => String::new(),
            Self::BadRequest => "Invalid message received".to_owned(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden => "Forbidden".to_owned(),
            Self::SubprotocolNotAcceptable => "Subprotocol not acceptable".to_owned(),
            Self::InitialisationTimeout => "Connection initialisation timeout".to_owned(),
            Self::SubscriberExists => {
                let id: String = id
                    .chars()
                    .filter(|it| it.is_ascii_graphic())
                    .take(64)
                    .collect();
                format!("Subscriber for {id} already exists")
            }
            Self::TooManyInitialisations => "Too many initialisation requests".to_owned(),
        }
    }
}
