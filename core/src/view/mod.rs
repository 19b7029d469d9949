//! The view: a pure fold of events into what a page shows.
//!
//! Same events, same view, whether live or replayed; the page, the command line and the server's
//! summaries all use this one fold. It takes anything: what is missing, odd, repeated or of a later version
//! never stops it, and is never guessed at silently.

mod error;
mod status;
mod step;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

pub use self::error::ErrorView;
pub use self::status::{Counts, RunStatus, StepStatus};
pub use self::step::{LogView, MAX_LOGS, MAX_TEXT_BYTES, StepView};
use self::step::{elapsed, text_of};
use crate::control::{EndReason, GapReason};
use crate::event::{EventType, StreamEvent};
use crate::id::{ExecutionId, Seq, StepId};

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
    /// The step that the pipeline begins with.
    pub start_at: Option<String>,
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
    /// Milliseconds, as the server measured them.
    pub duration_ms: Option<f64>,
    /// See [`RunView::progress`].
    #[serde(rename = "progress")]
    reached: f64,
    /// The steps in the pipeline's order, then those nobody announced.
    pub steps: Vec<StepView>,
    /// The pipeline's paths, then those nobody announced.
    pub paths: Vec<PathView>,
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
        if event.seq - self.last_seq > 1 {
            self.hole = event.seq - 1;
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
        if self.status == RunStatus::Pending {
            self.status = RunStatus::Running;
        }
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

    fn announce_steps(&mut self, announced: &[Value], seq: Seq) {
        let earlier = std::mem::take(&mut self.steps);
        self.index.clear();
        for step in announced {
            if let Some(id) = text_of(step, "id") {
                let at = self.place(&StepId::from(id));
                if let Some(view) = self.steps.get_mut(at) {
                    view.name = text_of(step, "name");
                    view.kind = text_of(step, "kind");
                    view.last_seq = seq;
                }
            }
        }
        for step in earlier {
            let at = self.place(&StepId::from(step.id.as_str()));
            if let Some(view) = self.steps.get_mut(at) {
                let (name, kind) = (view.name.take(), view.kind.take());
                *view = step;
                view.name = name.or(view.name.take());
                view.kind = kind.or(view.kind.take());
            }
        }
    }

    fn announce_paths(&mut self, announced: &[Value]) {
        let earlier = std::mem::take(&mut self.paths);
        self.paths = announced
            .iter()
            .filter_map(|path| {
                Some(PathView {
                    from: text_of(path, "from")?,
                    to: text_of(path, "to")?,
                    condition: text_of(path, "condition"),
                    taken: 0,
                })
            })
            .collect();
        for path in earlier {
            self.take_path(&path.from, &path.to, path.taken);
        }
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
        let known = step.apply(event, unseen);
        let share = step.fraction().max(step.share);
        self.shares += share - std::mem::replace(&mut step.share, share);
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
            for step in &mut self.steps {
                step.cut_off();
            }
        }
        resumed
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

    /// Where the step is; at the end where nobody announced it.
    fn place(&mut self, id: &StepId) -> usize {
        if let Some(&at) = self.index.get(id) {
            return at;
        }
        let at = self.steps.len();
        self.steps.push(StepView::new(id.as_str()));
        self.index.insert(id.clone(), at);
        at
    }

    fn take_path(&mut self, from: &str, to: &str, times: u64) {
        let is_it = |path: &&mut PathView| path.from == from && path.to == to;
        if let Some(path) = self.paths.iter_mut().find(is_it) {
            path.taken = path.taken.saturating_add(times);
        } else {
            self.paths.push(PathView {
                from: from.to_owned(),
                to: to.to_owned(),
                condition: None,
                taken: times,
            });
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

fn list_of<'a>(data: &'a Value, key: &str) -> &'a [Value] {
    data.get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}
