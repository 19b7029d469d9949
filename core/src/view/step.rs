//! One step of a run: the fold of its own events.

use serde::Serialize;
use serde_json::Value;

use super::artifact::ArtifactView;
use super::circuit::CircuitView;
use super::error::ErrorView;
use super::model::{ModelView, Usage};
use super::read::{count_of, elapsed, is_set, text_of};
use super::span::{self, SpanOutcome, SpanView};
use super::status::StepStatus;
use super::text::LogView;
use super::wait::{self, WaitView};
use crate::event::{EventType, StreamEvent};
use crate::id::Seq;

/// What is known of one step; of its newest iteration, where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct StepView {
    /// Its id.
    pub id: String,
    /// Its name, where it has one beside the id.
    pub name: Option<String>,
    /// Its kind: `http`, `command`, a class.
    pub kind: Option<String>,
    /// Where it stands.
    pub status: StepStatus,
    /// 1 for the first time through a loop; 0 before it begins.
    pub iteration: u64,
    /// 1 for the first try; 0 before it begins.
    pub attempt: u64,
    /// How many tries there may be, where a retry said so.
    pub max_attempts: Option<u64>,
    /// While retrying: when the next attempt begins, in milliseconds since 1970.
    pub retry_at: Option<u64>,
    /// Retries in all iterations.
    pub retries: u64,
    /// Whether its fallback gives the output.
    pub fallback: bool,
    /// 0 to 1, as the step reported it.
    pub progress: Option<f64>,
    /// What it says it is doing.
    pub message: Option<String>,
    /// What it said last in a form of its own (`custom`).
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub custom: Option<Value>,
    /// The end of the text streamed by it, newest attempt: at most
    /// [`MAX_TEXT_BYTES`](super::MAX_TEXT_BYTES).
    pub text: String,
    /// Bytes of text dropped in front of `text`.
    pub text_dropped: u64,
    /// The end of the reasoning streamed beside the text, bounded like it.
    pub reasoning: String,
    /// Bytes dropped in front of `reasoning`.
    pub reasoning_dropped: u64,
    /// The answers of language models, newest attempt: the newest [`MAX_MODELS`](super::MAX_MODELS).
    pub models: Vec<ModelView>,
    /// Answers dropped in front of `models`.
    pub models_dropped: u64,
    /// What language models took for it, in all attempts and iterations.
    pub usage: Usage,
    /// The circuit breaker in front of it, where one said something in this iteration.
    pub circuit: Option<CircuitView>,
    /// Its waits for people, of all iterations: the newest [`MAX_WAITS`](super::MAX_WAITS).
    pub waits: Vec<WaitView>,
    /// Waits dropped in front of `waits`.
    pub waits_dropped: u64,
    /// Files it made, newest attempt, one of a name: at most [`MAX_ARTIFACTS`](super::MAX_ARTIFACTS).
    pub artifacts: Vec<ArtifactView>,
    /// Files dropped in front of `artifacts`.
    pub artifacts_dropped: u64,
    /// Its newest log lines, of all iterations: at most [`MAX_LOGS`](super::MAX_LOGS).
    pub logs: Vec<LogView>,
    /// Log lines dropped in front of `logs`.
    pub logs_dropped: u64,
    /// What it gave.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub output: Option<Value>,
    /// The event that holds the output; with no `output` here, that event is missing.
    pub output_seq: Option<Seq>,
    /// Whether what it gave is only what there was when it failed.
    pub partial: bool,
    /// What went wrong last, an attempt that was retried included.
    pub error: Option<ErrorView>,
    /// Milliseconds since 1970, newest iteration.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970, newest iteration.
    pub ended_at: Option<u64>,
    /// Milliseconds, as the server measured them.
    pub duration_ms: Option<f64>,
    /// Its attempts, of all iterations: the newest [`MAX_SPANS`](super::MAX_SPANS). For a page, not for the wire.
    #[serde(skip)]
    pub spans: Vec<SpanView>,
    /// Attempts dropped in front of `spans`.
    #[serde(skip)]
    pub spans_dropped: u64,
    /// The last event of it.
    pub last_seq: Seq,
    /// The largest fraction it has reached in any iteration: what it adds to the run's progress.
    #[serde(skip)]
    pub(super) share: f64,
    /// Of `usage`, what the answers before the newest one took.
    #[serde(skip)]
    pub(super) spent: Usage,
}

impl StepView {
    pub(super) fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::default()
        }
    }

    /// How long the step has taken, in milliseconds: as measured, or until `now_ms` while it runs.
    pub fn duration_ms(&self, now_ms: u64) -> Option<f64> {
        self.duration_ms
            .or_else(|| elapsed(self.started_at, self.ended_at, now_ms))
    }

    /// Takes an event of this step; `unseen` where events before it are missing since the step's last.
    /// False where nothing could be made of it.
    pub(super) fn apply(&mut self, event: &StreamEvent, unseen: bool) -> bool {
        let data = &event.data;
        let at = event.timestamp.unix_millis();
        let known = match &event.event_type {
            EventType::StepStart => {
                self.start(data, at);
                true
            }
            EventType::StepProgress => self.advance(event, at, unseen),
            EventType::StepOutput => {
                self.resume(unseen);
                self.output = data.get("output").cloned();
                self.output_seq = Some(event.seq);
                self.partial = is_set(data, "partial");
                true
            }
            EventType::StepComplete => {
                self.resume(unseen);
                self.finish(event, at);
                self.partial = false;
                self.status = StepStatus::Completed;
                true
            }
            EventType::StepError => {
                self.finish(event, at);
                self.partial |= is_set(data, "partial");
                self.status = if is_set(data, "continued") {
                    StepStatus::FailedContinued
                } else {
                    StepStatus::Failed
                };
                self.error = Some(ErrorView::read(data.get("error").unwrap_or(&Value::Null)));
                true
            }
            EventType::PipelineStart
            | EventType::PipelineComplete
            | EventType::PipelineError
            | EventType::CheckpointSaved
            | EventType::Unknown(_) => false,
        };
        self.last_seq = event.seq;
        self.keep_span(event, at);
        known
    }

    /// Takes the run's end. What was under way ended with it; what is `unseen` nobody here can know.
    pub(super) fn close(&mut self, failure: Option<&str>, at: Option<u64>, unseen: bool) {
        if self.status.is_ended() {
            return;
        }
        let began = self.status != StepStatus::Pending;
        if began && !unseen {
            self.ended_at = at;
        }
        self.retry_at = None;
        wait::close(&mut self.waits);
        self.status = match failure {
            _ if unseen => StepStatus::Unknown,
            Some(words) if began => {
                self.error = Some(ErrorView::inferred(format!(
                    "the run ended while this step was under way ({words})"
                )));
                StepStatus::Failed
            }
            Some(_) | None => StepStatus::Skipped,
        };
        self.end_span(span::outcome(self.status), self.ended_at);
    }

    /// The run stopped while this was under way, and goes on: what the step said is void, and it begins again.
    pub(super) fn cut_off(&mut self) {
        if self.status != StepStatus::Pending && !self.status.is_ended() {
            self.end_span(SpanOutcome::CutOff, None);
            self.begin_attempt();
            self.status = StepStatus::Pending;
            self.started_at = None;
            self.circuit = None;
        }
    }

    /// How much of the step is done.
    pub(super) fn fraction(&self) -> f64 {
        if self.status.is_ended() {
            1.0
        } else {
            self.progress.unwrap_or(0.0)
        }
    }

    fn start(&mut self, data: &Value, at: Option<u64>) {
        if let Some(name) = text_of(data, "name") {
            self.name = Some(name);
        }
        if let Some(kind) = text_of(data, "kind") {
            self.kind = Some(kind);
        }
        let another = self.iteration == 0 || self.status.is_ended();
        let next = self.iteration.saturating_add(u64::from(another));
        let iteration = count_of(data, "iteration").unwrap_or(next);
        let cut_off = self.status == StepStatus::Pending;
        if another || cut_off || iteration > self.iteration {
            self.begin_iteration(iteration);
            self.started_at = at;
        } else {
            self.begin_attempt();
        }
        self.attempt = count_of(data, "attempt").unwrap_or(self.attempt.max(1));
    }

    fn finish(&mut self, event: &StreamEvent, at: Option<u64>) {
        let data = &event.data;
        let iteration = count_of(data, "iteration").unwrap_or(self.iteration.max(1));
        if iteration > self.iteration {
            self.begin_iteration(iteration);
        }
        self.attempt = count_of(data, "attempt").unwrap_or(self.attempt.max(1));
        self.duration_ms = data.get("duration_ms").and_then(Value::as_f64);
        self.ended_at = at;
        self.retry_at = None;
        wait::close(&mut self.waits);
        if let Some(output) = data.get("output") {
            self.output = Some(output.clone());
            self.output_seq = Some(event.seq);
        } else if let Some(seq) = count_of(data, "output_seq")
            && self.output_seq != Some(seq)
        {
            self.output = None;
            self.output_seq = Some(seq);
        }
    }

    /// Keeps an error that does not end the step.
    pub(super) fn blame(&mut self, data: &Value) {
        if let Some(error) = data.get("error") {
            self.error = Some(ErrorView::read(error));
        }
    }

    /// A step that says something is under way, whether or not its beginning was seen.
    pub(super) fn resume(&mut self, unseen: bool) {
        let cut_off = self.status == StepStatus::Pending && self.iteration > 0;
        if cut_off || self.status == StepStatus::Retrying {
            self.begin_attempt();
        } else if self.iteration == 0 || (self.status.is_ended() && unseen) {
            self.begin_iteration(self.iteration.saturating_add(1));
        }
    }

    fn begin_iteration(&mut self, iteration: u64) {
        self.begin_attempt();
        self.iteration = iteration;
        self.attempt = 1;
        self.max_attempts = None;
        self.fallback = false;
        self.circuit = None;
        self.error = None;
        self.started_at = None;
        self.ended_at = None;
        self.duration_ms = None;
    }

    /// What an attempt that failed said is void.
    fn begin_attempt(&mut self) {
        self.status = StepStatus::Running;
        self.retry_at = None;
        self.progress = None;
        self.message = None;
        self.custom = None;
        self.text.clear();
        self.text_dropped = 0;
        self.reasoning.clear();
        self.reasoning_dropped = 0;
        self.models.clear();
        self.models_dropped = 0;
        self.spent = self.usage;
        self.artifacts.clear();
        self.artifacts_dropped = 0;
        wait::close(&mut self.waits);
        self.output = None;
        self.output_seq = None;
        self.partial = false;
    }
}
