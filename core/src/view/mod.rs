//! The view: a pure fold of events into what a page shows.
//!
//! Same events, same view, whether live or replayed; the page, the command line and the server's
//! summaries all use this one fold.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::control::{EndReason, GapReason};
use crate::id::{ExecutionId, Seq, StepId};

/// Where an execution stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// Created, not started.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Under way, waiting for a person.
    Waiting,
    /// Ended well.
    Completed,
    /// Ended badly, for the reason in [`RunView::end`].
    Failed,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Between two attempts.
    Retrying,
    /// Waiting for a person.
    Waiting,
    /// Ended well.
    Completed,
    /// Failed, and the run went on (`continue_on_error`).
    FailedContinued,
    /// Failed.
    Failed,
    /// The run ended without it.
    Skipped,
}

/// What is known of one execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RunView {
    /// Which execution; none before the first event.
    pub execution_id: Option<ExecutionId>,
    /// The pipeline's name, description and version.
    pub name: Option<String>,
    /// See `name`.
    pub description: Option<String>,
    /// See `name`.
    pub version: Option<String>,
    /// Where it stands.
    pub status: RunStatus,
    /// How it ended.
    pub end: Option<EndReason>,
    /// The error it ended with.
    pub error: Option<ErrorView>,
    /// What it was given.
    pub input: Option<Value>,
    /// What it gave.
    pub output: Option<Value>,
    /// Milliseconds since 1970.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970.
    pub ended_at: Option<u64>,
    /// The steps in the pipeline's order, then those nobody announced.
    pub steps: Vec<StepView>,
    /// The pipeline's paths.
    pub paths: Vec<PathView>,
    /// Checkpoints saved.
    pub checkpoints: u64,
    /// Events folded.
    pub events: u64,
    /// The last event folded.
    pub last_seq: Seq,
    /// What is missing.
    pub gaps: Vec<GapView>,
    /// Where in `steps` a step is.
    #[serde(skip)]
    pub(crate) index: BTreeMap<StepId, usize>,
}

/// An edge of the pipeline's graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct PathView {
    /// Begins at.
    pub from: String,
    /// Leads to; a step or an `end…`.
    pub to: String,
    /// The condition in words; none for always.
    pub condition: Option<String>,
    /// How often it was taken.
    pub taken: u64,
}

/// A hole in what is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GapView {
    /// The first missing event.
    pub from: Seq,
    /// The last missing event.
    pub to: Seq,
    /// Why.
    pub reason: GapReason,
}

/// What is known of one step; of its newest iteration, where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// Its name, where it has one beside the id.
    pub name: Option<String>,
    /// Its kind: `http`, `command`, a class.
    pub kind: Option<String>,
    /// Where it stands.
    pub status: StepStatus,
    /// 1 for the first time through a loop.
    pub iteration: u64,
    /// 1 for the first try.
    pub attempt: u64,
    /// Retries in all iterations.
    pub retries: u64,
    /// 0 to 1, as the step reported it.
    pub progress: Option<f64>,
    /// What it says it is doing.
    pub message: Option<String>,
    /// The text streamed by it, newest iteration, bounded to the last [`MAX_TEXT_BYTES`].
    pub text: String,
    /// Bytes of text dropped in front of `text`.
    pub text_dropped: u64,
    /// Log lines, the last [`MAX_LOGS`].
    pub logs: Vec<LogView>,
    /// What it gave.
    pub output: Option<Value>,
    /// What went wrong last, an attempt that was retried included.
    pub error: Option<ErrorView>,
    /// Milliseconds since 1970, newest iteration.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970, newest iteration.
    pub ended_at: Option<u64>,
    /// Milliseconds, as the server measured them.
    pub duration_ms: Option<f64>,
}

/// One log line of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogView {
    /// The event it came with.
    pub seq: Seq,
    /// `debug`, `info`, `warning` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
}

/// An error, as events carry it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorView {
    /// `network`, `validation`, `timeout`, `resource`, `dependency`, `logic`, `configuration` or `unknown`.
    pub category: String,
    /// What went wrong.
    pub message: String,
    /// In which step, where the run's error names one.
    pub step_id: Option<String>,
}

/// The longest text kept for a step, in bytes.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The most log lines kept for a step.
pub const MAX_LOGS: usize = 500;
