//! One subscription: where it stands in its log, and what it waits for.

use crate::filter::Filter;
use crate::id::{Position, Seq};

/// Where one subscription stands.
#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) after: Position,
    pub(super) filter: Filter,
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

impl Subscription {
    /// A subscription whose log is being opened.
    pub(super) fn new(after: Position, filter: Filter) -> Self {
        Self {
            after,
            filter,
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
            && (self.look || self.cursor < self.tail)
    }
}
