//! The log: append gives a place, read goes on after a cursor, a tail can be waited on.
//!
//! Every subscription is a [`Reader`], a position in a [`Stream`]. The newest events are in the stream's
//! ring; what has left it is read from the [`Store`]. An event becomes visible when the store has
//! committed it, or the write-ahead log holds it: whatever a subscriber has seen survives the process
//! (rule 4 of the contract).

mod ahead;
mod along;
mod archive;
mod bell;
mod draft_text;
mod execution;
mod measure;
mod memory;
mod pool;
mod reader;
mod record;
mod reference;
mod retention;
mod sqlite;
mod store;
mod stored;
mod stream;
mod streams;
mod writer;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use stepcast_core::id::ExecutionId;
use tokio::sync::watch;

pub use self::ahead::Ahead;
pub use self::along::Along;
use self::bell::Bell;
pub use self::execution::{
    Ended, ExecutionRow, ExecutionStatus, FollowingQuery, ListQuery, NewExecution, RowKey,
};
pub use self::measure::{Measured, Window};
pub use self::memory::MemoryStore;
pub use self::reader::{Page, Reader};
pub use self::record::Record;
pub use self::reference::{Artifact, ContentHash, NoHash, References};
pub use self::retention::{Extent, Old, Retention, Shrink, Trimmed};
use self::retention::{Sweeper, rest_after};
pub use self::sqlite::{
    Durability, Exported, ImportOptions, Imported, LogFile, LogStats, Sized, SqliteOptions,
    SqliteStore,
};
pub use self::store::{Batch, Checkpoint, ProducerMark, Store, StoreError};
pub use self::stored::StoredPage;
pub use self::stream::{Budget, Stream, Tail};
use self::streams::Streams;
use self::writer::Writer;
use crate::redaction::Redaction;
use crate::telemetry::{Depths, LogNumbers};

/// The log of every execution.
#[derive(Debug)]
pub struct Log {
    store: Arc<dyn Store>,
    /// None where the store commits at once.
    writer: Option<Writer>,
    /// None where the store bounds itself.
    sweeper: Option<Sweeper>,
    /// Streams that somebody holds. A stream that nobody holds costs nothing.
    streams: Arc<Streams>,
    /// Where the ring is all there is, the newest streams are held, [`KEPT_IN_MEMORY`] of them.
    kept: Mutex<VecDeque<Arc<Stream>>>,
    /// How many executions were made; told to whoever waits for one.
    created: watch::Sender<u64>,
}

impl Log {
    /// A log over `store` that holds at most [`MEMORY_BUDGET`] bytes of events in memory.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::with_memory_budget(store, MEMORY_BUDGET)
    }

    /// A log over `store` that holds at most so many bytes of events in memory, all executions together. What is on
    /// its way to the store counts, and may be a quarter of it; the newest event of each execution stays in any case.
    pub fn with_memory_budget(store: Arc<dyn Store>, bytes: usize) -> Self {
        let (bell, streams) = (Arc::new(Bell::default()), Arc::new(Streams::new(bytes)));
        let writer = (!store.commits_at_once())
            .then(|| Writer::start(store.clone(), bell.clone(), streams.numbers().clone()));
        let sweeper = store
            .shrinks()
            .is_some()
            .then(|| Sweeper::start(store.clone(), streams.clone(), bell));
        Self {
            store,
            writer,
            sweeper,
            streams,
            kept: Mutex::default(),
            created: watch::Sender::new(0),
        }
    }

    /// Is told whenever an execution was made.
    pub fn created(&self) -> watch::Receiver<u64> {
        self.created.subscribe()
    }

    /// Keeps no more than this from now on. A store that bounds itself takes no notice.
    pub fn set_retention(&self, limits: Retention) {
        if let Some(sweeper) = &self.sweeper {
            sweeper.set(limits);
        }
    }

    /// Takes this out of what is kept from now on; of streams that are open already, what was taken out before.
    pub fn set_redaction(&self, redaction: Redaction) {
        self.streams.set_redaction(redaction);
    }

    /// What is taken out of events where their pipeline says nothing.
    pub fn redaction(&self) -> Redaction {
        self.streams.redaction()
    }

    /// Where ended executions are found.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Creates an execution and opens its stream.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the id is taken.
    pub fn create(&self, new: &NewExecution, budget: Budget) -> Result<Arc<Stream>, StoreError> {
        let trims = self.streams.trims();
        let redaction = self.streams.redaction().of_pipeline(&new.definition);
        let redacted = redacted(new, &redaction);
        let created = self.store.create(redacted.as_ref().unwrap_or(new))?;
        self.created.send_modify(|made| *made += 1);
        self.streams.numbers().created();
        let mut open = self.streams.lock();
        let known = open.get(&new.id);
        // one of another number was of an execution with this id that is deleted
        if let Some(stream) = known.filter(|stream| stream.key() == created.key.key) {
            stream.set_budget(budget);
            return Ok(stream);
        }
        let row = self.store.find(&new.id)?.unwrap_or(created);
        let stream = self.stream(row, trims, budget);
        stream.set_redaction(redaction, redacted.is_some());
        open.insert(&stream);
        Ok(stream)
    }

    /// Opens the stream of an execution that exists, live or ended.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn open(&self, id: &ExecutionId) -> Result<Option<Arc<Stream>>, StoreError> {
        let mut open = self.streams.lock();
        if let Some(stream) = open.get(id) {
            return Ok(Some(stream));
        }
        let trims = self.streams.trims();
        // Read under the lock: a stream that came and went after an earlier read would make the row a stale one.
        let Some(row) = self.store.find(id)? else {
            return Ok(None);
        };
        let stream = self.stream(row, trims, Budget::default());
        open.insert(&stream);
        Ok(Some(stream))
    }

    /// Takes an execution that has ended away, as retention does; false where there is none.
    ///
    /// Who reads it meanwhile gets what is still there, a gap for the rest, and its end.
    ///
    /// # Errors
    /// [`StoreError::UnderWay`] where it has not ended.
    pub fn delete(&self, id: &ExecutionId) -> Result<bool, StoreError> {
        let Some(row) = self.store.find(id)? else {
            return Ok(false);
        };
        let key = row.key.key;
        loop {
            let begun = Instant::now();
            if self.store.delete(&[key])?.contains(&key) {
                break;
            }
            std::thread::sleep(rest_after(begun));
        }
        self.streams.forget(id, key);
        lock(&self.kept).retain(|stream| stream.key() != key);
        if let Some(sweeper) = &self.sweeper {
            sweeper.look();
        }
        Ok(true)
    }

    /// Waits until the store itself has everything appended so far: who opens the database beside this process then finds
    /// it there. As long as the store refuses it, if it does.
    pub fn flush(&self) {
        if let Some(writer) = &self.writer {
            writer.flush();
        }
    }

    /// Waits until everything appended so far is committed, then stops the writer.
    pub fn close(&self) {
        if let Some(sweeper) = &self.sweeper {
            sweeper.close();
        }
        if let Some(writer) = &self.writer {
            writer.close();
        }
        self.store.close();
    }

    /// Brings a row up to what is known of a stream that somebody holds, which may be ahead of the store.
    pub fn refresh(&self, row: &mut ExecutionRow) {
        let stream = self.streams.lock().get(&row.id);
        if let Some(stream) = &stream {
            row.last_seq = row.last_seq.max(stream.tail().last_seq);
        }
        if self.store.commits_at_once() {
            let first = stream.map(|stream| stream.ring_start());
            row.earliest = first.unwrap_or(row.last_seq + 1);
        }
    }

    /// How many executions the log knows of in memory: those that somebody holds, and some just let go of.
    pub fn streams_in_memory(&self) -> usize {
        self.streams.count()
    }

    /// Bytes of events held in memory, all executions together.
    pub fn bytes_in_memory(&self) -> usize {
        self.streams.pool().held()
    }

    /// What was counted since it was opened.
    pub(crate) fn numbers(&self) -> &LogNumbers {
        self.streams.numbers()
    }

    /// What waits, and what is held in memory.
    pub(crate) fn depths(&self) -> Depths {
        let queue = self.writer.as_ref().map(Writer::queue);
        let (waiting, kept) = queue.map(|queue| queue.depths()).unwrap_or_default();
        let pool = self.streams.pool();
        Depths {
            waiting,
            kept,
            uncommitted_bytes: pool.uncommitted(),
            memory_bytes: pool.held(),
            streams: self.streams.count(),
        }
    }

    /// The stream of this row, which was read after so many trims.
    fn stream(&self, row: ExecutionRow, trims: u64, budget: Budget) -> Arc<Stream> {
        let queue = self.writer.as_ref().map(Writer::queue);
        let streams = self.streams.clone();
        let store = self.store.clone();
        let stream = Arc::new(Stream::new(row, trims, store, queue, streams, budget));
        if self.store.commits_at_once() {
            let mut kept = lock(&self.kept);
            kept.push_back(stream.clone());
            if kept.len() > KEPT_IN_MEMORY {
                kept.pop_front();
            }
        }
        stream
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

/// The execution as it may be kept; none where nothing is taken out of it. A run needs what was taken out to go on after
/// a restart; an execution of a program elsewhere does not, and it is kept nowhere.
pub(crate) fn redacted(new: &NewExecution, redaction: &Redaction) -> Option<NewExecution> {
    let definition = redaction.definition(&new.definition);
    let input = redaction.of(&["data", "input"], &new.input);
    if definition.is_none() && input.is_none() {
        return None;
    }
    let shown = (
        definition.unwrap_or_else(|| new.definition.clone()),
        input.unwrap_or_else(|| new.input.clone()),
    );
    let mut new = new.clone();
    if new.lease_ms.is_some() {
        (new.definition, new.input) = shown;
    } else {
        new.shown = Some(shown);
    }
    Some(new)
}

/// A panic while the lock was held left the value as it was between two statements; every holder here
/// keeps it valid at each of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many executions a log in memory remembers.
const KEPT_IN_MEMORY: usize = 1000;

/// What a log holds in memory where nothing else is said: room for the rings of some thousand runs of short events.
pub const MEMORY_BUDGET: usize = 256 << 20;
