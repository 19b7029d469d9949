//! Where a run and its steps stand, in states and in words.
//!
//! The words are here so that a page, a terminal and a summary say the same.

use serde::Serialize;

use super::RunView;
use crate::control::EndReason;

/// Where an execution stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
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

impl RunStatus {
    /// The status in a word for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pending => "not started",
            Self::Running => "running",
            Self::Waiting => "waiting for a person",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
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
    /// The run ended, and what came of the step is among the events that are missing.
    Unknown,
}

impl StepStatus {
    /// Whether the step is over, as long as no loop comes by again.
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Retrying | Self::Waiting => false,
            Self::Completed
            | Self::FailedContinued
            | Self::Failed
            | Self::Skipped
            | Self::Unknown => true,
        }
    }

    /// Whether the step is under way in any form.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Retrying | Self::Waiting)
    }

    /// The status in a word for people.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Waiting => "waiting for a person",
            Self::Completed => "completed",
            Self::FailedContinued => "failed, run continued",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}

/// How many steps stand where.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// [`StepStatus::Pending`]
    pub pending: usize,
    /// [`StepStatus::Running`]
    pub running: usize,
    /// [`StepStatus::Retrying`]
    pub retrying: usize,
    /// [`StepStatus::Waiting`]
    pub waiting: usize,
    /// [`StepStatus::Completed`]
    pub completed: usize,
    /// [`StepStatus::FailedContinued`]
    pub failed_continued: usize,
    /// [`StepStatus::Failed`]
    pub failed: usize,
    /// [`StepStatus::Skipped`]
    pub skipped: usize,
    /// [`StepStatus::Unknown`]
    pub unknown: usize,
}

impl Counts {
    /// Steps that began and ended.
    pub const fn finished(&self) -> usize {
        self.completed + self.failed_continued + self.failed
    }

    /// Steps under way in any form.
    pub const fn active(&self) -> usize {
        self.running + self.retrying + self.waiting
    }

    /// All steps.
    pub const fn total(&self) -> usize {
        self.pending + self.active() + self.finished() + self.skipped + self.unknown
    }

    fn count(&mut self, status: StepStatus) {
        let place = match status {
            StepStatus::Pending => &mut self.pending,
            StepStatus::Running => &mut self.running,
            StepStatus::Retrying => &mut self.retrying,
            StepStatus::Waiting => &mut self.waiting,
            StepStatus::Completed => &mut self.completed,
            StepStatus::FailedContinued => &mut self.failed_continued,
            StepStatus::Failed => &mut self.failed,
            StepStatus::Skipped => &mut self.skipped,
            StepStatus::Unknown => &mut self.unknown,
        };
        *place += 1;
    }
}

impl RunView {
    /// How many steps stand where.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for step in &self.steps {
            counts.count(step.status);
        }
        counts
    }

    /// Where the run stands, in words for people: how it ended, where it has.
    pub fn status_words(&self) -> &'static str {
        self.end_words().unwrap_or(self.status.words())
    }

    /// How the run ended, in words for people.
    pub fn end_words(&self) -> Option<&'static str> {
        self.end.map(end_words)
    }
}

fn end_words(end: EndReason) -> &'static str {
    match end {
        EndReason::Complete => "completed",
        EndReason::Failed => "failed",
        EndReason::Cancelled => "cancelled",
        EndReason::Interrupted => "interrupted: the server stopped in the middle",
        EndReason::Timeout => "stopped: it ran longer than it may",
        EndReason::ProducerLost => "stopped: its producer fell silent",
        EndReason::Unknown => "ended; how is not known",
    }
}
