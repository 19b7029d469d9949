//! Events, and what is told beside them.

use async_graphql::{ID, Json, Object, SimpleObject};
use serde_json::Value;
use stepcast_core::control::{EndReason, GapReason};
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Cursor, Epoch, Seq};

use super::scalar::Long;
use crate::error::Problem;
use crate::log::Record;

/// Something that happened in an execution.
#[derive(Clone, Debug)]
pub(super) struct Event {
    event: StreamEvent,
    cursor: Cursor,
}

impl Event {
    pub(super) fn new(record: &Record) -> Result<Self, Problem> {
        let event = record.parse().map_err(|error| {
            tracing::error!(%error, "an event of the log cannot be read");
            Problem::new(
                axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                "The log could not be read.",
            )
        })?;
        Ok(Self {
            event,
            cursor: record.cursor(),
        })
    }
}

/// Something that happened in an execution, as docs/protocol.md has it.
#[Object]
impl Event {
    /// What kind of event it is, for example `step_complete`.
    #[graphql(name = "type")]
    async fn kind(&self) -> &str {
        self.event.event_type.as_str()
    }

    async fn execution_id(&self) -> ID {
        self.event.execution_id.as_str().into()
    }

    /// The step that it is of, where it is of one.
    async fn step_id(&self) -> Option<&str> {
        self.event.step_id.as_ref().map(|id| id.as_str())
    }

    /// 1, 2, 3 … within one execution, without a hole.
    async fn seq(&self) -> Long {
        Long(self.event.seq)
    }

    /// Its place, to go on after it.
    async fn cursor(&self) -> String {
        self.cursor.to_string()
    }

    /// When, in RFC 3339 with milliseconds.
    async fn timestamp(&self) -> String {
        self.event.timestamp.to_string()
    }

    async fn data(&self) -> Json<&Value> {
        Json(&self.event.data)
    }

    async fn metadata(&self) -> Option<Json<&Value>> {
        self.event.metadata.as_ref().map(Json)
    }
}

/// Events that will not come.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct Gap {
    /// The first of them.
    pub(super) from: Long,
    /// The last of them.
    pub(super) to: Long,
    /// `retention`, or `epoch` where the cursor was one in a log that is gone: forget what you had.
    pub(super) reason: &'static str,
}

impl Gap {
    pub(super) fn new(from: Seq, to: Seq, reason: GapReason) -> Self {
        let reason = if reason == GapReason::Epoch {
            "epoch"
        } else {
            "retention"
        };
        Self {
            from: Long(from),
            to: Long(to),
            reason,
        }
    }
}

/// The execution has ended, and this is all of it.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct End {
    /// The number of its last event.
    pub(super) last_seq: Long,
    /// `complete`, `failed`, `cancelled`, `interrupted`, `timeout` or `producer_lost`.
    pub(super) reason: &'static str,
}

impl End {
    pub(super) fn new(last_seq: Seq, reason: EndReason) -> Self {
        Self {
            last_seq: Long(last_seq),
            reason: reason.as_str(),
        }
    }
}

/// A page of an execution's events.
#[derive(Clone, Debug, SimpleObject)]
pub(super) struct EventPage {
    pub(super) events: Vec<Event>,
    /// Where the next page begins, past what a filter held back too.
    pub(super) next: String,
    /// What is missing before the first of them.
    pub(super) gap: Option<Gap>,
    /// Where nothing follows.
    pub(super) end: Option<End>,
}

/// What a subscription is told at once: events, what is missing before them, or the end.
#[derive(Clone, Debug, Default, SimpleObject)]
pub(super) struct Update {
    /// Where to go on after this.
    pub(super) cursor: String,
    pub(super) events: Vec<Event>,
    /// What will not come, before the next events that will.
    pub(super) gap: Option<Gap>,
    /// Nothing follows.
    pub(super) end: Option<End>,
}

/// The place of an event of this log.
pub(super) fn place(epoch: Epoch, seq: Seq) -> String {
    Cursor { epoch, seq }.to_string()
}
