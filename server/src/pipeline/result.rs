//! What a run comes to.

use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::redaction::Redaction;
use crate::step::StepError;

/// How a run ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Well.
    Completed,
    /// Badly.
    Failed,
    /// Somebody wanted it no more.
    Cancelled,
    /// It took too long.
    Timeout,
    /// It has not ended: it waits for people, and was put away.
    Waiting,
}

/// What a run comes to; as JSON, in the shape that the original library returns, with the status added.
#[derive(Clone, Debug)]
pub struct RunResult {
    /// How it ended.
    pub status: RunStatus,
    /// What it was given, as it was given.
    pub input: Arc<Value>,
    /// What it gave; null where it did not end well.
    pub output: Value,
    /// Every execution of a step, in the order in which they ended.
    pub steps: Vec<StepRecord>,
    /// Why it did not end well.
    pub error: Option<StepError>,
}

/// One execution of a step.
#[derive(Clone, Debug)]
pub struct StepRecord {
    /// The step's id.
    pub step_name: String,
    /// Its place among the executions, by their start, from 0.
    pub step_index: u32,
    /// What it gave; with `continue_on_error`, the error. Null where it failed.
    pub result: Arc<Value>,
    /// How it ended.
    pub status: StepStatus,
}

/// How an execution of a step ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Well, or badly with `continue_on_error`.
    Completed,
    /// Badly.
    Failed,
}

impl RunStatus {
    /// The reason of `pipeline_error`; none where the run ended well.
    pub(super) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Completed | Self::Waiting => None,
            Self::Failed => Some("failed"),
            Self::Cancelled => Some("cancelled"),
            Self::Timeout => Some("timeout"),
        }
    }
}

impl RunResult {
    /// Takes out of each part what is taken out of the event that tells of it.
    pub(crate) fn redact(&mut self, redaction: &Redaction) {
        let shown = |path: &[&str], value: &mut Arc<Value>| {
            if let Some(shown) = redaction.of(path, value) {
                *value = Arc::new(shown);
            }
        };
        shown(&["data", "input"], &mut self.input);
        for step in &mut self.steps {
            shown(&["data", "output"], &mut step.result);
        }
        redaction.apply(&["data", "output"], &mut self.output);
        if let Some(error) = &mut self.error {
            error.message = redaction.text(&error.message);
        }
    }
}

impl Serialize for RunResult {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = if self.error.is_some() { 5 } else { 4 };
        let mut out = serializer.serialize_struct("RunResult", fields)?;
        out.serialize_field("status", &self.status)?;
        out.serialize_field("input", self.input.as_ref())?;
        out.serialize_field("steps", &self.steps)?;
        out.serialize_field("output", &self.output)?;
        if let Some(error) = &self.error {
            out.serialize_field("error", error)?;
        }
        out.end()
    }
}

impl Serialize for StepRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("StepRecord", 4)?;
        out.serialize_field("step_name", &self.step_name)?;
        out.serialize_field("step_index", &self.step_index)?;
        out.serialize_field("result", self.result.as_ref())?;
        out.serialize_field("status", &self.status)?;
        out.end()
    }
}
