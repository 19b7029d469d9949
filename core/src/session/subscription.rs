//! One subscription: where it stands in its log, and what it waits for.

use super::Record;
use super::pacing::Pacing;
use crate::event::EventType;
use crate::filter::Filter;
use crate::id::{Position, Seq};
use crate::pace::Pace;
use crate::time::Time;

/// Where one subscription stands.
#[derive(Clone, Debug)]
pub(super) struct Subscription<R> {
    pub(super) after: Position,
    pub(super) filter: Filter,
    /// Until it has seen all there is.
    pub(super) pacing: Option<Pacing<R>>,
    /// The log is open and watched.
    pub(super) opened: bool,
    /// An open or a read is under way. Its answer is always awaited, so that no answer meets a later
    /// subscription to the same execution.
    pub(super) waiting: bool,
    /// The log said that there is something to see, though its tail may not have moved.
    pub(super) look: bool,
    /// The socket has not yet taken the last page.
    pub(super) unwritten: bool,
    /// The client has left; only an answer is awaited.
    pub(super) leaving: bool,
    /// The client has left and come back meanwhile.
    pub(super) again: Option<(Position, Filter)>,
    /// The last event that was sent or filtered out.
    pub(super) cursor: Seq,
    /// The last event that the log is known to hold.
    pub(super) tail: Seq,
}

impl<R: Record> Subscription<R> {
    /// A subscription whose log is being opened.
    pub(super) fn new(after: Position, filter: Filter, pace: Option<Pace>) -> Self {
        Self {
            after,
            filter,
            pacing: pace.map(Pacing::new),
            opened: false,
            waiting: true,
            look: false,
            unwritten: false,
            leaving: false,
            again: None,
            cursor: 0,
            tail: 0,
        }
    }

    /// Whether the next page may be read now.
    pub(super) fn is_due(&self) -> bool {
        self.opened
            && !self.waiting
            && !self.unwritten
            && !self.leaving
            && !self.holds()
            && (self.look || self.cursor < self.tail)
    }

    /// Whether a part of a page waits for its time.
    pub(super) fn holds(&self) -> bool {
        self.pacing.as_ref().and_then(Pacing::due).is_some()
    }

    /// When its pace has something to send, where the socket is free to take it.
    pub(super) fn due(&self) -> Option<Time> {
        self.pacing.as_ref()?.due().filter(|_| !self.unwritten)
    }
}

/// Whether a filter lets an event through.
pub(super) fn passes(filter: &Filter, record: &impl Record) -> bool {
    filter.is_empty() || filter.passes(&EventType::from(record.event_type()), record.step_id())
}
