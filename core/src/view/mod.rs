//! The view: a pure fold of events into what a page shows.
//!
//! Same events, same view, whether live or replayed; the page, the command line and the server's
//! summaries all use this one fold. It takes anything: what is missing, odd, repeated or of a later version
//! never stops it, and is never guessed at silently.

mod artifact;
mod circuit;
mod error;
mod form;
mod graph;
mod model;
mod progress;
mod read;
mod span;
mod status;
mod step;
mod text;
mod wait;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use self::artifact::{ArtifactView, MAX_ARTIFACTS};
pub use self::circuit::CircuitView;
pub use self::error::ErrorView;
pub use self::form::{FieldKind, FieldView, FormView, OptionView};
pub use self::graph::PathView;
pub use self::model::{
    MAX_ARGUMENT_BYTES, MAX_MODELS, MAX_TOOL_CALLS, ModelView, ToolCallView, Usage,
};
use self::read::{elapsed, list_of, text_of};
pub use self::span::{MAX_SPANS, Rate, SpanOutcome, SpanView};
pub use self::status::{Counts, RunStatus, StepStatus};
pub use self::step::StepView;
pub use self::text::{LogView, MAX_LOGS, MAX_TEXT_BYTES};
pub use self::wait::{MAX_WAITS, WaitState, WaitView};
use crate::control::{EndReason, GapReason};
use crate::event::{EventType, StreamEvent};
use crate::id::{ExecutionId, Seq, StepId};

/// What is known of one execution.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct RunView {
    /// Which execution; none before the first event.
    pub execution_id: Option<ExecutionId>,
    /// The pipeline's name, description and version.
    pub name: Option<String>,
    /// See `name`.
    pub description: Option<String>,
    /// See `name`.
    pub version: Option<String>,
    /// The step that the pipeline begins with.
    pub start_at: Option<String>,
    /// Where it stands.
    pub status: RunStatus,
    /// How it ended.
    pub end: Option<EndReason>,
    /// The error it ended with.
    pub error: Option<ErrorView>,
    /// What it was given.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub input: Option<Value>,
    /// What it gave.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub output: Option<Value>,
    /// Milliseconds since 1970.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970.
    pub ended_at: Option<u64>,
    /// Milliseconds, as the server measured them.
    pub duration_ms: Option<f64>,
    /// See [`RunView::progress`].
    #[serde(rename = "progress")]
    reached: f64,
    /// The steps in the pipeline's order, then those nobody announced.
    pub steps: Vec<StepView>,
    /// The pipeline's paths, then those nobody announced.
    pub paths: Vec<PathView>,
    /// What language models took, in all steps, attempts and iterations.
    pub usage: Usage,
    /// Checkpoints saved.
    pub checkpoints: u64,
    /// How often it went on after it had stopped.
    pub resumes: u64,
    /// Events folded.
    pub events: u64,
    /// Of these, the ones of a type or form that this build can make nothing of.
    pub unknown: u64,
    /// The last event folded.
    pub last_seq: Seq,
    /// What is missing: the newest [`MAX_GAPS`].
    pub gaps: Vec<GapView>,
    /// How many events are missing by all gaps.
    pub missing: u64,
    /// Where in `steps` a step is.
    #[serde(skip)]
    index: BTreeMap<StepId, usize>,
    /// The last place in the log that was passed over, announced as a gap or not.
    #[serde(skip)]
    hole: Seq,
    /// The sum of the steps' shares.
    #[serde(skip)]
    shares: f64,
    /// How many steps are under way, and how many of these wait for a person.
    #[serde(skip)]
    under_way: (usize, usize),
}

/// A hole in what is known.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct GapView {
    /// The first missing event.
    pub from: Seq,
    /// The last missing event.
    pub to: Seq,
    /// Why.
    pub reason: GapReason,
}

/// The most gaps kept one by one.
pub const MAX_GAPS: usize = 100;

/// The progress of a run that has all its steps behind it, but not its end.
const ALMOST: f64 = 0.99;

impl RunView {
    /// Takes the next event. One that was taken before, or is of another execution, changes nothing.
    pub fn apply(&mut self, event: &StreamEvent) {
        let foreign = |id: &ExecutionId| *id != event.execution_id;
        if event.seq <= self.last_seq || self.execution_id.as_ref().is_some_and(foreign) {
            return;
        }
        let first = event.first_seq();
        if first > self.last_seq.saturating_add(1) {
            self.hole = first - 1;
        }
        if self.execution_id.is_none() {
            self.execution_id = Some(event.execution_id.clone());
        }
        self.last_seq = event.seq;
        self.events = self.events.saturating_add(1);
        if self.end.is_some() || !self.fold(event) {
            self.unknown = self.unknown.saturating_add(1);
        }
    }

    /// Takes the word that the events `from` to `to` will not come.
    pub fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) {
        let known = self
            .gaps
            .last()
            .map_or(self.last_seq, |gap| gap.to.max(self.last_seq));
        let from = from.max(known.saturating_add(1));
        if from > to {
            return;
        }
        self.hole = self.hole.max(to);
        self.missing = self.missing.saturating_add(to - from).saturating_add(1);
        match self.gaps.last_mut() {
            Some(last) if last.to == from - 1 && last.reason == reason => last.to = to,
            Some(_) | None => self.gaps.push(GapView { from, to, reason }),
        }
        if self.gaps.len() > MAX_GAPS {
            self.gaps.remove(0);
        }
    }

    /// Forgets everything: the log was recreated, and the stream begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// How much of the run is done, from 0 to 1: steps that ended, and the fractions that the others
    /// report, over all steps that are known. It never falls, is 1 only for a run that completed, and stays
    /// where it was for one that ended badly.
    pub fn progress(&self) -> f64 {
        self.reached
    }

    /// How long the run has taken, in milliseconds: as measured, or until `now_ms` while it runs.
    pub fn duration_ms(&self, now_ms: u64) -> Option<f64> {
        self.duration_ms
            .or_else(|| elapsed(self.started_at, self.ended_at, now_ms))
    }

    /// The step of this id.
    pub fn step(&self, id: &str) -> Option<&StepView> {
        self.steps.get(*self.index.get(&StepId::from(id))?)
    }

    /// False where nothing could be made of the event.
    fn fold(&mut self, event: &StreamEvent) -> bool {
        let known = match &event.event_type {
            EventType::PipelineStart => self.start(event),
            EventType::StepProgress if event.step_id.is_none() => self.take_run(event),
            EventType::StepStart
            | EventType::StepProgress
            | EventType::StepOutput
            | EventType::StepComplete
            | EventType::StepError => self.take_step(event),
            EventType::PipelineComplete | EventType::PipelineError => {
                self.finish(event);
                return true;
            }
            EventType::CheckpointSaved => {
                self.checkpoints = self.checkpoints.saturating_add(1);
                true
            }
            EventType::Unknown(_) => return false,
        };
        // it waits where a step does, and nothing else goes on meanwhile
        let (active, waiting) = self.under_way;
        self.status = if waiting > 0 && waiting == active {
            RunStatus::Waiting
        } else {
            RunStatus::Running
        };
        known
    }

    fn start(&mut self, event: &StreamEvent) -> bool {
        self.started_at = event.timestamp.unix_millis();
        self.input = event.data.get("input").cloned();
        let Some(pipeline) = event.data.get("pipeline") else {
            return false;
        };
        self.name = text_of(pipeline, "name");
        self.description = text_of(pipeline, "description");
        self.version = text_of(pipeline, "version");
        self.start_at = text_of(pipeline, "start_at");
        self.announce_steps(list_of(pipeline, "steps"), event.seq);
        self.announce_paths(list_of(pipeline, "paths"));
        true
    }

    fn take_step(&mut self, event: &StreamEvent) -> bool {
        let Some(id) = &event.step_id else {
            return false;
        };
        let at = self.place(id);
        let Some(step) = self.steps.get_mut(at) else {
            return false;
        };
        let unseen = self.hole > step.last_seq;
        let (before, usage) = (step.status, step.usage);
        let known = step.apply(event, unseen);
        let (after, took_more) = (step.status, step.usage != usage);
        let share = step.fraction().max(step.share);
        self.shares += share - std::mem::replace(&mut step.share, share);
        self.recount(before, after);
        if took_more {
            let sum = |sum: Usage, step: &StepView| sum.plus(&step.usage);
            self.usage = self.steps.iter().fold(Usage::default(), sum);
        }
        self.advance();
        if matches!(
            event.event_type,
            EventType::StepComplete | EventType::StepError
        ) {
            for to in list_of(&event.data, "next") {
                if let Some(to) = to.as_str() {
                    self.take_path(id.as_str(), to, 1);
                }
            }
        }
        known
    }

    /// Takes what is said of the run as a whole while it is under way.
    fn take_run(&mut self, event: &StreamEvent) -> bool {
        let resumed = text_of(&event.data, "kind").is_some_and(|kind| kind == "resumed");
        if resumed {
            self.resumes = self.resumes.saturating_add(1);
            let again = event.data.get("steps").and_then(Value::as_array);
            for step in &mut self.steps {
                // a wait for a person is part of the run's state: it goes on where its step does not begin again
                let stays = again.is_some_and(|again| !again.iter().any(|id| *id == step.id));
                if !(stays && step.status == StepStatus::Waiting) {
                    step.cut_off();
                }
            }
            let counts = self.counts();
            self.under_way = (counts.active(), counts.waiting);
        }
        resumed
    }

    /// Keeps count of the steps under way where one of them went from one status to another.
    const fn recount(&mut self, before: StepStatus, after: StepStatus) {
        let (active, waiting) = self.under_way;
        self.under_way = (
            active + after.is_active() as usize - before.is_active() as usize,
            waiting + matches!(after, StepStatus::Waiting) as usize
                - matches!(before, StepStatus::Waiting) as usize,
        );
    }

    fn finish(&mut self, event: &StreamEvent) {
        let data = &event.data;
        let end = if event.event_type == EventType::PipelineComplete {
            self.status = RunStatus::Completed;
            self.reached = 1.0;
            EndReason::Complete
        } else {
            self.status = RunStatus::Failed;
            self.error = data.get("error").map(ErrorView::read);
            EndReason::of_error(data.get("reason").and_then(Value::as_str))
        };
        self.end = Some(end);
        self.output = data.get("output").cloned();
        self.ended_at = event.timestamp.unix_millis();
        self.duration_ms = data.get("duration_ms").and_then(Value::as_f64);
        let failure = (end != EndReason::Complete).then(|| self.status_words());
        for step in &mut self.steps {
            step.close(failure, self.ended_at, self.hole > step.last_seq);
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a pipeline has fewer than 2^52 steps"
    )]
    fn advance(&mut self) {
        let now = self.shares / self.steps.len().max(1) as f64;
        self.reached = self.reached.max(now.min(ALMOST));
    }
}
