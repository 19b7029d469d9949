//! SQLite, and a count of what was read from it: how far a server reads ahead of its peers.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use stepcast::log::{
    Batch, Checkpoint, Durability, ExecutionRow, ExecutionStatus, FollowingQuery, ListQuery,
    NewExecution, ProducerMark, Record, RowKey, SqliteStore, Store, StoreError,
};
use stepcast_core::id::{ExecutionId, Seq};

/// A store that counts.
#[derive(Debug)]
pub(crate) struct CountedStore {
    store: SqliteStore,
    events: AtomicUsize,
    bytes: AtomicUsize,
}

impl CountedStore {
    pub(crate) fn open(directory: &Path) -> Self {
        Self {
            store: SqliteStore::open(directory, Durability::Process).unwrap(),
            events: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// Events read so far.
    pub(crate) fn events(&self) -> usize {
        self.events.load(Ordering::SeqCst)
    }

    /// Their JSON's bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::SeqCst)
    }
}

impl Store for CountedStore {
    fn commits_at_once(&self) -> bool {
        self.store.commits_at_once()
    }

    fn acknowledges_early(&self) -> bool {
        self.store.acknowledges_early()
    }

    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError> {
        self.store.create(new)
    }

    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        self.store.commit(batches)
    }

    fn set_status(&self, key: i64, status: ExecutionStatus, at: u64) -> Result<(), StoreError> {
        self.store.set_status(key, status, at)
    }

    fn read(
        &self,
        row: &RowKey,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let records = self.store.read(row, after, max, max_bytes)?;
        let bytes: usize = records.iter().map(|record| record.json().len()).sum();
        self.events.fetch_add(records.len(), Ordering::SeqCst);
        self.bytes.fetch_add(bytes, Ordering::SeqCst);
        Ok(records)
    }

    fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        self.store.find(id)
    }

    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store.list(query)
    }
    fn following(&self, query: &FollowingQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store.following(query)
    }

    fn close(&self) {
        self.store.close();
    }

    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        self.store.origin(key)
    }

    fn checkpoint(&self, key: i64) -> Result<Option<Checkpoint>, StoreError> {
        self.store.checkpoint(key)
    }

    fn producers(&self, key: i64) -> Result<Vec<ProducerMark>, StoreError> {
        self.store.producers(key)
    }

    fn delete(&self, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.store.delete(keys)
    }
}
