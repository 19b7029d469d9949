//! Control frames: what the server says about the stream, beside the events in it.
//!
//! A frame with the key `control` is never part of the log and never moves a cursor.

use serde::{Deserialize, Serialize};

use crate::id::{Epoch, ExecutionId, Seq};

/// Why events are missing.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GapReason {
    /// Retention, or a memory log's bound, dropped them.
    Retention,
    /// The cursor is of another epoch: the log was recreated, and what the subscriber knows of the old one
    /// is void. The stream begins anew with the first event of the new log.
    Epoch,
    /// The client itself saw a hole in the numbers; a server never sends this one.
    Transport,
}

/// Why an execution ended. Honest in every case: see rule 6 of the contract.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndReason {
    /// `pipeline_complete`.
    Complete,
    /// A step failed, and nothing caught it.
    Failed,
    /// Somebody asked for it.
    Cancelled,
    /// The server stopped in the middle, and the execution could not be resumed.
    Interrupted,
    /// The execution ran longer than it may.
    Timeout,
    /// The program that posted the events fell silent past its lease.
    ProducerLost,
    /// It has ended; how, the reader was not told or does not know the word for. A server never sends this.
    #[serde(other)]
    Unknown,
}

impl EndReason {
    /// The reason as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::ProducerLost => "producer_lost",
            Self::Unknown => "unknown",
        }
    }

    /// The reason that a terminal event's `data.reason` names; `failed` where it names none that is known.
    pub fn of_error(reason: Option<&str>) -> Self {
        [
            Self::Cancelled,
            Self::Interrupted,
            Self::Timeout,
            Self::ProducerLost,
        ]
        .into_iter()
        .find(|known| Some(known.as_str()) == reason)
        .unwrap_or(Self::Failed)
    }
}

/// What the server says about a stream.
///
/// `execution_id` names the stream; each frame carries it, so that many streams share one connection.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "control", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ControlFrame {
    /// The stream is open. The first frame of every subscription.
    Hello {
        /// Which stream.
        execution_id: ExecutionId,
        /// The log's incarnation; with an event's `seq` it makes the cursor.
        epoch: Epoch,
        /// The first event that is still there; one past `last_seq` where none is.
        earliest: Seq,
        /// The last event so far.
        last_seq: Seq,
        /// The server says something at least this often, in milliseconds: a ping where nothing else.
        heartbeat_ms: u64,
        /// How long to wait before the first try to come back, in milliseconds.
        retry_ms: u64,
    },
    /// Events that will not come, before the first that is still there.
    Gap {
        /// Which stream.
        execution_id: ExecutionId,
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
        /// With [`GapReason::Epoch`]: the log's new incarnation.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        epoch: Option<Epoch>,
    },
    /// The execution has ended, everything of it has been sent, and nothing follows.
    Closed {
        /// Which stream.
        execution_id: ExecutionId,
        /// The last event of it.
        last_seq: Seq,
        /// How it ended.
        reason: EndReason,
    },
    /// The server lives. Moves no cursor.
    Ping {},
    /// The server answers a client's ping.
    Pong {},
    /// The server goes away; come back after `retry_ms`.
    Goaway {
        /// How long to wait, in milliseconds; drawn for each connection, so that not all come at once.
        retry_ms: u64,
    },
    /// A subscription was refused, or a frame not understood.
    Error {
        /// Which stream, where one is meant.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        execution_id: Option<ExecutionId>,
        /// The HTTP status that the same request would get.
        status: u16,
        /// What is wrong, and what to do.
        message: String,
    },
}
