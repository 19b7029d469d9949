//! Control frames: what the server says about the stream, beside the events in it.
//!
//! A frame with the key `control` is never part of the log, and none but `place`, `snapshot` and `fidelity` moves a
//! cursor.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::fidelity::Fidelity;
use crate::id::{Cursor, Epoch, ExecutionId, Seq};
use crate::pattern::Mark;

/// Why events are missing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
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

/// Why a server sends a client away for a while.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GoawayReason {
    /// The server restarts. Also what is read from a server that gives no reason, or one that this build does not know.
    #[default]
    Restart,
    /// The client has opened or asked for too much; the same as 429.
    Busy,
    /// The token, session or link that opened the stream has expired, or was revoked.
    Expired,
}

/// Why an execution ended. Honest in every case: see rule 6 of the contract.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
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

    /// The reason of this name; a name of a later version is [`EndReason::Unknown`].
    fn of_name(name: &str) -> Self {
        [
            Self::Complete,
            Self::Failed,
            Self::Cancelled,
            Self::Interrupted,
            Self::Timeout,
            Self::ProducerLost,
        ]
        .into_iter()
        .find(|known| known.as_str() == name)
        .unwrap_or(Self::Unknown)
    }
}

impl<'de> Deserialize<'de> for EndReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::of_name(&String::deserialize(deserializer)?))
    }
}

impl GapReason {
    fn of_name(name: &str) -> Option<Self> {
        match name {
            "retention" => Some(Self::Retention),
            "epoch" => Some(Self::Epoch),
            "transport" => Some(Self::Transport),
            _ => None,
        }
    }
}

impl GoawayReason {
    fn of_name(name: &str) -> Self {
        match name {
            "busy" => Self::Busy,
            "expired" => Self::Expired,
            _ => Self::Restart,
        }
    }
}

impl<'de> Deserialize<'de> for GapReason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::of_name(&name)
            .ok_or_else(|| D::Error::unknown_variant(&name, &["retention", "epoch", "transport"]))
    }
}

/// What the server says about a stream.
///
/// `execution_id` names the stream; each frame carries it, so that many streams share one connection.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
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
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "types", ts(optional))]
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
    /// A pattern is watched. The first frame of every watch.
    Watching {
        /// Which watch.
        watch: String,
        /// All runs up to here have been looked at.
        mark: Mark,
    },
    /// A run that a watch has picked up; its `hello` follows.
    Matched {
        /// Which watch.
        watch: String,
        /// The run.
        execution_id: ExecutionId,
        /// All runs up to this one have been looked at: a watch that begins after it picks up the next.
        mark: Mark,
    },
    /// The client is past everything up to here: what its filter did not hold back was sent. Said in a filtered stream
    /// that has had nothing else to say for a while.
    Place {
        /// Which stream.
        execution_id: ExecutionId,
        /// Where it comes back from.
        #[cfg_attr(feature = "types", ts(type = "string"))]
        cursor: Cursor,
    },
    /// What the events up to `cursor` come to, in place of them; what follows comes one by one.
    Snapshot {
        /// Which stream.
        execution_id: ExecutionId,
        /// Where it comes back from.
        #[cfg_attr(feature = "types", ts(type = "string"))]
        cursor: Cursor,
        /// The view of the run, folded from them.
        #[cfg_attr(feature = "types", ts(type = "RunView"))]
        #[cfg_attr(feature = "schema", schemars(with = "serde_json::Map<String, Value>"))]
        view: Value,
    },
    /// From here on the stream has this fidelity: the client was too slow for the one that it asked for, or has caught up.
    /// Everything up to `cursor` was sent, or left out by the fidelity before.
    Fidelity {
        /// Which stream.
        execution_id: ExecutionId,
        /// How much is told from here on.
        #[cfg_attr(feature = "types", ts(type = "string"))]
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        fidelity: Fidelity,
        /// From where on.
        #[cfg_attr(feature = "types", ts(type = "string"))]
        cursor: Cursor,
    },
    /// The server lives. Moves no cursor.
    Ping {},
    /// The server answers a client's ping.
    Pong {},
    /// The server ends the connection; come back after `retry_ms`.
    Goaway {
        /// How long to wait, in milliseconds; drawn for each connection, so that not all come at once.
        retry_ms: u64,
        /// Why.
        reason: GoawayReason,
    },
    /// A subscription was refused, or a frame not understood.
    Error {
        /// Which stream, where one is meant.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "types", ts(optional))]
        execution_id: Option<ExecutionId>,
        /// The HTTP status that the same request would get.
        status: u16,
        /// What is wrong, and what to do.
        message: String,
    },
}

impl ControlFrame {
    const NAMES: &'static [&'static str] = &[
        "hello", "gap", "closed", "watching", "matched", "place", "snapshot", "fidelity", "ping",
        "pong", "goaway", "error",
    ];

    /// Reads a frame; none where this build does not know its name, or a field of it is not as it should be.
    ///
    /// By hand: what a derive makes of a tagged enum is a tenth of the headless client.
    #[expect(clippy::too_many_lines, reason = "an arm for each frame")]
    pub(crate) fn read(frame: &Value) -> Option<Self> {
        let number = |name: &str| frame.get(name).and_then(Value::as_u64);
        let text = |name: &str| frame.get(name).and_then(Value::as_str);
        let stream = || text("execution_id").and_then(|id| id.parse().ok());
        // what may be left out may not be of another kind
        let absent = |name: &str| frame.get(name).is_none_or(Value::is_null);
        Some(match text("control")? {
            "hello" => Self::Hello {
                execution_id: stream()?,
                epoch: number("epoch")?,
                earliest: number("earliest")?,
                last_seq: number("last_seq")?,
                heartbeat_ms: number("heartbeat_ms")?,
                retry_ms: number("retry_ms")?,
            },
            "gap" => Self::Gap {
                execution_id: stream()?,
                from: number("from")?,
                to: number("to")?,
                reason: GapReason::of_name(text("reason")?)?,
                epoch: match number("epoch") {
                    None if !absent("epoch") => return None,
                    epoch => epoch,
                },
            },
            "closed" => Self::Closed {
                execution_id: stream()?,
                last_seq: number("last_seq")?,
                reason: EndReason::of_name(text("reason")?),
            },
            "watching" => Self::Watching {
                watch: text("watch")?.to_owned(),
                mark: text("mark")?.parse().ok()?,
            },
            "matched" => Self::Matched {
                watch: text("watch")?.to_owned(),
                execution_id: stream()?,
                mark: text("mark")?.parse().ok()?,
            },
            "place" => Self::Place {
                execution_id: stream()?,
                cursor: text("cursor")?.parse().ok()?,
            },
            "snapshot" => Self::Snapshot {
                execution_id: stream()?,
                cursor: text("cursor")?.parse().ok()?,
                view: frame.get("view")?.clone(),
            },
            "fidelity" => Self::Fidelity {
                execution_id: stream()?,
                fidelity: text("fidelity")?.parse().ok()?,
                cursor: text("cursor")?.parse().ok()?,
            },
            "ping" => Self::Ping {},
            "pong" => Self::Pong {},
            "goaway" => Self::Goaway {
                retry_ms: number("retry_ms")?,
                reason: text("reason")
                    .map(GoawayReason::of_name)
                    .unwrap_or_default(),
            },
            "error" => Self::Error {
                execution_id: match stream() {
                    None if !absent("execution_id") => return None,
                    stream => stream,
                },
                status: number("status")?.try_into().ok()?,
                message: text("message")?.to_owned(),
            },
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for ControlFrame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let frame = Value::deserialize(deserializer)?;
        Self::read(&frame).ok_or_else(|| match frame.get("control").and_then(Value::as_str) {
            Some(name) if Self::NAMES.contains(&name) => D::Error::custom(format!(
                "a field of the frame {name} is missing, or not what it should be"
            )),
            name => D::Error::unknown_variant(name.unwrap_or_default(), Self::NAMES),
        })
    }
}
