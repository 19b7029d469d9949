//! A store that keeps nothing but the list of executions: events live in each stream's ring alone.
//!
//! What the ring drops is gone, and announced as a gap.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use serde_json::Value;
use stepcast_core::id::{Epoch, ExecutionId, Seq};

use super::execution::{
    ExecutionRow, ExecutionStatus, FollowingQuery, ListQuery, NewExecution, RowKey,
};
use super::record::Record;
use super::reference::{Artifact, ContentHash, References};
use super::store::{Batch, Checkpoint, ProducerMark, Store, StoreError};
use super::{KEPT_IN_MEMORY, lock};

/// Executions by number, with what each was started with.
type ByKey = BTreeMap<i64, (ExecutionRow, Value, Value)>;

#[derive(Debug)]
struct Rows {
    /// Raised when an execution goes: an id used again is not taken for the same.
    epoch: Epoch,
    next: i64,
    by_key: ByKey,
    /// What each refers to.
    artifacts: BTreeMap<i64, Vec<Artifact>>,
    loose: BTreeSet<ContentHash>,
}

/// Keeps executions in memory, for `stepcast run`, tests, and servers that need no history.
#[derive(Debug)]
pub struct MemoryStore(Mutex<Rows>);

impl MemoryStore {
    /// An empty store. Its epoch is drawn anew for each process: no cursor of another one fits.
    pub fn new() -> Self {
        Self(Mutex::new(Rows {
            epoch: u64::from(fastrand::u32(1..)),
            next: 1,
            by_key: ByKey::new(),
            artifacts: BTreeMap::new(),
            loose: BTreeSet::new(),
        }))
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
        let mut rows = lock(&self.0);
        if rows.by_key.values().any(|(row, ..)| row.id == new.id) {
            return Err(StoreError::Exists);
        }
        rows.forget_one();
        let (key, epoch) = (rows.next, rows.epoch);
        rows.next += 1;
        let row = new.row(RowKey { key, epoch });
        rows.by_key.insert(
            key,
            (row.clone(), new.definition.clone(), new.input.clone()),
        );
        Ok(row)
    }

    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        let mut rows = lock(&self.0);
        for batch in batches {
            let Some((row, ..)) = rows.by_key.get_mut(&batch.key.key) else {
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
            if !batch.artifacts.is_empty() {
                let artifacts = rows.artifacts.entry(batch.key.key).or_default();
                artifacts.extend(batch.artifacts.iter().cloned());
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
        if let Some((row, ..)) = lock(&self.0).by_key.get_mut(&key) {
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
        Ok(lock(&self.0)
            .by_key
            .values()
            .find(|(row, ..)| row.id == *id)
            .map(|(row, ..)| row.clone()))
    }

    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        let before = query.before.unwrap_or(i64::MAX);
        let rows = lock(&self.0);
        let matching = rows.by_key.range(..before).rev().map(|(_, (row, ..))| row);
        let wanted = matching
            .filter(|row| query.statuses.is_empty() || query.statuses.contains(&row.status))
            .filter(|row| query.owner.is_none() || query.owner == row.owner)
            .filter(|row| query.pipelines.is_empty() || query.pipelines.contains(&row.pipeline))
            .filter(|row| {
                let prefix = query.id_prefix.as_deref().unwrap_or_default();
                row.id.as_str().starts_with(prefix)
            });
        Ok(wanted.take(query.limit).cloned().collect())
    }

    fn following(&self, query: &FollowingQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        let rows = lock(&self.0);
        let matching = rows.by_key.range(query.after.saturating_add(1)..);
        let matching = matching.map(|(_, (row, ..))| row).filter(|row| {
            (query.pipelines.is_empty() || query.pipelines.contains(&row.pipeline))
                && (!query.under_way || row.ended_at.is_none())
                && (query.owner.is_none() || query.owner == row.owner)
        });
        Ok(matching.take(query.limit).cloned().collect())
    }

    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        Ok(lock(&self.0)
            .by_key
            .get(&key)
            .map(|(_, definition, input)| (definition.clone(), input.clone())))
    }

    fn checkpoint(&self, _key: i64) -> Result<Option<Checkpoint>, StoreError> {
        Ok(None)
    }

    fn producers(&self, _key: i64) -> Result<Vec<ProducerMark>, StoreError> {
        Ok(Vec::new())
    }

    fn delete(&self, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
        let mut rows = lock(&self.0);
        let under_way = |key| {
            let found: Option<&(ExecutionRow, Value, Value)> = rows.by_key.get(key);
            found.is_some_and(|(row, ..)| row.ended_at.is_none())
        };
        if keys.iter().any(under_way) {
            return Err(StoreError::UnderWay);
        }
        for key in keys {
            rows.remove(*key);
        }
        Ok(keys.to_vec())
    }

    fn references(&self) -> Option<&dyn References> {
        Some(self)
    }
}

impl References for MemoryStore {
    fn artifacts(&self, key: i64) -> Result<Vec<Artifact>, StoreError> {
        Ok(lock(&self.0)
            .artifacts
            .get(&key)
            .cloned()
            .unwrap_or_default())
    }

    fn artifact(&self, key: i64, sha256: &ContentHash) -> Result<Option<Artifact>, StoreError> {
        let rows = lock(&self.0);
        let mut artifacts = rows.artifacts.get(&key).into_iter().flatten().rev();
        Ok(artifacts
            .find(|artifact| artifact.sha256 == *sha256)
            .cloned())
    }

    fn artifact_sum(&self, key: i64) -> Result<(u64, u64), StoreError> {
        let artifacts = self.artifacts(key)?;
        let bytes = artifacts.iter().map(|artifact| artifact.size).sum();
        Ok((artifacts.len() as u64, bytes))
    }

    fn is_referenced(&self, sha256: &ContentHash) -> Result<bool, StoreError> {
        let rows = lock(&self.0);
        let mut artifacts = rows.artifacts.values().flatten();
        Ok(artifacts.any(|artifact| artifact.sha256 == *sha256))
    }

    fn loose(&self, at_most: usize) -> Result<Vec<ContentHash>, StoreError> {
        Ok(lock(&self.0).loose.iter().take(at_most).copied().collect())
    }

    fn forget_loose(&self, contents: &[ContentHash]) -> Result<(), StoreError> {
        let mut rows = lock(&self.0);
        contents.iter().for_each(|sha256| {
            rows.loose.remove(sha256);
        });
        Ok(())
    }
}

impl Rows {
    fn remove(&mut self, key: i64) {
        if self.by_key.remove(&key).is_some() {
            self.epoch += 1;
        }
        let artifacts = self.artifacts.remove(&key).unwrap_or_default();
        let contents = artifacts.iter().map(|artifact| artifact.sha256);
        self.loose.extend(contents);
    }

    /// Makes room for one more: the oldest that has ended goes.
    fn forget_one(&mut self) {
        if self.by_key.len() < KEPT_IN_MEMORY {
            return;
        }
        let mut rows = self.by_key.iter();
        let ended = rows.find(|(_, (row, ..))| row.ended_at.is_some());
        if let Some(oldest) = ended.map(|(key, _)| *key) {
            self.remove(oldest);
        }
    }
}
