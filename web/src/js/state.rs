//! The connection's state, as JavaScript has it.

use std::time::Duration;

use serde::Serialize;
use stepcast_core::client::{State, Transport, WaitReason};
use stepcast_core::control::EndReason;
use stepcast_core::id::Seq;

use crate::clock;

/// The connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionState {
    /// Not started.
    Idle {},
    /// A connection is being made.
    Connecting {
        /// By which transport.
        transport: TransportName,
        /// How many have failed in a row.
        attempt: u32,
    },
    /// Events from before come in.
    CatchingUp {
        /// By which transport.
        transport: TransportName,
        /// The event at which it will have caught up.
        until: Seq,
    },
    /// Every event comes as it happens.
    Live {
        /// By which transport.
        transport: TransportName,
    },
    /// It comes back after a while.
    Waiting {
        /// After how long, in milliseconds.
        delay_ms: u64,
        /// How many have failed in a row.
        attempt: u32,
        /// Why.
        reason: WaitName,
    },
    /// The network is gone; it comes back with it.
    Offline {},
    /// Its reader is behind: it has hung up, and comes back at its place when the reader has caught up.
    Paused {},
    /// The run has ended, and all of it was delivered.
    Ended {
        /// How it ended.
        reason: EndReason,
    },
    /// The server refused for good.
    Refused {
        /// The HTTP status, or the one that the close code stands for.
        status: u16,
    },
    /// Closed from here.
    Stopped {},
    /// A state of a later version.
    Unknown {},
}

/// A way to reach the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, serde::Deserialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "Transport"))]
#[serde(rename_all = "snake_case")]
pub enum TransportName {
    /// A WebSocket.
    Websocket,
    /// Server-sent events.
    Sse,
    /// Long polling.
    LongPoll,
}

/// Why a connection is made later.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "types", derive(ts_rs::TS), ts(rename = "WaitReason"))]
#[serde(rename_all = "snake_case")]
pub enum WaitName {
    /// The last one broke.
    Broken,
    /// The last one fell silent.
    Stale,
    /// The server restarts.
    ServerRestart,
    /// The server is busy.
    Busy,
    /// The network lets this transport not through; another is tried.
    Blocked,
    /// What the stream was opened with has expired, or was revoked.
    Expired,
}

impl From<State> for ConnectionState {
    fn from(state: State) -> Self {
        match state {
            State::Idle => Self::Idle {},
            State::Connecting { transport, attempt } => Self::Connecting {
                transport: transport.into(),
                attempt,
            },
            State::CatchingUp { transport, until } => Self::CatchingUp {
                transport: transport.into(),
                until,
            },
            State::Live { transport } => Self::Live {
                transport: transport.into(),
            },
            State::Waiting {
                until,
                attempt,
                reason,
            } => Self::Waiting {
                delay_ms: until.since(clock::now()).max(Duration::ZERO).as_millis() as u64,
                attempt,
                reason: reason.into(),
            },
            State::Offline => Self::Offline {},
            State::Ended { reason } => Self::Ended { reason },
            State::Refused { status } => Self::Refused { status },
            State::Stopped => Self::Stopped {},
            _ => Self::Unknown {},
        }
    }
}

impl From<Transport> for TransportName {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::WebSocket => Self::Websocket,
            Transport::Sse => Self::Sse,
            Transport::LongPoll => Self::LongPoll,
        }
    }
}

impl From<TransportName> for Transport {
    fn from(name: TransportName) -> Self {
        match name {
            TransportName::Websocket => Self::WebSocket,
            TransportName::Sse => Self::Sse,
            TransportName::LongPoll => Self::LongPoll,
        }
    }
}

impl From<WaitReason> for WaitName {
    fn from(reason: WaitReason) -> Self {
        match reason {
            WaitReason::Broken => Self::Broken,
            WaitReason::Stale => Self::Stale,
            WaitReason::ServerRestart => Self::ServerRestart,
            WaitReason::Busy => Self::Busy,
            WaitReason::Blocked => Self::Blocked,
            WaitReason::Expired => Self::Expired,
        }
    }
}
