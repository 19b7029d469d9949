//! From the events of a run to AG-UI's.
//!
//! An AG-UI run ends where a run of ours waits for a person and nothing else is under way: the next one begins with
//! what comes after. What is told meanwhile is kept for it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use stepcast_core::control::GapReason;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::{ExecutionId, Seq};

use super::part::{custom, delta, escaped, event};
use super::step::Step;
use crate::transport::translated::Usage;
use crate::transport::translated::data::{text, texts, with_step};

/// Folds the events of a run; see the module.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) execution_id: String,
    thread: String,
    pub(super) run: String,
    /// What a client calls the run that goes on with the answer to one of these questions.
    pub(super) next_run: Option<NextRun>,
    pub(super) stage: Stage,
    /// Those under way, in the order of their starts.
    pub(super) steps: Vec<Step>,
    /// Those that are to start at once.
    pub(super) expected: BTreeSet<String>,
    /// Where paths lead, from each step of the pipeline.
    pub(super) paths: BTreeMap<String, Vec<String>>,
    /// Open questions, as interrupts.
    pub(super) questions: BTreeMap<String, Value>,
    pub(super) usage: Usage,
    /// Told while the run was interrupted.
    pub(super) kept: Vec<Value>,
}

/// What a client calls the run that goes on with the answer to one of these questions.
#[derive(Clone, Debug)]
pub(crate) struct NextRun {
    pub(crate) run: String,
    pub(crate) waits: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Stage {
    #[default]
    Before,
    Running,
    Interrupted,
    Ended,
}

impl Mapping {
    pub(super) fn new(execution_id: &ExecutionId, next_run: Option<NextRun>) -> Self {
        let id = execution_id.as_str().to_owned();
        Self {
            thread: id.clone(),
            run: id.clone(),
            execution_id: id,
            next_run,
            stage: Stage::default(),
            steps: Vec::new(),
            expected: BTreeSet::new(),
            paths: BTreeMap::new(),
            questions: BTreeMap::new(),
            usage: Usage::default(),
            kept: Vec::new(),
        }
    }

    /// Whether it waits for people, and for nothing else.
    pub(super) fn is_interrupted(&self) -> bool {
        self.stage == Stage::Interrupted
    }

    pub(super) fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Vec<Value> {
        let mut out = Vec::new();
        self.begin(&Value::Null, None, &mut out);
        let value = json!({ "from": from, "to": to, "reason": reason });
        out.push(custom("gap", &value, None));
        out
    }

    pub(super) fn event(&mut self, told: &StreamEvent) -> Vec<Value> {
        let at = told.timestamp.unix_millis();
        let mut out = Vec::new();
        if self.stage == Stage::Ended {
            return out;
        }
        self.begin(&told.data, at, &mut out);
        let interrupted = self.is_interrupted();
        if interrupted && self.goes_on(told) {
            self.go_on(told, &mut out);
        }
        let mut said = Vec::new();
        self.translate(told, at, &mut said);
        if self.is_interrupted() {
            let room = KEPT.saturating_sub(self.kept.len());
            self.kept.extend(said.into_iter().take(room));
        } else {
            out.extend(said);
        }
        if self.stage == Stage::Running && self.waits() {
            self.interrupt(at, &mut out);
        }
        out
    }

    fn translate(&mut self, told: &StreamEvent, at: Option<u64>, out: &mut Vec<Value>) {
        let data = &told.data;
        match &told.event_type {
            EventType::PipelineStart => {
                let pipeline = data.get("pipeline").unwrap_or(&Value::Null);
                out.push(custom("pipeline_start", pipeline, at));
            }
            EventType::StepStart => self.start(told, at, out),
            EventType::StepProgress => self.progress(told, out),
            EventType::StepOutput => {
                let Some(id) = self.named(told, at, out) else {
                    return;
                };
                let path = format!("/steps/{}/output", escaped(&id));
                let output = data.get("output").cloned().unwrap_or_default();
                out.push(delta(vec![(path, output)], at));
            }
            EventType::StepComplete => self.finish(told, "completed", at, out),
            EventType::StepError => {
                let continued = data.get("continued") == Some(&Value::Bool(true));
                let status = if continued {
                    "failed_continued"
                } else {
                    "failed"
                };
                self.finish(told, status, at, out);
            }
            EventType::CheckpointSaved => out.push(custom("checkpoint_saved", data, at)),
            EventType::PipelineComplete => {
                self.close_all(at, out);
                let output = data.get("output").cloned().unwrap_or_default();
                let changes = vec![
                    ("/status".to_owned(), Value::from("completed")),
                    ("/output".to_owned(), output.clone()),
                ];
                out.push(delta(changes, at));
                out.push(self.finished(json!({ "type": "success" }), output, at));
                self.stage = Stage::Ended;
            }
            EventType::PipelineError => self.fail(data, at, out),
            EventType::Unknown(_) => {
                let members = json!({ "event": told, "source": "stepcast" });
                out.push(event("RAW", at, members));
            }
            _ => {}
        }
    }

    /// The first event begins the run, whichever it is: those before may be gone.
    fn begin(&mut self, data: &Value, at: Option<u64>, out: &mut Vec<Value>) {
        if self.stage != Stage::Before {
            return;
        }
        self.stage = Stage::Running;
        let pipeline = data.get("pipeline").unwrap_or(&Value::Null);
        let input = data.get("input").unwrap_or(&Value::Null);
        let client = input.get("agui").unwrap_or(&Value::Null);
        if let (Some(thread), Some(run)) = (text(client, "thread_id"), text(client, "run_id")) {
            self.thread = thread.to_owned();
            self.run = run.to_owned();
        }
        self.read_graph(pipeline);
        let parent = text(client, "parent_run_id").map(str::to_owned);
        let mut started = self.started(parent, at);
        if let (Some(messages), Some(started)) = (said(input), started.as_object_mut()) {
            let echo = json!({
                "threadId": self.thread, "runId": self.run, "messages": messages, "tools": [], "context": [],
            });
            started.insert("input".into(), echo);
        }
        out.push(started);
        let mut state: Map<String, Value> = client
            .get("state")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default();
        state.insert("execution_id".into(), self.execution_id.clone().into());
        let name = pipeline.get("name").cloned().unwrap_or_default();
        state.insert("pipeline".into(), name);
        state.insert("status".into(), "running".into());
        state.insert("steps".into(), json!({}));
        state.insert("waits".into(), json!({}));
        out.push(event("STATE_SNAPSHOT", at, json!({ "snapshot": state })));
    }

    fn read_graph(&mut self, pipeline: &Value) {
        let list = |key: &str| pipeline.get(key).and_then(Value::as_array);
        for step in list("steps").into_iter().flatten() {
            if let Some(id) = text(step, "id") {
                self.paths.entry(id.to_owned()).or_default();
            }
        }
        for path in list("paths").into_iter().flatten() {
            if let (Some(from), Some(to)) = (text(path, "from"), text(path, "to")) {
                let targets = self.paths.entry(from.to_owned()).or_default();
                targets.push(to.to_owned());
            }
        }
        self.expected
            .extend(text(pipeline, "start_at").map(str::to_owned));
    }

    fn start(&mut self, told: &StreamEvent, at: Option<u64>, out: &mut Vec<Value>) {
        let Some(id) = told.step_id.as_ref().map(|id| id.as_str()) else {
            return;
        };
        self.expected.remove(id);
        if let Some(place) = self.steps.iter().position(|step| step.id == id) {
            // it begins again, and never told an end
            let mut step = self.steps.remove(place);
            step.void(at, out);
            out.push(step.finished(at));
        }
        let number = |key: &str| told.data.get(key).and_then(Value::as_u64).unwrap_or(1);
        let step = Step {
            id: id.to_owned(),
            iteration: number("iteration"),
            attempt: number("attempt"),
            activity: format!("{}:{}", self.execution_id, told.seq),
            ..Step::default()
        };
        out.push(step.started(at));
        let mut shown = with_step(id, &told.data);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("status".into(), "running".into());
        }
        out.push(delta(vec![(format!("/steps/{}", escaped(id)), shown)], at));
        self.steps.push(step);
    }

    /// Opens a step whose start is not known.
    pub(super) fn ensure(&mut self, id: &str, seq: Seq, at: Option<u64>, out: &mut Vec<Value>) {
        if self.steps.iter().any(|step| step.id == id) {
            return;
        }
        let step = Step {
            id: id.to_owned(),
            iteration: 1,
            attempt: 1,
            activity: format!("{}:{seq}", self.execution_id),
            ..Step::default()
        };
        out.push(step.started(at));
        let shown = json!({ "step_id": id, "status": "running" });
        out.push(delta(vec![(format!("/steps/{}", escaped(id)), shown)], at));
        self.steps.push(step);
    }

    fn named(
        &mut self,
        told: &StreamEvent,
        at: Option<u64>,
        out: &mut Vec<Value>,
    ) -> Option<String> {
        let id = told.step_id.as_ref()?.as_str().to_owned();
        self.ensure(&id, told.seq, at, out);
        Some(id)
    }

    fn finish(&mut self, told: &StreamEvent, status: &str, at: Option<u64>, out: &mut Vec<Value>) {
        let Some(id) = self.named(told, at, out) else {
            return;
        };
        let Some(place) = self.steps.iter().position(|step| step.id == id) else {
            return;
        };
        let mut step = self.steps.remove(place);
        step.close(at, out);
        for wait in &step.waits {
            if self.questions.remove(wait).is_some() {
                let path = format!("/waits/{}/status", escaped(wait));
                out.push(delta(vec![(path, Value::from("closed"))], at));
            }
        }
        let path = format!("/steps/{}", escaped(&id));
        let mut changes = vec![(format!("{path}/status"), Value::from(status))];
        for key in ["output", "error", "duration_ms"] {
            if let Some(value) = told.data.get(key) {
                changes.push((format!("{path}/{key}"), value.clone()));
            }
        }
        out.push(delta(changes, at));
        if told.event_type == EventType::StepError {
            out.push(custom("step_error", &with_step(&id, &told.data), at));
        }
        out.push(step.finished(at));
        for next in texts(&told.data, "next") {
            let known = self.paths.contains_key(&next);
            if known && !self.steps.iter().any(|other| self.leads(&other.id, &next)) {
                self.expected.insert(next);
            }
        }
    }

    fn fail(&mut self, data: &Value, at: Option<u64>, out: &mut Vec<Value>) {
        let reason = text(data, "reason").unwrap_or("failed");
        let error = data.get("error").unwrap_or(&Value::Null);
        self.close_all(at, out);
        let changes = vec![
            ("/status".to_owned(), Value::from(reason)),
            ("/error".to_owned(), error.clone()),
        ];
        out.push(delta(changes, at));
        if reason == "cancelled" {
            out.push(self.finished(json!({ "type": "cancelled" }), Value::Null, at));
        } else {
            let members = json!({
                "message": text(error, "message").unwrap_or(reason), "code": reason,
                "usage": self.usage.summed(),
            });
            out.push(event("RUN_ERROR", at, members));
        }
        self.stage = Stage::Ended;
    }

    fn close_all(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        for mut step in std::mem::take(&mut self.steps) {
            step.close(at, out);
            out.push(step.finished(at));
        }
    }

    pub(super) fn started(&self, parent: Option<String>, at: Option<u64>) -> Value {
        let members = json!({
            "threadId": self.thread, "runId": self.run, "parentRunId": parent, "protocolVersion": "1.0",
        });
        event("RUN_STARTED", at, members)
    }

    pub(super) fn finished(&self, outcome: Value, result: Value, at: Option<u64>) -> Value {
        let members = json!({
            "threadId": self.thread, "runId": self.run, "result": result, "outcome": outcome,
            "usage": self.usage.summed(),
        });
        event("RUN_FINISHED", at, members)
    }
}

/// The messages that a client of AG-UI started a run with, those of them that are messages.
fn said(input: &Value) -> Option<Vec<&Value>> {
    input.get("agui")?;
    let messages = input.get("messages")?.as_array()?;
    let is_message = |it: &&Value| text(it, "id").is_some() && text(it, "role").is_some();
    Some(messages.iter().filter(is_message).collect())
}

/// Pieces kept while a run is interrupted: each restart of a server tells some.
const KEPT: usize = 1000;
