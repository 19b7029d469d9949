//! What a log is kept in: the one trait that memory, SQLite and later a cluster implement.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast_core::control::EndReason;
use stepcast_core::id::{Epoch, ExecutionId, Seq};
use thiserror::Error;

use super::record::Record;

/// Keeps events and the executions they belong to.
///
/// Calls block; the log makes them from threads that may.
pub trait Store: fmt::Debug + Send + Sync {
    /// Whether an event is kept the moment it is appended, in the stream's ring alone: then nothing is queued,
    /// and [`Store::commit`] is called with the terminal event only.
    fn commits_at_once(&self) -> bool;

    /// Makes an execution known.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where the id is taken.
    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError>;

    /// Keeps all of these events, or none.
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

    /// Nothing is written any more: what the store held against other processes is free.
    fn close(&self) {}

    /// What an execution was started with: its definition and its input.
    ///
    /// # Errors
    /// Where the medium fails.
    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError>;
}

/// How a store names an execution.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RowKey {
    /// The store's own number of it.
    pub key: i64,
    /// The log's incarnation.
    pub epoch: Epoch,
}

/// An execution to be made known.
#[derive(Clone, Debug)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The pipeline's name, for lists.
    pub pipeline: String,
    /// The pipeline's definition, as it was given.
    pub definition: Value,
    /// The input, as it was given.
    pub input: Value,
    /// Milliseconds since 1970.
    pub created_at: u64,
}

impl NewExecution {
    /// The execution as a store keeps it before anything has happened.
    pub fn row(&self, key: RowKey) -> ExecutionRow {
        ExecutionRow {
            key,
            id: self.id.clone(),
            pipeline: self.pipeline.clone(),
            status: ExecutionStatus::Pending,
            error: None,
            created_at: self.created_at,
            started_at: None,
            ended_at: None,
            earliest: 1,
            last_seq: 0,
        }
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
}

/// How an execution ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// Milliseconds since 1970.
    pub at: u64,
}

/// Where an execution stands.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Created, not started.
    Pending,
    /// Under way.
    Running,
    /// Under way, waiting for a person.
    Waiting,
    /// Ended: `complete`.
    Completed,
    /// Ended: `failed`.
    Failed,
    /// Ended: `cancelled`.
    Cancelled,
    /// Ended: `interrupted`.
    Interrupted,
    /// Ended: `timeout`.
    Timeout,
    /// Ended: `producer_lost`.
    ProducerLost,
}

impl ExecutionStatus {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Running,
        Self::Waiting,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Interrupted,
        Self::Timeout,
        Self::ProducerLost,
    ];

    /// The status as it is written in the API and in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
            Self::Timeout => "timeout",
            Self::ProducerLost => "producer_lost",
        }
    }

    /// The status written so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// The reason, where it has ended.
    pub const fn end(self) -> Option<EndReason> {
        match self {
            Self::Pending | Self::Running | Self::Waiting => None,
            Self::Completed => Some(EndReason::Complete),
            Self::Failed => Some(EndReason::Failed),
            Self::Cancelled => Some(EndReason::Cancelled),
            Self::Interrupted => Some(EndReason::Interrupted),
            Self::Timeout => Some(EndReason::Timeout),
            Self::ProducerLost => Some(EndReason::ProducerLost),
        }
    }

    /// The status of an execution that ended so.
    pub fn of_end(reason: EndReason) -> Self {
        Self::ALL
            .into_iter()
            .find(|status| status.end() == Some(reason))
            .unwrap_or(Self::Failed)
    }
}

/// What a store knows of an execution.
#[derive(Clone, Debug)]
pub struct ExecutionRow {
    /// The store's name of it.
    pub key: RowKey,
    /// Its id.
    pub id: ExecutionId,
    /// The pipeline's name.
    pub pipeline: String,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// What went wrong, in a sentence.
    pub error: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Milliseconds since 1970.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970.
    pub ended_at: Option<u64>,
    /// The first event still there; 1 before there is any.
    pub earliest: Seq,
    /// The last event committed.
    pub last_seq: Seq,
}

/// Which executions to list.
#[derive(Clone, Debug, Default)]
pub struct ListQuery {
    /// At most so many.
    pub limit: usize,
    /// Older than the execution with this number.
    pub before: Option<i64>,
    /// With one of these statuses; with any where empty.
    pub statuses: Vec<ExecutionStatus>,
}

/// Why a store could not do it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The id is taken.
    #[error("an execution with this id exists already")]
    Exists,
    /// The database refused.
    #[error("the log's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    /// The data directory refused.
    #[error("the data directory cannot be used: {0}")]
    Directory(#[from] std::io::Error),
    /// Another process writes there.
    #[error(
        "the data directory is in use by another server; stop it, or give this one a directory of its own"
    )]
    InUse,
    /// A row does not hold what this version writes.
    #[error("the log's database is damaged: {0}")]
    Damaged(String),
}
