//! One subscription: where it stands in its log, and what it waits for.

use std::collections::VecDeque;

use super::Record;
use super::pacing::Pacing;
use crate::event::EventType;
use crate::fidelity::{Fidelity, Manner};
use crate::filter::Filter;
use crate::id::{Position, Seq};
use crate::pace::Pace;
use crate::time::Time;
use crate::wire::frame::Window;

/// What a subscriber wants of an execution.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) after: Position,
    pub(super) filter: Filter,
    pub(super) pace: Option<Pace>,
    pub(super) window: Option<Window>,
    pub(super) manner: Manner,
}

/// The events that were sent and not acknowledged, where the client wants to acknowledge them.
#[derive(Clone, Debug)]
pub(super) struct Unacknowledged {
    window: Window,
    sent: VecDeque<Seq>,
}

impl Unacknowledged {
    fn new(window: Window) -> Self {
        Self {
            window,
            sent: VecDeque::new(),
        }
    }

    /// How many more may be sent.
    fn room(&self) -> usize {
        (self.window.get() as usize).saturating_sub(self.sent.len())
    }
}

/// As a session has it: a node of the map has room for eleven, and most connections have one.
pub(super) type Held<R> = Box<Subscription<R>>;

/// Where one subscription stands.
#[derive(Clone, Debug)]
pub(super) struct Subscription<R> {
    /// A watch has picked it up.
    pub(super) found: bool,
    pub(super) after: Position,
    pub(super) filter: Filter,
    pub(super) manner: Manner,
    /// It is slower than the run, and told less until it has caught up.
    pub(super) degraded: bool,
    /// The socket took a page for so long that the run went far ahead.
    pub(super) slow: bool,
    /// Up to here there was something when it began: what comes after that is news.
    pub(super) news: Seq,
    /// Events of the last page may be joined by more until then.
    pub(super) gathers: Option<Time>,
    /// They have gathered for long enough.
    pub(super) ripe: bool,
    /// The most events of the page that was asked for last.
    pub(super) asked: usize,
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
    pub(super) again: Option<Wish>,
    /// What the client has not acknowledged yet.
    unacknowledged: Option<Unacknowledged>,
    /// The last event that was sent or filtered out.
    pub(super) cursor: Seq,
    /// The last event that the client knows it is past: one that was sent, or a place that was told.
    pub(super) told: Seq,
    /// The last event that the log is known to hold.
    pub(super) tail: Seq,
}

impl<R: Record> Subscription<R> {
    /// A subscription whose log is being opened.
    pub(super) fn new(wish: Wish) -> Self {
        Self {
            found: false,
            after: wish.after,
            filter: wish.filter,
            manner: wish.manner,
            degraded: false,
            slow: false,
            news: 0,
            gathers: None,
            ripe: false,
            asked: 0,
            pacing: wish.pace.map(Pacing::new),
            unacknowledged: wish.window.map(Unacknowledged::new),
            opened: false,
            waiting: true,
            look: false,
            unwritten: false,
            leaving: false,
            again: None,
            cursor: 0,
            told: 0,
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
            && self.room() > 0
            && (self.look || (self.cursor < self.tail && self.gathers.is_none()))
    }

    /// How much it is told now.
    pub(super) fn fidelity(&self) -> Fidelity {
        if self.degraded {
            Fidelity::Steps
        } else {
            self.manner.fidelity
        }
    }

    /// How many events the client wants to be sent at most.
    pub(super) fn room(&self) -> usize {
        let unacknowledged = self.unacknowledged.as_ref();
        unacknowledged.map_or(usize::MAX, Unacknowledged::room)
    }

    /// An event has been sent.
    pub(super) fn sent(&mut self, seq: Seq) {
        self.told = seq;
        if let Some(it) = &mut self.unacknowledged {
            it.sent.push_back(seq);
        }
    }

    /// The client has dealt with everything up to here.
    pub(super) fn acknowledge(&mut self, seq: Seq) {
        if let Some(it) = &mut self.unacknowledged {
            while it.sent.front().is_some_and(|&sent| sent <= seq) {
                it.sent.pop_front();
            }
        }
    }

    /// Whether a part of a page waits for its time.
    pub(super) fn holds(&self) -> bool {
        self.pacing.as_ref().and_then(Pacing::due).is_some()
    }

    /// When the clock has something to say to it.
    pub(super) fn wakes(&self) -> Option<Time> {
        self.due().into_iter().chain(self.gathers).min()
    }

    /// When its pace has something to send, where the socket is free to take it.
    pub(super) fn due(&self) -> Option<Time> {
        self.pacing.as_ref()?.due().filter(|_| !self.unwritten)
    }
}

/// Whether a filter lets an event through.
pub(super) fn passes(filter: &Filter, record: &impl Record) -> bool {
    filter.is_empty() || {
        let event_type = EventType::from(record.event_type());
        filter.passes(&event_type, record.step_id(), || record.json())
    }
}
