//! Of executions.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use stepcast_core::id::{ExecutionId, Seq};
use stepcast_core::time::Timestamp;
use stepcast_core::view::RunView;

use crate::executions::WaitRecord;
use crate::log::{ContentHash, ExecutionStatus};
use crate::pipeline::RunResult;
use crate::step::Answer;

/// Where things of an execution are.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Links {
    /// The execution.
    #[serde(rename = "self")]
    this: String,
    /// Its events, by pages.
    events: String,
    /// Its events, over a WebSocket.
    websocket: String,
    /// Its events, as server-sent ones.
    sse: String,
    /// What it asks people.
    waits: String,
    /// Where it is cancelled.
    cancel: String,
    /// Where it is resumed.
    resume: String,
    /// The page that shows it.
    page: String,
    /// Where its producer says that it lives; of those that are run elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<String>,
}

impl Links {
    /// Of this execution.
    pub(crate) fn of(id: &ExecutionId) -> Self {
        let below = |name: &str| format!("/api/executions/{id}/{name}");
        Self {
            this: format!("/api/executions/{id}"),
            events: below("events"),
            websocket: format!("/ws/pipeline/{id}"),
            sse: format!("/stream/pipeline/{id}"),
            waits: below("waits"),
            cancel: below("cancel"),
            resume: below("resume"),
            page: format!("/#/runs/{id}"),
            heartbeat: None,
        }
    }

    /// Of this execution, which is run elsewhere.
    pub(crate) fn of_external(id: &ExecutionId) -> Self {
        let heartbeat = Some(format!("/api/executions/{id}/heartbeat"));
        Self {
            heartbeat,
            ..Self::of(id)
        }
    }
}

/// An execution that was made.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Created {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// Where things of it are.
    pub(crate) links: Links,
}

/// An execution that is run elsewhere.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Announced {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// How long its producer may be silent.
    pub(crate) lease_ms: Option<u64>,
    /// Its last event.
    pub(crate) last_seq: Seq,
    /// Where things of it are.
    pub(crate) links: Links,
}

/// What a run came to whose caller has waited for it.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Finished {
    /// Its id; nothing is kept under it.
    pub(crate) execution_id: ExecutionId,
    /// `status`, `input`, `output`, `steps` and `error`.
    #[schemars(with = "Map<String, Value>")]
    pub(crate) result: RunResult,
}

/// An execution that begins.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Started {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// `running`.
    pub(crate) status: ExecutionStatus,
}

/// An execution that is to end.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Cancelling {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// True.
    pub(crate) cancelling: bool,
}

/// An execution that goes on where another one stood.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Resumed {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// `running`.
    pub(crate) status: ExecutionStatus,
    /// The one it goes on from.
    pub(crate) resumed_from: ExecutionId,
    /// Where things of it are.
    pub(crate) links: Links,
}

/// An execution in short.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ExecutionSummary")]
pub(crate) struct Summary {
    /// Its id.
    pub(crate) execution_id: ExecutionId,
    /// Its pipeline's name.
    pub(crate) pipeline: String,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// Why it did not end well.
    pub(crate) error: Option<String>,
    /// When it was made.
    pub(crate) created_at: Timestamp,
    /// When it began.
    pub(crate) started_at: Option<Timestamp>,
    /// When it ended.
    pub(crate) ended_at: Option<Timestamp>,
    /// The first event that is still there.
    pub(crate) earliest: Seq,
    /// The last event so far.
    pub(crate) last_seq: Seq,
    /// From 0 to 1; null where that is not known.
    pub(crate) progress: Option<f64>,
    /// The execution that it goes on from.
    pub(crate) resumed_from: Option<ExecutionId>,
    /// Who started it.
    pub(crate) owner: Option<String>,
    /// Whether it is run elsewhere.
    pub(crate) external: bool,
    /// How long its producer may be silent.
    pub(crate) lease_ms: Option<u64>,
}

/// An execution.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Execution")]
pub(crate) struct Shown {
    /// What it is.
    #[serde(flatten)]
    pub(crate) summary: Summary,
    /// Where things of it are.
    pub(crate) links: Links,
    /// Everything that a page shows of it, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) view: Option<RunView>,
}

/// A page of executions.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ExecutionPage")]
pub(crate) struct Listed {
    /// The newest first.
    pub(crate) executions: Vec<Summary>,
    /// Where the next page begins, `?before=`; null where there is none.
    pub(crate) next: Option<i64>,
}

/// What a run asks people.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "WaitList")]
pub(crate) struct Waits {
    /// The run.
    pub(crate) execution_id: ExecutionId,
    /// Its questions, in the order in which they were asked.
    pub(crate) waits: Vec<WaitRecord>,
}

/// What all runs ask people.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "OpenWaitList")]
pub(crate) struct OpenWaits {
    /// The oldest first.
    pub(crate) waits: Vec<WaitRecord>,
    /// How many there are.
    pub(crate) total: usize,
}

/// An answer that was taken.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Answered {
    /// The answer that counts.
    #[serde(flatten)]
    pub(crate) answer: Answer,
    /// The run.
    pub(crate) execution_id: ExecutionId,
    /// The question.
    pub(crate) wait_id: String,
}

/// What became of a producer's events.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Taken {
    /// The execution.
    pub(crate) execution_id: ExecutionId,
    /// Events that were kept now.
    pub(crate) taken: usize,
    /// Events that had been kept before.
    pub(crate) seen: usize,
    /// The last event of the execution.
    pub(crate) last_seq: Seq,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
}

/// A producer's lease begins anew.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Alive {
    /// The execution.
    pub(crate) execution_id: ExecutionId,
    /// Where it stands.
    pub(crate) status: ExecutionStatus,
    /// How long the producer may be silent.
    pub(crate) lease_ms: Option<u64>,
    /// The last event of the execution.
    pub(crate) last_seq: Seq,
}

/// The files of an execution.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "ArtifactList")]
pub(crate) struct Artifacts {
    /// The execution.
    pub(crate) execution_id: ExecutionId,
    /// Its files, in the order in which they were announced.
    pub(crate) artifacts: Vec<ArtifactEntry>,
}

/// A file of an execution.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Artifact")]
pub(crate) struct ArtifactEntry {
    /// The event that announces it.
    pub(crate) seq: Seq,
    /// Its name.
    pub(crate) name: String,
    /// Its type, such as `image/png`.
    pub(crate) media_type: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// The SHA-256 of its content, in lower-case hexadecimal.
    #[schemars(with = "String", regex(pattern = "^[0-9a-f]{64}$"))]
    pub(crate) sha256: ContentHash,
    /// Where it is.
    pub(crate) href: String,
}
