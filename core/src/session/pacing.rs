//! Pace: a stored page is held, and each of its events released when its timestamp says so.
//!
//! A session holds what it has read already, so that waiting costs one page and no thread.

use std::collections::VecDeque;
use std::time::Duration;

use super::Record;
use crate::control::EndReason;
use crate::id::Seq;
use crate::pace::Pace;
use crate::time::Time;

/// What a page holds beside its events: what retention dropped before them, and the end behind them.
pub(super) type Bounds = (Option<(Seq, Seq)>, Option<(Seq, EndReason)>);

/// The rest of one page, on its way to a paced subscription.
#[derive(Clone, Debug)]
pub(super) struct Pacing<R> {
    pace: Pace,
    /// When the last event was due, and when it happened. The clock runs from the first one on.
    last: Option<(Time, u64)>,
    /// When the first of `held` is due.
    due: Option<Time>,
    held: VecDeque<R>,
    bounds: Bounds,
}

impl<R: Record> Pacing<R> {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            last: None,
            due: None,
            held: VecDeque::new(),
            bounds: (None, None),
        }
    }

    /// Takes a page in. The one before has been released.
    pub(super) fn hold(&mut self, records: Vec<R>, bounds: Bounds) {
        self.held = records.into();
        self.bounds = bounds;
    }

    /// When there is something to release; `None` where nothing is held.
    pub(super) fn due(&self) -> Option<Time> {
        self.due
    }

    /// Releases what is due. What `passes` refuses is never waited for, and the time it stands for passes all the same.
    pub(super) fn release(&mut self, now: Time, passes: impl Fn(&R) -> bool) -> (Vec<R>, Bounds) {
        let mut released = Vec::new();
        self.due = None;
        while let Some(record) = self.held.front() {
            let due = self.due_of(record, now);
            if due > now && passes(record) {
                self.due = Some(due);
                break;
            }
            let happened = record.unix_millis().or(self.last.map(|(_, at)| at));
            self.last = happened.map(|at| (due, at));
            released.extend(self.held.pop_front());
        }
        let gap = self.bounds.0.take();
        let ended = self.bounds.1.take_if(|_| self.held.is_empty());
        (released, (gap, ended))
    }

    /// A clock that was set back while the run was recorded stands for no time at all.
    fn due_of(&self, record: &R, now: Time) -> Time {
        let Some((due, happened)) = self.last else {
            return now;
        };
        let span = record
            .unix_millis()
            .map_or(0, |at| at.saturating_sub(happened));
        due + self.pace.shorten(Duration::from_millis(span))
    }
}
