//! A page of events: the answer to a long poll, and to everyone who reads the log over plain HTTP.

use serde::{Deserialize, Serialize};

use crate::control::{EndReason, GapReason};
use crate::event::StreamEvent;
use crate::id::{Cursor, Epoch, ExecutionId, Seq};

/// One page. `E` is an event, or what stands for one: a server puts its stored bytes there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Page", description = "One page of a log.")
)]
pub struct Page<E = StreamEvent> {
    /// Of which execution.
    pub execution_id: ExecutionId,
    /// The log's incarnation.
    pub epoch: Epoch,
    /// The first event that is still there; one past `last_seq` where none is.
    pub earliest: Seq,
    /// The last event so far.
    pub last_seq: Seq,
    /// What comes after the cursor of the request, in order.
    pub events: Vec<E>,
    /// The cursor for the next request; past the events that a filter held back, too.
    pub next: Cursor,
    /// Events that will not come, before the first of `events`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<PageGap>,
    /// The execution has ended, and nothing follows this page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<PageEnd>,
}

/// [`crate::control::ControlFrame::Gap`], in a page.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "Events that will not come.")
)]
pub struct PageGap {
    /// The first missing one.
    pub from: Seq,
    /// The last missing one.
    pub to: Seq,
    /// Why.
    pub reason: GapReason,
    /// With [`GapReason::Epoch`]: the log's new incarnation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
}

/// [`crate::control::ControlFrame::Closed`], in a page.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(description = "The execution has ended.")
)]
pub struct PageEnd {
    /// The last event of the execution.
    pub last_seq: Seq,
    /// How it ended.
    pub reason: EndReason,
}
