//! The process's budget for events in memory, shared by all streams.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// What all rings hold together. The counts are hints for whom to trim; no event's place depends on them.
#[derive(Debug)]
pub(super) struct Pool {
    limit: usize,
    held: AtomicUsize,
    uncommitted: AtomicUsize,
    streams: AtomicUsize,
    /// Told when uncommitted bytes have become few enough.
    room: Notify,
}

impl Pool {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            held: AtomicUsize::new(0),
            uncommitted: AtomicUsize::new(0),
            streams: AtomicUsize::new(0),
            room: Notify::new(),
        }
    }

    pub(super) fn enter(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream that held so much is gone. What it held was committed, or can be no more.
    pub(super) fn leave(&self, held: usize, uncommitted: usize) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
        self.released(held);
        self.committed(uncommitted);
    }

    pub(super) fn appended(&self, bytes: usize, uncommitted: bool) {
        self.held.fetch_add(bytes, Ordering::Relaxed);
        if uncommitted {
            self.uncommitted.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn committed(&self, bytes: usize) {
        let before = self.uncommitted.fetch_sub(bytes, Ordering::Relaxed);
        if before >= self.limit / 4 {
            self.room.notify_waiters();
        }
    }

    pub(super) fn released(&self, bytes: usize) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Bytes in all rings.
    pub(super) fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// Bytes that the store has not got.
    pub(super) fn uncommitted(&self) -> usize {
        self.uncommitted.load(Ordering::Relaxed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.held() > self.limit
    }

    /// How much each stream may keep so that all together stay below the limit for a while.
    pub(super) fn share(&self) -> usize {
        self.limit / 4 * 3 / self.streams.load(Ordering::Relaxed).max(1)
    }

    /// Whether more may be appended before something is committed: at most a quarter of the budget waits for the store.
    /// The rest has room for the shares of all streams.
    pub(super) fn has_room(&self) -> bool {
        self.uncommitted.load(Ordering::Relaxed) < self.limit / 4
    }

    /// Whether so much waits for the store that it should not wait longer.
    pub(super) fn is_filling(&self) -> bool {
        self.uncommitted.load(Ordering::Relaxed) > self.limit / 8
    }

    /// Waits for uncommitted bytes to become fewer. Enabled at once: what is told between the call and the first
    /// poll is not missed.
    pub(super) fn room(&self) -> tokio::sync::futures::Notified<'_> {
        self.room.notified()
    }
}
