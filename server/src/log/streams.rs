//! The streams that somebody holds, and the budget they share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use stepcast_core::id::ExecutionId;

use super::lock;
use super::pool::Pool;
use super::stream::Stream;
use crate::redaction::Redaction;
use crate::telemetry::LogNumbers;

/// Streams by id. One that nobody holds costs nothing but its place here, until the next sweep.
#[derive(Debug)]
pub(super) struct Streams {
    by_id: Mutex<HashMap<ExecutionId, Weak<Stream>>>,
    pool: Pool,
    trimming: AtomicBool,
    /// How often the store has let go of events.
    trims: AtomicU64,
    redaction: Mutex<Redaction>,
    numbers: Arc<LogNumbers>,
}

/// The streams, held still.
#[derive(Debug)]
pub(super) struct Open<'a>(MutexGuard<'a, HashMap<ExecutionId, Weak<Stream>>>);

impl Streams {
    pub(super) fn new(memory_budget: usize) -> Self {
        Self {
            by_id: Mutex::default(),
            pool: Pool::new(memory_budget),
            trimming: AtomicBool::new(false),
            trims: AtomicU64::new(0),
            redaction: Mutex::default(),
            numbers: Arc::default(),
        }
    }

    /// What is counted of all of them.
    pub(super) fn numbers(&self) -> &Arc<LogNumbers> {
        &self.numbers
    }

    pub(super) fn redaction(&self) -> Redaction {
        lock(&self.redaction).clone()
    }

    pub(super) fn set_redaction(&self, redaction: Redaction) {
        *lock(&self.redaction) = redaction;
    }

    pub(super) fn lock(&self) -> Open<'_> {
        Open(lock(&self.by_id))
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The store has let go of the oldest events of some execution.
    pub(super) fn trimmed(&self) {
        self.trims.fetch_add(1, Ordering::Release);
    }

    /// How often it has.
    pub(super) fn trims(&self) -> u64 {
        self.trims.load(Ordering::Acquire)
    }

    /// A stream has been let go of. Where the list is in use, the next sweep sees to it.
    pub(super) fn gone(&self, id: &ExecutionId) {
        if let Ok(mut open) = self.by_id.try_lock()
            && open
                .get(id)
                .is_some_and(|stream| stream.strong_count() == 0)
        {
            open.remove(id);
        }
    }

    /// The execution with this number is deleted: who opens its id finds another one, or none.
    pub(super) fn forget(&self, id: &ExecutionId, key: i64) {
        let mut open = lock(&self.by_id);
        let known = open.get(id).and_then(Weak::upgrade);
        if known.as_ref().is_none_or(|stream| stream.key() == key) {
            open.remove(id);
        }
        // where this was the last hold, the stream is let go of without the list
        drop(open);
        drop(known);
    }

    /// How many are known, those included that nobody holds any more.
    pub(super) fn count(&self) -> usize {
        lock(&self.by_id).len()
    }

    /// Where all rings together hold too much, each is trimmed to its share. One caller does it; no lock of a stream
    /// may be held.
    pub(super) fn trim_if_over(&self) {
        if !self.pool.is_over() || self.trimming.swap(true, Ordering::Acquire) {
            return;
        }
        let held: Vec<Arc<Stream>> = lock(&self.by_id)
            .values()
            .filter_map(Weak::upgrade)
            .collect();
        let share = self.pool.share();
        for stream in &held {
            stream.trim(share);
        }
        self.trimming.store(false, Ordering::Release);
    }
}

impl Open<'_> {
    pub(super) fn get(&self, id: &ExecutionId) -> Option<Arc<Stream>> {
        self.0.get(id).and_then(Weak::upgrade)
    }

    pub(super) fn insert(&mut self, stream: &Arc<Stream>) {
        if self.0.len() > 64 && self.0.len().is_power_of_two() {
            self.0.retain(|_, stream| stream.strong_count() > 0);
        }
        self.0.insert(stream.id().clone(), Arc::downgrade(stream));
    }
}
