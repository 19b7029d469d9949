//! What a log knows of an execution beside its events.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast_core::control::EndReason;
use stepcast_core::id::{Epoch, ExecutionId, Seq};

use crate::trace::TraceContext;

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
    /// Both as they may be shown, where that differs; what was given is then let go with an execution that completes.
    pub shown: Option<(Value, Value)>,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Set where a program elsewhere writes the events: how long it may be silent, in milliseconds.
    pub lease_ms: Option<u64>,
    /// The execution whose history this one goes on from.
    pub resumed_from: Option<ExecutionId>,
    /// Whose it is; nobody's where there are no accounts.
    pub owner: Option<String>,
    /// The trace that it belongs to, where whoever started it said so.
    pub trace: Option<TraceContext>,
}

impl NewExecution {
    /// An execution of nothing in particular, for programs that emit their own events.
    pub fn named(id: ExecutionId, pipeline: impl Into<String>, created_at: u64) -> Self {
        Self {
            id,
            pipeline: pipeline.into(),
            definition: Value::Null,
            input: Value::Null,
            shown: None,
            created_at,
            lease_ms: None,
            resumed_from: None,
            owner: None,
            trace: None,
        }
    }

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
            lease_ms: self.lease_ms,
            resumed_from: self.resumed_from.clone(),
            owner: self.owner.clone(),
            trace: self.trace.clone(),
        }
    }
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
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, schemars::JsonSchema)]
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
    /// As in [`NewExecution`].
    pub lease_ms: Option<u64>,
    /// As in [`NewExecution`].
    pub resumed_from: Option<ExecutionId>,
    /// As in [`NewExecution`].
    pub owner: Option<String>,
    /// As in [`NewExecution`].
    pub trace: Option<TraceContext>,
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
    /// Of this owner; of any, and of none, where there is none.
    pub owner: Option<String>,
    /// Whose id begins with this, ASCII and not empty; with anything where there is none.
    pub id_prefix: Option<String>,
    /// Of one of these pipelines; of any where empty.
    pub pipelines: Vec<String>,
}

/// Which executions follow one, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct FollowingQuery {
    /// Made after the execution with this number.
    pub after: i64,
    /// At most so many.
    pub limit: usize,
    /// Of one of these pipelines; of any where empty.
    pub pipelines: Vec<String>,
    /// Only those that have not ended.
    pub under_way: bool,
    /// Of this owner; of any, and of none, where there is none.
    pub owner: Option<String>,
}
