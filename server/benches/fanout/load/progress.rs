//! How far all subscribers of one stream have come, for the window of what is on its way.

use std::collections::VecDeque;

/// One stream, seen from its subscribers.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    pub(super) emitted: u64,
    /// The last event that every subscriber has.
    pub(super) everyone: u64,
    /// How many have each of the events after that.
    counts: VecDeque<u32>,
    /// How many must have an event.
    pub(super) subscribers: u32,
}

impl Progress {
    /// A subscriber went from one event to another; whether all have come further.
    pub(super) fn moved(&mut self, from: u64, to: u64) -> bool {
        for n in from.max(self.everyone) + 1..=to {
            let at = (n - self.everyone - 1) as usize;
            if at >= self.counts.len() {
                self.counts.resize(at + 1, 0);
            }
            self.counts[at] += 1;
        }
        let before = self.everyone;
        while self
            .counts
            .front()
            .is_some_and(|&it| it >= self.subscribers)
        {
            self.counts.pop_front();
            self.everyone += 1;
        }
        self.everyone > before
    }

    /// Events that somebody has not got.
    pub(super) fn on_the_way(&self) -> u64 {
        self.emitted - self.everyone
    }
}
