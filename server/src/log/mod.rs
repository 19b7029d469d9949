//! The log: append gives a place, read goes on after a cursor, a tail can be waited on.
//!
//! Every subscription is a [`Reader`], a position in a [`Stream`]. The newest events are in the stream's
//! ring; what has left it is read from the [`Store`]. An event becomes visible when the store has
//! committed it: whatever a subscriber has seen survives the process (rule 4 of the contract).

mod draft_text;
mod memory;
mod reader;
mod record;
mod sqlite;
mod store;
mod stream;
mod writer;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use stepcast_core::id::ExecutionId;

pub use self::memory::MemoryStore;
pub use self::reader::{Page, Reader};
pub use self::record::Record;
pub use self::sqlite::{Durability, SqliteStore};
pub use self::store::{
    Batch, Ended, ExecutionRow, ExecutionStatus, ListQuery, NewExecution, RowKey, Store, StoreError,
};
pub use self::stream::{Budget, Stream, Tail};
use self::writer::Writer;

/// The log of every execution.
#[derive(Debug)]
pub struct Log {
    store: Arc<dyn Store>,
    /// None where the store commits at once.
    writer: Option<Writer>,
    /// Streams that somebody holds. A stream that nobody holds costs nothing.
    streams: Mutex<Streams>,
    /// Where the ring is all there is, the newest streams are held, [`KEPT_IN_MEMORY`] of them.
    kept: Mutex<VecDeque<Arc<Stream>>>,
}

type Streams = HashMap<ExecutionId, Weak<Stream>>;

fn live(streams: &Streams, id: &ExecutionId) -> Option<Arc<Stream>> {
    streams.get(id).and_then(Weak::upgrade)
}

/// How many executions a log in memory remembers.
const KEPT_IN_MEMORY: usize = 1000;

impl Log {
    /// A log over `store`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        let writer = (!store.commits_at_once()).then(|| Writer::start(store.clone()));
        Self {
            store,
            writer,
            streams: Mutex::default(),
            kept: Mutex::default(),
        }
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
        let created = self.store.create(new)?;
        let mut streams = lock(&self.streams);
        if let Some(stream) = live(&streams, &new.id) {
            stream.set_budget(budget);
            return Ok(stream);
        }
        let row = self.store.find(&new.id)?.unwrap_or(created);
        Ok(self.enter(&mut streams, row, budget))
    }

    /// Opens the stream of an execution that exists, live or ended.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn open(&self, id: &ExecutionId) -> Result<Option<Arc<Stream>>, StoreError> {
        let mut streams = lock(&self.streams);
        if let Some(stream) = live(&streams, id) {
            return Ok(Some(stream));
        }
        // Read under the lock: a stream that came and went after an earlier read would make the row a stale one.
        let found = self.store.find(id)?;
        Ok(found.map(|row| self.enter(&mut streams, row, Budget::default())))
    }

    /// Waits until everything appended so far is committed, then stops the writer.
    pub fn close(&self) {
        if let Some(writer) = &self.writer {
            writer.close();
        }
        self.store.close();
    }

    /// Brings a row up to what is known of a stream that somebody holds, which may be ahead of the store.
    pub fn refresh(&self, row: &mut ExecutionRow) {
        let stream = live(&lock(&self.streams), &row.id);
        if let Some(stream) = &stream {
            row.last_seq = row.last_seq.max(stream.tail().last_seq);
        }
        if self.store.commits_at_once() {
            let first = stream.map(|stream| stream.ring_start());
            row.earliest = first.unwrap_or(row.last_seq + 1);
        }
    }

    fn enter(&self, streams: &mut Streams, row: ExecutionRow, budget: Budget) -> Arc<Stream> {
        if streams.len() > 64 && streams.len().is_power_of_two() {
            streams.retain(|_, stream| stream.strong_count() > 0);
        }
        let queue = self.writer.as_ref().map(Writer::queue);
        let stream = Arc::new(Stream::new(row, self.store.clone(), queue, budget));
        streams.insert(stream.id().clone(), Arc::downgrade(&stream));
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

/// A panic while the lock was held left the value as it was between two statements; every holder here
/// keeps it valid at each of them.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
