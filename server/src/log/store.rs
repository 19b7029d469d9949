//! What a log is kept in: the one trait that memory, SQLite and later a cluster implement.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use rusqlite::ErrorCode;
use serde_json::Value;
use stepcast_core::id::{ExecutionId, Seq};
use thiserror::Error;

use super::ahead::Ahead;
use super::execution::{
    Ended, ExecutionRow, ExecutionStatus, FollowingQuery, ListQuery, NewExecution, RowKey,
};
use super::measure::{self, Measured, Window};
use super::record::Record;
use super::reference::{Artifact, References};
use super::retention::Shrink;

/// Keeps events and the executions they belong to.
///
/// Calls block; the log makes them from threads that may.
pub trait Store: fmt::Debug + Send + Sync {
    /// Whether an event is kept the moment it is appended, in the stream's ring alone: then nothing is queued,
    /// and [`Store::commit`] is called with the terminal event only.
    fn commits_at_once(&self) -> bool;

    /// Whether producers are told that an event is kept before it is committed.
    fn acknowledges_early(&self) -> bool {
        false
    }

    /// Makes an execution known.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the id is taken.
    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError>;

    /// Keeps all of these events and what comes along with them, or nothing. What is kept for going on is let go
    /// with an execution that completes.
    ///
    /// # Errors
    /// Where the medium is full or broken; the call may be repeated.
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError>;

    /// Notes where an execution stands. A terminal status comes with the batch that holds the terminal event.
    ///
    /// # Errors
    /// Where the medium fails.
    fn set_status(
        &self,
        key: i64,
        status: ExecutionStatus,
        unix_millis: u64,
    ) -> Result<(), StoreError>;

    /// The events after `after`: at most `max` of them and, past the first, at most `max_bytes`.
    ///
    /// # Errors
    /// Where the medium fails.
    fn read(
        &self,
        row: &RowKey,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// One execution.
    ///
    /// # Errors
    /// Where the medium fails.
    fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError>;

    /// Executions, newest first.
    ///
    /// # Errors
    /// Where the medium fails.
    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError>;

    /// Executions in the order in which they were made: what is made later comes later, and is never found before one
    /// that was made earlier.
    ///
    /// # Errors
    /// Where the store cannot be read.
    fn following(&self, query: &FollowingQuery) -> Result<Vec<ExecutionRow>, StoreError>;

    /// Nothing is written any more: what the store held against other processes is free.
    fn close(&self) {}

    /// What an execution was started with: its definition and its input; as they may be shown, once it has completed.
    ///
    /// # Errors
    /// Where the medium fails.
    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError>;

    /// Where a run stood last, with every result kept so far.
    ///
    /// # Errors
    /// Where the medium fails.
    fn checkpoint(&self, key: i64) -> Result<Option<Checkpoint>, StoreError>;

    /// How far producers have come with an execution.
    ///
    /// # Errors
    /// Where the medium fails.
    fn producers(&self, key: i64) -> Result<Vec<ProducerMark>, StoreError>;

    /// Takes away a bounded part of these executions, in one transaction, and gives those that are gone; called again
    /// until all of them are. One of which only a part is gone lacks its oldest events, as after a trim. An id that is
    /// used again enters a new epoch.
    ///
    /// # Errors
    /// [`StoreError::UnderWay`] where one has not ended.
    fn delete(&self, keys: &[i64]) -> Result<Vec<i64>, StoreError>;

    /// Executions of a window with what was counted of them, the newest first, a bounded number of those with a smaller
    /// number than `before`; called again until there is none.
    ///
    /// # Errors
    /// Where the medium fails.
    fn measured(&self, window: &Window, before: i64) -> Result<Vec<Measured>, StoreError> {
        measure::of_rows(self, window, before)
    }

    /// Executions that have ended and of which no counts are kept; none where the store keeps no counts.
    ///
    /// # Errors
    /// Where the medium fails.
    fn unmeasured(&self, _at_most: usize) -> Result<Vec<ExecutionId>, StoreError> {
        Ok(Vec::new())
    }

    /// Keeps what was counted of an execution that has ended, as long as the execution; a store that keeps no counts takes
    /// no notice.
    ///
    /// # Errors
    /// Where the medium fails.
    fn keep_counts(&self, _key: i64, _counts: &[u8]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Where events are kept until [`Store::commit`] gets them; `None` where an event is to be committed before anybody
    /// sees it.
    fn ahead(&self) -> Option<&Ahead> {
        None
    }

    /// Which execution refers to which files; `None` where the store keeps no references.
    fn references(&self) -> Option<&dyn References> {
        None
    }

    /// What retention works on; `None` where the store bounds itself.
    fn shrinks(&self) -> Option<&dyn Shrink> {
        None
    }
}

/// Events of one execution to be kept.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Of which execution.
    pub key: RowKey,
    /// In order, without a hole, after what was committed before.
    pub records: Vec<Record>,
    /// Set where the last record is the terminal event.
    pub ended: Option<Ended>,
    /// The newest of those that came along.
    pub checkpoint: Option<Checkpoint>,
    /// How far producers have come with these records, each producer once.
    pub producers: Vec<ProducerMark>,
    /// Where the execution stands after these records, where that is news and no end.
    pub status: Option<ExecutionStatus>,
    /// What the execution refers to from then on.
    pub artifacts: Vec<Artifact>,
}

/// Where a run stands: it replaces the one before, and adds to its results.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Checkpoint {
    /// The event that announces it.
    pub seq: Seq,
    /// The run's state, in the runner's own encoding.
    pub state: Bytes,
    /// Values that the state names by number, each kept once.
    pub results: Vec<(u32, Bytes)>,
    /// Whether it holds what was taken out of events: then it leaves the store only to go on from.
    pub confidential: bool,
}

/// How far a producer has come with one execution.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProducerMark {
    /// Which producer.
    pub producer: String,
    /// Its incarnation; an older one is fenced off.
    pub epoch: u64,
    /// Its last request that was taken.
    pub seq: u64,
}

/// Why a store could not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The id is taken.
    #[error("an execution with this id exists already")]
    Exists,
    /// Only what has ended can be taken away.
    #[error("the execution has not ended")]
    UnderWay,
    /// The database refused.
    #[error("the log's database failed: {0}")]
    Database(rusqlite::Error),
    /// There is no room.
    #[error("the log is full ({0}); it goes on by itself when there is room again")]
    Full(String),
    /// The data directory refused.
    #[error("the data directory cannot be used: {0}")]
    Directory(#[from] std::io::Error),
    /// Another process writes there.
    #[error(
        "the data directory is in use by another server; stop it, or give this one a directory of its own"
    )]
    InUse,
    /// A later version wrote it.
    #[error(
        "the log's database has version {version}, and this build knows versions up to {known}: use a newer build"
    )]
    Later {
        /// The database's version.
        version: i64,
        /// The newest that this build knows.
        known: usize,
    },
    /// The execution has been deleted, or its log begun anew.
    #[error("the execution's log is gone")]
    Gone,
    /// An earlier version wrote it, and it was not opened to be written.
    #[error(
        "the log's database has version {version}, of an earlier build: a start of the server brings it up to date"
    )]
    Earlier {
        /// The database's version.
        version: i64,
    },
    /// What was to be read into the log is not what an export wrote.
    #[error("line {line}: {what}")]
    Line {
        /// Which line, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// Another program wrote it.
    #[error(
        "{} is the database of another program; give Stepcast a folder of its own", .0.display()
    )]
    Foreign(PathBuf),
    /// It is not as it was written, and must not be served as if it were.
    #[error(
        "{} is damaged: {finding}. Restore a backup of it; or save what can be read with `stepcast log export --all \
         --salvage`, and import that into a new folder", path.display()
    )]
    Unsound {
        /// Which file.
        path: PathBuf,
        /// What was found first.
        finding: String,
    },
    /// A row does not hold what this version writes.
    #[error("the log's database is damaged: {0}")]
    Damaged(String),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full("the disk has no room".to_owned()),
            _ => Self::Database(error),
        }
    }
}
