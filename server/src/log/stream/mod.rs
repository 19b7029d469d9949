//! One execution's log while somebody holds it: the ring of its newest events and the tail to wait on.

mod append;
mod keep;
mod ring;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use stepcast_core::control::EndReason;
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};
use tokio::sync::{Notify, watch};

use self::ring::Ring;
use super::along::Waiting;
use super::execution::{Ended, ExecutionRow, RowKey};
use super::lock;
use super::record::Record;
use super::store::{Store, StoreError};
use super::streams::Streams;
use super::writer::Queue;
use crate::redaction::Redaction;

/// How much of an execution is held in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Events in the ring: the pipeline's `buffer_size`.
    pub events: usize,
    /// Bytes in the ring.
    pub bytes: usize,
    /// Bytes appended that the store has not got yet, past which emitting waits for it.
    pub uncommitted_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            events: 1000,
            bytes: 4 << 20,
            uncommitted_bytes: 8 << 20,
        }
    }
}

/// How far a stream has come, as its subscribers may know it: events only that survive the process.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tail {
    /// The last event.
    pub last_seq: Seq,
    /// How it ended; nothing follows `last_seq` then.
    pub ended: Option<EndReason>,
}

/// One execution's log.
#[derive(Debug)]
pub struct Stream {
    id: ExecutionId,
    key: RowKey,
    store: Arc<dyn Store>,
    queue: Option<Arc<Queue>>,
    streams: Arc<Streams>,
    /// A std mutex: nothing is awaited while it is held, and serialising is done before it is taken.
    state: Mutex<State>,
    tail: watch::Sender<Tail>,
    /// Told with every move of the tail. What follows the whole of the log waits here: a `watch` has eight lists to look
    /// through for those that wait, on memory that no event else has touched.
    moved: Notify,
    /// The first event that the store has, and after how many trims it had it.
    earliest: Mutex<(Seq, u64)>,
    /// What is taken out of its events: read from its definition where it was not created in this process.
    redaction: OnceLock<Redaction>,
    /// Whether anything was.
    redacted: AtomicBool,
    /// Whether anybody has read it in CBOR.
    read_in_cbor: AtomicBool,
    /// Told when fewer bytes wait for the store, or the store works again.
    room: Notify,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    /// Ends with `next - 1`. All that the store has not got is in it.
    ring: Ring,
    next: Seq,
    /// The last event that readers may see.
    visible: Seq,
    /// The last event that the store has.
    stored: Seq,
    /// Bytes after `stored`.
    uncommitted_bytes: usize,
    waiting: Waiting,
    ended: Option<Ended>,
    /// Set while the store refuses.
    failure: Option<String>,
    last_failure: Option<String>,
    queued: Queued,
}

/// Whether the committing thread knows that there is something to commit.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Queued {
    /// It does not.
    No,
    /// It comes to it in its time: everything is kept ahead.
    Kept,
    /// It comes to it at once.
    Now,
}

impl Stream {
    pub(super) fn new(
        row: ExecutionRow,
        trims: u64,
        store: Arc<dyn Store>,
        queue: Option<Arc<Queue>>,
        streams: Arc<Streams>,
        budget: Budget,
    ) -> Self {
        streams.pool().enter();
        let ended = row.status.end().map(|reason| Ended {
            reason,
            error: row.error,
            at: row.ended_at.unwrap_or_default(),
        });
        let tail = Tail {
            last_seq: row.last_seq,
            ended: ended.as_ref().map(|ended| ended.reason),
        };
        let state = State {
            budget,
            ring: Ring::default(),
            next: row.last_seq + 1,
            visible: row.last_seq,
            stored: row.last_seq,
            uncommitted_bytes: 0,
            waiting: Waiting::default(),
            ended,
            failure: None,
            last_failure: None,
            queued: Queued::No,
        };
        // a trim meanwhile makes it out of date from the start
        let earliest = Mutex::new((row.earliest, trims));
        let (id, key) = (row.id, row.key);
        Self {
            id,
            key,
            store,
            queue,
            streams,
            state: Mutex::new(state),
            tail: watch::Sender::new(tail),
            moved: Notify::new(),
            earliest,
            room: Notify::new(),
            redaction: OnceLock::new(),
            redacted: AtomicBool::new(false),
            read_in_cbor: AtomicBool::new(false),
        }
    }

    /// Whose log this is.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// The log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.key.epoch
    }

    /// The store's number of the execution.
    pub fn key(&self) -> i64 {
        self.key.key
    }

    /// How far it has come.
    pub fn tail(&self) -> Tail {
        *self.tail.borrow()
    }

    /// How far it has come, to be waited on for a value: that it has changed is not told.
    pub fn watch(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    /// Waits until it has come to somewhere else than here.
    pub(crate) async fn moved(&self, from: Tail) -> Tail {
        loop {
            // before the look: a move between the two is not missed
            let moved = self.moved.notified();
            let tail = self.tail();
            if tail != from {
                return tail;
            }
            moved.await;
        }
    }

    /// The first event that can be read; one after the tail where there is none. The store is asked only where it has
    /// let go of something since.
    ///
    /// # Errors
    /// Where the store fails, or the execution is gone.
    pub fn earliest(&self) -> Result<Seq, StoreError> {
        if self.store.commits_at_once() {
            return Ok(self.ring_start());
        }
        let (known, at) = *lock(&self.earliest);
        // taken before the store is asked: a trim meanwhile is seen at the next call
        let trims = self.streams.trims();
        if at == trims {
            return Ok(known);
        }
        let row = self.store.find(&self.id)?;
        let row = row.filter(|row| row.key == self.key);
        let earliest = row.ok_or(StoreError::Gone)?.earliest;
        *lock(&self.earliest) = (earliest, trims);
        Ok(earliest)
    }

    /// Why the store refused last, if it ever did.
    pub fn last_failure(&self) -> Option<String> {
        lock(&self.state).last_failure.clone()
    }

    /// Whether anything was ever appended, committed or not.
    pub fn has_begun(&self) -> bool {
        let state = lock(&self.state);
        state.next > 1 || state.ended.is_some()
    }

    /// The last place that was given, committed or not.
    pub(crate) fn last_given(&self) -> Seq {
        lock(&self.state).next - 1
    }

    /// Whether a checkpoint that comes along with events is kept.
    pub fn keeps_checkpoints(&self) -> bool {
        !self.store.commits_at_once()
    }

    /// How it ended, committed or not: nothing can be added any more.
    pub(crate) fn ended(&self) -> Option<Ended> {
        lock(&self.state).ended.clone()
    }

    /// Whether producers are told that an event is kept before it is committed.
    pub(crate) fn settles_early(&self) -> bool {
        self.store.acknowledges_early()
    }

    /// Where a subscriber stands that has seen all there is.
    pub(crate) fn cursor(&self) -> Cursor {
        let (epoch, seq) = (self.key.epoch, self.tail().last_seq);
        Cursor { epoch, seq }
    }

    /// What is taken out of its events, by the settings and by its pipeline.
    ///
    /// # Errors
    /// Where its definition cannot be read.
    pub fn redaction(&self) -> Result<&Redaction, StoreError> {
        if let Some(redaction) = self.redaction.get() {
            return Ok(redaction);
        }
        let (definition, _) = self.store.origin(self.key.key)?.unwrap_or_default();
        let redaction = self.streams.redaction().of_pipeline(&definition);
        Ok(self.redaction.get_or_init(|| redaction))
    }

    /// What is taken out of its events, and whether something of its input was.
    pub(super) fn set_redaction(&self, redaction: Redaction, redacted: bool) {
        drop(self.redaction.set(redaction));
        self.redacted.fetch_or(redacted, Ordering::Relaxed);
    }

    /// Something is taken out of what its run holds, though no event tells it.
    pub(crate) fn note_redacted(&self) {
        self.redacted.store(true, Ordering::Relaxed);
    }

    /// Whether anything was taken out, as far as this process knows.
    fn has_redacted(&self) -> bool {
        self.redacted.load(Ordering::Relaxed)
    }

    /// Somebody reads it in CBOR: events to come are written so once, for all that do.
    pub(crate) fn keep_cbor(&self) {
        self.read_in_cbor.store(true, Ordering::Relaxed);
    }

    /// Holds so much of it in memory from the next event on.
    pub fn set_budget(&self, budget: Budget) {
        lock(&self.state).budget = budget;
    }

    /// Lets go of the oldest events past `bytes`; they are read from the store from then on.
    pub(super) fn trim(&self, bytes: usize) {
        let mut state = lock(&self.state);
        self.trim_to(&mut state, usize::MAX, bytes);
    }

    /// What the store has not got stays, and the newest event.
    fn trim_to(&self, state: &mut State, events: usize, bytes: usize) {
        let freed = state.ring.trim(state.stored, events, bytes);
        self.streams.pool().released(freed);
    }

    /// The events after `after` that the ring holds and readers may see: `None` where the next one has left it.
    pub(crate) fn read_ring(
        &self,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Option<Vec<Record>> {
        let state = lock(&self.state);
        state.ring.page(after, state.visible, max, max_bytes)
    }

    /// The first event that the ring holds, or the one to come.
    pub(super) fn ring_start(&self) -> Seq {
        let state = lock(&self.state);
        state.ring.first().unwrap_or(state.next)
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn row_key(&self) -> RowKey {
        self.key
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let state = lock(&self.state);
        self.streams
            .pool()
            .leave(state.ring.bytes(), state.uncommitted_bytes);
        self.streams.gone(&self.id);
    }
}
