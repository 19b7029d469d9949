//! What a step says while it is under way.

use serde_json::{Value, json};
use stepcast_core::event::StreamEvent;

use super::interrupt::interrupt;
use super::mapping::Mapping;
use super::part::{custom, delta, escaped, event};
use super::step::{Step, Tool};
use crate::transport::translated::data::{text, texts, with_step};

impl Mapping {
    /// A `step_progress`, of a step where it names one.
    pub(super) fn progress(&mut self, told: &StreamEvent, out: &mut Vec<Value>) {
        let at = told.timestamp.unix_millis();
        let data = &told.data;
        let kind = text(data, "kind");
        let Some(id) = told.step_id.as_ref().map(|id| id.as_str().to_owned()) else {
            if kind == Some("resumed") {
                self.resumed(data, at, out);
            }
            out.push(custom(kind.unwrap_or("progress"), data, at));
            return;
        };
        // such as one whose start was lost
        self.ensure(&id, told.seq, at, out);
        let message = format!("{}:{}", self.execution_id, told.seq);
        match kind {
            Some("llm") => self.usage.asked(&id, data),
            Some("usage") => self.usage.took(&id, data),
            _ => {}
        }
        let Some(step) = self.steps.iter_mut().find(|step| step.id == id) else {
            return;
        };
        match kind {
            None => out.push(fraction(step, data, at)),
            Some("token") => token(step, message, data, at, out),
            Some("tool_call") => tool_call(step, message, data, at, out),
            Some("waiting") => {
                let Some(wait_id) = text(data, "wait_id") else {
                    return;
                };
                if !step.waits.iter().any(|known| known == wait_id) {
                    step.waits.push(wait_id.to_owned());
                }
                out.push(waiting(&id, wait_id, data, at));
                let asked = interrupt(&self.execution_id, &id, data);
                self.questions.insert(wait_id.to_owned(), asked);
            }
            Some("answered") => {
                let Some(wait_id) = text(data, "wait_id") else {
                    return;
                };
                step.waits.retain(|known| known != wait_id);
                // one that was asked before the events that are missing has no place in the state
                if self.questions.remove(wait_id).is_some() {
                    out.push(answered(wait_id, data, at));
                }
            }
            Some(kind) => {
                if kind == "llm" {
                    step.close(at, out);
                }
                if kind == "retry" {
                    step.void(at, out);
                    let attempt = data.get("attempt").and_then(Value::as_u64);
                    step.attempt = attempt.unwrap_or(step.attempt + 1);
                }
                out.push(custom(kind, &with_step(&id, data), at));
            }
        }
    }

    /// The run goes on from a checkpoint: what these steps were about is void.
    fn resumed(&mut self, data: &Value, at: Option<u64>, out: &mut Vec<Value>) {
        let again = texts(data, "steps");
        let begin_again = |step: &&mut Step| again.contains(&step.id);
        for step in self.steps.iter_mut().filter(begin_again) {
            step.void(at, out);
        }
        self.expected.extend(again);
    }
}

fn fraction(step: &Step, data: &Value, at: Option<u64>) -> Value {
    let mut content = with_step(&step.id, data);
    if let Some(object) = content.as_object_mut() {
        object.retain(|key, _| ["step_id", "progress", "message"].contains(&key.as_str()));
    }
    let members = json!({
        "messageId": step.activity, "activityType": "STEP_PROGRESS", "content": content,
        "replace": true,
    });
    event("ACTIVITY_SNAPSHOT", at, members)
}

fn token(step: &mut Step, message: String, data: &Value, at: Option<u64>, out: &mut Vec<Value>) {
    let said = text(data, "text").unwrap_or_default();
    if said.is_empty() {
        return;
    }
    let metadata = step.metadata();
    let reasons = text(data, "channel") == Some("reasoning");
    let open = if reasons {
        step.end_text(at, out);
        &mut step.reasoning
    } else {
        step.end_reasoning(at, out);
        &mut step.text
    };
    let is_new = open.is_none();
    let id = open.get_or_insert(message).clone();
    if is_new {
        step.said.push(id.clone());
    }
    if !reasons {
        step.parent = Some(id.clone());
    }
    if is_new && reasons {
        out.push(event("REASONING_START", at, json!({ "messageId": id })));
        let members = json!({ "messageId": id, "role": "reasoning", "metadata": metadata });
        out.push(event("REASONING_MESSAGE_START", at, members));
    } else if is_new {
        let members = json!({ "messageId": id, "role": "assistant", "metadata": metadata });
        out.push(event("TEXT_MESSAGE_START", at, members));
    }
    let kind = if reasons {
        "REASONING_MESSAGE_CONTENT"
    } else {
        "TEXT_MESSAGE_CONTENT"
    };
    out.push(event(kind, at, json!({ "messageId": id, "delta": said })));
}

fn tool_call(
    step: &mut Step,
    message: String,
    data: &Value,
    at: Option<u64>,
    out: &mut Vec<Value>,
) {
    let call_id = text(data, "call_id").unwrap_or_default();
    step.end_reasoning(at, out);
    let known = step.tools.iter_mut().rfind(|tool| tool.call_id == call_id);
    let tool = match known {
        Some(tool) => tool,
        None => {
            let members = json!({
                "toolCallId": message, "toolCallName": text(data, "name").unwrap_or("tool"),
                "parentMessageId": step.parent, "metadata": { "call_id": call_id, "step_id": step.id },
            });
            out.push(event("TOOL_CALL_START", at, members));
            if step.parent.is_none() {
                // the client makes a message of the call's own name
                step.said.push(message.clone());
            }
            step.tools.push(Tool {
                call_id: call_id.to_owned(),
                id: message.clone(),
                open: true,
            });
            let Some(tool) = step.tools.last_mut() else {
                return;
            };
            tool
        }
    };
    let written = text(data, "arguments").filter(|written| !written.is_empty());
    if let Some(written) = written.filter(|_| tool.open) {
        let members = json!({ "toolCallId": tool.id, "delta": written });
        out.push(event("TOOL_CALL_ARGS", at, members));
    }
    if data.get("done") == Some(&Value::Bool(true)) && std::mem::take(&mut tool.open) {
        out.push(event("TOOL_CALL_END", at, json!({ "toolCallId": tool.id })));
    }
    // the tool itself has run, wherever it is: what it gave is not told
    if data.get("duration_ms").is_some_and(Value::is_number) && !tool.open {
        let members = json!({
            "messageId": format!("{message}:result"), "toolCallId": tool.id, "content": "",
            "role": "tool", "metadata": { "duration_ms": data.get("duration_ms") },
        });
        step.said.push(format!("{message}:result"));
        out.push(event("TOOL_CALL_RESULT", at, members));
    }
}

fn waiting(id: &str, wait_id: &str, data: &Value, at: Option<u64>) -> Value {
    let mut wait = with_step(id, data);
    if let Some(object) = wait.as_object_mut() {
        object.retain(|key, _| key != "kind");
        object.insert("status".into(), "waiting".into());
    }
    let path = format!("/waits/{}", escaped(wait_id));
    delta(vec![(path, wait)], at)
}

fn answered(wait_id: &str, data: &Value, at: Option<u64>) -> Value {
    let path = format!("/waits/{}", escaped(wait_id));
    let mut changes = vec![(format!("{path}/status"), Value::from("answered"))];
    for key in ["answer", "by", "source"] {
        if let Some(value) = data.get(key) {
            changes.push((format!("{path}/{key}"), value.clone()));
        }
    }
    delta(changes, at)
}
