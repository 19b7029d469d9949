//! What the log takes in and commits.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stepcast_core::control::EndReason;

use super::histogram::Histogram;

/// Counters of one log.
#[derive(Debug, Default)]
pub(crate) struct LogNumbers {
    pub(super) created: AtomicU64,
    pub(super) ended: [AtomicU64; ENDS.len()],
    pub(super) events: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) commits_refused: AtomicU64,
    pub(super) commit_time: Histogram,
    pub(super) committed: AtomicU64,
}

/// What waits in a log, and what it holds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Depths {
    /// Executions with something that nobody may see before it is committed.
    pub(crate) waiting: usize,
    /// Executions all of whose events are kept ahead, and not committed yet.
    pub(crate) kept: usize,
    /// Bytes that are not committed yet.
    pub(crate) uncommitted_bytes: usize,
    /// Bytes of events in memory.
    pub(crate) memory_bytes: usize,
    /// Executions in memory.
    pub(crate) streams: usize,
}

impl LogNumbers {
    /// An execution was made.
    pub(crate) fn created(&self) {
        self.created.fetch_add(1, Ordering::Relaxed);
    }

    /// So many events were given their places.
    pub(crate) fn accepted(&self, events: usize, bytes: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// An execution has ended.
    pub(crate) fn ended(&self, reason: EndReason) {
        let place = ENDS.iter().position(|it| *it == reason);
        if let Some(count) = place.and_then(|place| self.ended.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Executions that ended complete, and all that ended but for those that somebody cancelled.
    pub(crate) fn completed(&self) -> (u64, u64) {
        let counts = ENDS.iter().zip(&self.ended);
        counts.fold((0, 0), |(complete, all), (reason, count)| {
            let count = count.load(Ordering::Relaxed);
            let is = |it: EndReason| u64::from(*reason == it) * count;
            (
                complete + is(EndReason::Complete),
                all + count - is(EndReason::Cancelled),
            )
        })
    }

    /// A transaction of so many events was committed.
    pub(crate) fn committed(&self, took: Duration, events: usize) {
        self.commit_time.observe(took, 1);
        self.committed.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// A transaction was refused.
    pub(crate) fn refused(&self) {
        self.commits_refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// How executions end; the last one is for what a later version may add.
pub(super) const ENDS: [EndReason; 7] = [
    EndReason::Complete,
    EndReason::Failed,
    EndReason::Cancelled,
    EndReason::Interrupted,
    EndReason::Timeout,
    EndReason::ProducerLost,
    EndReason::Unknown,
];
