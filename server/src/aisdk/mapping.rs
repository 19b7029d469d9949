//! From the events of a run to the chunks of a message.
//!
//! A step of the AI SDK is one answer of a model, and steps follow each other; steps of ours run at once. So one of theirs
//! begins where nothing of ours is under way, and ends where nothing is any more; each of ours is a part of its own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stepcast_core::control::GapReason;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::{Epoch, ExecutionId, Seq};

use super::part::{chunk, data, known, transient};
use super::step::Step;
use crate::transport::translated::Usage;
use crate::transport::translated::data::text;

/// Folds the events of a run; see the module.
#[derive(Debug)]
pub(super) struct Mapping {
    pub(super) execution_id: String,
    /// What the message is called.
    message: String,
    stage: Stage,
    /// Those under way, in the order of their starts.
    pub(super) steps: Vec<Step>,
    /// Questions that are not over, with the step that asks.
    pub(super) waits: BTreeMap<String, (String, Map<String, Value>)>,
    pub(super) usage: Usage,
    /// How the last answer of a model ended.
    pub(super) finish_reason: Option<String>,
    /// The last event of each gap, and what was told of it.
    gaps: Vec<(Seq, Value)>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Before,
    Running,
    Ended,
}

impl Mapping {
    pub(super) fn new(execution_id: &ExecutionId, epoch: Epoch) -> Self {
        Self {
            execution_id: execution_id.as_str().to_owned(),
            message: format!("{execution_id}/{epoch}"),
            stage: Stage::Before,
            steps: Vec::new(),
            waits: BTreeMap::new(),
            usage: Usage::default(),
            finish_reason: None,
            gaps: Vec::new(),
        }
    }

    pub(super) fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Vec<Value> {
        let mut out = Vec::new();
        self.begin(&Value::Null, &mut out);
        let told = json!({ "from": from, "to": to, "reason": reason });
        let told = told.as_object().cloned().unwrap_or_default();
        let part = data("gap", &format!("{from}-{to}"), &told);
        self.gaps.push((to, part.clone()));
        out.push(part);
        out
    }

    /// What was told of gaps that do not end before this place.
    pub(super) fn gaps_behind(&self, seq: Seq) -> Vec<Value> {
        let behind = self.gaps.iter().filter(|(to, _)| *to > seq);
        behind.map(|(_, part)| part.clone()).collect()
    }

    pub(super) fn event(&mut self, told: &StreamEvent) -> Vec<Value> {
        let mut out = Vec::new();
        if self.stage == Stage::Ended {
            return out;
        }
        self.begin(&told.data, &mut out);
        let data = &told.data;
        match &told.event_type {
            EventType::PipelineStart => {
                let pipeline = data.get("pipeline").unwrap_or(&Value::Null);
                out.push(transient("pipeline", pipeline));
            }
            EventType::StepStart => self.start(told, &mut out),
            EventType::StepProgress => self.progress(told, &mut out),
            EventType::StepOutput => {
                if let Some(step) = self.named(told, &mut out) {
                    step.show("output", data.get("output").cloned().unwrap_or_default());
                    out.push(step.part());
                }
            }
            EventType::StepComplete => self.finish(told, "completed", &mut out),
            EventType::StepError => {
                let continued = data.get("continued") == Some(&Value::Bool(true));
                let status = if continued {
                    "failed_continued"
                } else {
                    "failed"
                };
                self.finish(told, status, &mut out);
            }
            EventType::CheckpointSaved => out.push(transient("checkpoint", data)),
            EventType::PipelineComplete => self.complete(data, &mut out),
            EventType::PipelineError => self.fail(data, &mut out),
            EventType::Unknown(_) => out.push(transient("event", &json!(told))),
            _ => {}
        }
        out
    }

    /// The first event begins the message, whichever it is: those before may be gone.
    fn begin(&mut self, data: &Value, out: &mut Vec<Value>) {
        if self.stage != Stage::Before {
            return;
        }
        self.stage = Stage::Running;
        let pipeline = data.get("pipeline").unwrap_or(&Value::Null);
        let metadata = known(json!({
            "execution_id": self.execution_id, "pipeline": text(pipeline, "name"), "status": "running",
        }));
        let members = json!({ "messageId": self.message, "messageMetadata": metadata });
        out.push(chunk("start", members));
    }

    fn start(&mut self, told: &StreamEvent, out: &mut Vec<Value>) {
        let Some(id) = told.step_id.as_ref().map(|id| id.as_str()) else {
            return;
        };
        let number = |key: &str| told.data.get(key).and_then(Value::as_u64).unwrap_or(1);
        let mut step = Step::new(id, number("iteration"), number("attempt"));
        for key in ["name", "kind"] {
            if let Some(value) = told.data.get(key) {
                step.show(key, value.clone());
            }
        }
        if let Some(place) = self.steps.iter().position(|it| it.id == id) {
            // it begins again, and never told an end
            let mut before = self.steps.remove(place);
            before.begin_again(out);
            if before.key == step.key {
                step.take = before.take;
                step.show("take", step.take);
            }
        } else if self.steps.is_empty() {
            out.push(chunk("start-step", Value::Null));
        }
        out.push(step.part());
        self.steps.push(step);
    }

    /// The step that an event is of; one whose start is not known is opened.
    pub(super) fn named(&mut self, told: &StreamEvent, out: &mut Vec<Value>) -> Option<&mut Step> {
        let id = told.step_id.as_ref()?.as_str();
        if !self.steps.iter().any(|step| step.id == id) {
            if self.steps.is_empty() {
                out.push(chunk("start-step", Value::Null));
            }
            let step = Step::new(id, 1, 1);
            out.push(step.part());
            self.steps.push(step);
        }
        self.steps.iter_mut().find(|step| step.id == id)
    }

    fn finish(&mut self, told: &StreamEvent, status: &str, out: &mut Vec<Value>) {
        if self.named(told, out).is_none() {
            return;
        }
        let of = |step: &Step| {
            told.step_id
                .as_ref()
                .is_some_and(|id| step.id == id.as_str())
        };
        let Some(place) = self.steps.iter().position(of) else {
            return;
        };
        let mut step = self.steps.remove(place);
        step.close(out);
        self.close_waits(&step.id, out);
        step.show("status", status);
        for key in ["output", "error", "duration_ms"] {
            if let Some(value) = told.data.get(key) {
                step.show(key, value.clone());
            }
        }
        out.push(step.part());
        if self.steps.is_empty() {
            out.push(chunk("finish-step", Value::Null));
        }
    }

    /// A step that is over asks nothing any more.
    fn close_waits(&mut self, step: &str, out: &mut Vec<Value>) {
        let over = |(_, (asks, _)): &(&String, &mut (String, Map<String, Value>))| asks == step;
        for (wait_id, (_, shown)) in self.waits.iter_mut().filter(over) {
            shown.insert("status".into(), "closed".into());
            out.push(data("wait", wait_id, shown));
        }
        self.waits.retain(|_, (asks, _)| asks != step);
    }

    fn complete(&mut self, data: &Value, out: &mut Vec<Value>) {
        self.close_all(out);
        let metadata = known(json!({
            "status": "completed", "output": data.get("output"), "usage": self.usage.summed(),
        }));
        let reason = match self.finish_reason.as_deref() {
            None | Some("stop") => "stop",
            Some("length") => "length",
            Some("tool_calls") => "tool-calls",
            Some("content_filter" | "refusal") => "content-filter",
            Some(_) => "other",
        };
        let members = json!({ "finishReason": reason, "messageMetadata": metadata });
        out.push(chunk("finish", members));
        self.stage = Stage::Ended;
    }

    fn fail(&mut self, data: &Value, out: &mut Vec<Value>) {
        let reason = text(data, "reason").unwrap_or("failed");
        let error = data.get("error").unwrap_or(&Value::Null);
        self.close_all(out);
        let metadata = json!({ "status": reason, "error": error, "usage": self.usage.summed() });
        let metadata = known(metadata);
        out.push(chunk(
            "message-metadata",
            json!({ "messageMetadata": metadata }),
        ));
        out.push(match reason {
            "cancelled" => chunk("abort", json!({ "reason": reason })),
            _ => {
                let message = text(error, "message").unwrap_or(reason);
                chunk("error", json!({ "errorText": message }))
            }
        });
        self.stage = Stage::Ended;
    }

    fn close_all(&mut self, out: &mut Vec<Value>) {
        let mut steps = std::mem::take(&mut self.steps);
        for step in &mut steps {
            step.close(out);
            self.close_waits(&step.id, out);
        }
        if !steps.is_empty() {
            out.push(chunk("finish-step", Value::Null));
        }
    }
}
