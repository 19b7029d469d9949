//! A store that keeps nothing but the list of executions: events live in each stream's ring alone.
//!
//! What the ring drops is gone, and announced as a gap.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::Value;
use stepcast_core::id::{Epoch, ExecutionId, Seq};

use super::execution::{ExecutionRow, ExecutionStatus, ListQuery, NewExecution, RowKey};
use super::record::Record;
use super::store::{Batch, Checkpoint, ProducerMark, Store, StoreError};
use super::{KEPT_IN_MEMORY, lock};

/// Executions by number, with what each was started with.
type Rows = BTreeMap<i64, (ExecutionRow, Value, Value)>;

/// Keeps executions in memory, for `stepcast run`, tests, and servers that need no history.
#[derive(Debug)]
pub struct MemoryStore {
    epoch: Epoch,
    rows: Mutex<Rows>,
}

impl MemoryStore {
    /// An empty store. Its epoch is drawn anew for each process: no cursor of another one fits.
    pub fn new() -> Self {
        Self {
            epoch: u64::from(fastrand::u32(1..)),
            rows: Mutex::default(),
        }
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn commits_at_once(&self) -> bool {
        true
    }

    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError> {
        let mut rows = lock(&self.rows);
        if rows.values().any(|(row, ..)| row.id == new.id) {
            return Err(StoreError::Exists);
        }
        let key = rows.last_key_value().map_or(1, |(key, _)| key + 1);
        let row = new.row(RowKey {
            key,
            epoch: self.epoch,
        });
        forget(&mut rows);
        rows.insert(
            key,
            (row.clone(), new.definition.clone(), new.input.clone()),
        );
        Ok(row)
    }

    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        let mut rows = lock(&self.rows);
        for batch in batches {
            let Some((row, ..)) = rows.get_mut(&batch.key.key) else {
                continue;
            };
            if let Some(record) = batch.records.last() {
                row.last_seq = record.seq();
            }
            if let Some(ended) = &batch.ended {
                row.status = ExecutionStatus::of_end(ended.reason);
                row.error.clone_from(&ended.error);
                row.ended_at = Some(ended.at);
            }
        }
        Ok(())
    }

    fn set_status(
        &self,
        key: i64,
        status: ExecutionStatus,
        unix_millis: u64,
    ) -> Result<(), StoreError> {
        if let Some((row, ..)) = lock(&self.rows).get_mut(&key) {
            if row.ended_at.is_some() {
                return Ok(());
            }
            row.status = status;
            if status == ExecutionStatus::Running {
                row.started_at.get_or_insert(unix_millis);
            }
        }
        Ok(())
    }

    fn read(
        &self,
        _row: &RowKey,
        _after: Seq,
        _max: usize,
        _max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        Ok(Vec::new())
    }

    fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        Ok(lock(&self.rows)
            .values()
            .find(|(row, ..)| row.id == *id)
            .map(|(row, ..)| row.clone()))
    }

    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        let before = query.before.unwrap_or(i64::MAX);
        let rows = lock(&self.rows);
        let matching = rows.range(..before).rev().map(|(_, (row, ..))| row);
        let wanted = matching
            .filter(|row| query.statuses.is_empty() || query.statuses.contains(&row.status));
        Ok(wanted.take(query.limit).cloned().collect())
    }

    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        Ok(lock(&self.rows)
            .get(&key)
            .map(|(_, definition, input)| (definition.clone(), input.clone())))
    }

    fn checkpoint(&self, _key: i64) -> Result<Option<Checkpoint>, StoreError> {
        Ok(None)
    }

    fn producers(&self, _key: i64) -> Result<Vec<ProducerMark>, StoreError> {
        Ok(Vec::new())
    }
}

/// Makes room for one more: the oldest that has ended goes.
fn forget(rows: &mut Rows) {
    if rows.len() < KEPT_IN_MEMORY {
        return;
    }
    let ended = rows.iter().find(|(_, (row, ..))| row.ended_at.is_some());
    if let Some(oldest) = ended.map(|(key, _)| *key) {
        rows.remove(&oldest);
    }
}
