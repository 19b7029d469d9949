//! What a step says while it is under way.

use serde_json::{Map, Value, json};
use stepcast_core::event::StreamEvent;

use super::mapping::Mapping;
use super::part::{chunk, data, transient};
use super::step::{Step, Tool};
use crate::transport::translated::data::{text, texts, with_step};

impl Mapping {
    /// A `step_progress`, of a step where it names one.
    pub(super) fn progress(&mut self, told: &StreamEvent, out: &mut Vec<Value>) {
        let told_of = &told.data;
        let kind = text(told_of, "kind");
        let Some(id) = told.step_id.as_ref().map(|id| id.as_str()) else {
            if kind == Some("resumed") {
                self.resumed(told_of, out);
            }
            out.push(transient(kind.unwrap_or("progress"), told_of));
            return;
        };
        match kind {
            Some("llm") => self.usage.asked(id, told_of),
            Some("usage") => {
                self.usage.took(id, told_of);
                let reason = text(told_of, "finish_reason").map(str::to_owned);
                self.finish_reason = reason.or(self.finish_reason.take());
            }
            Some("waiting") => self.ask(id, told_of, out),
            Some("answered") => self.answered(told_of, out),
            _ => {}
        }
        let execution_id = self.execution_id.clone();
        let part = format!("{execution_id}:{}", told.seq);
        let Some(step) = self.named(told, out) else {
            return;
        };
        match kind {
            None => {
                for key in ["progress", "message"] {
                    if let Some(value) = told_of.get(key) {
                        step.show(key, value.clone());
                    }
                }
                out.push(step.part());
            }
            Some("token") => token(step, part, told_of, out),
            Some("tool_call") => tool_call(step, part, told_of, out),
            Some("artifact") => {
                if let Some(sha256) = text(told_of, "sha256") {
                    let url = format!("/api/executions/{execution_id}/artifacts/{sha256}");
                    out.push(file(step, &url, told_of));
                }
            }
            Some("waiting" | "answered") => {}
            Some("retry") => {
                step.begin_again(out);
                if let Some(attempt) = told_of.get("attempt") {
                    step.show("attempt", attempt.clone());
                }
                out.push(step.part());
                out.push(transient("retry", &with_step(id, told_of)));
            }
            Some(kind) => {
                if kind == "llm" {
                    step.close(out);
                }
                out.push(transient(kind, &with_step(id, told_of)));
            }
        }
    }

    /// The run goes on from a checkpoint: what these steps were about is void.
    fn resumed(&mut self, told_of: &Value, out: &mut Vec<Value>) {
        let again = texts(told_of, "steps");
        for step in self
            .steps
            .iter_mut()
            .filter(|step| again.contains(&step.id))
        {
            step.begin_again(out);
            out.push(step.part());
        }
    }

    fn ask(&mut self, step: &str, told_of: &Value, out: &mut Vec<Value>) {
        let Some(wait_id) = text(told_of, "wait_id") else {
            return;
        };
        let shown = with_step(step, told_of);
        let mut shown: Map<String, Value> = shown.as_object().cloned().unwrap_or_default();
        shown.remove("kind");
        shown.insert("status".into(), "waiting".into());
        out.push(data("wait", wait_id, &shown));
        self.waits
            .insert(wait_id.to_owned(), (step.to_owned(), shown));
    }

    fn answered(&mut self, told_of: &Value, out: &mut Vec<Value>) {
        let Some(wait_id) = text(told_of, "wait_id") else {
            return;
        };
        let (_, mut shown) = self.waits.remove(wait_id).unwrap_or_default();
        for key in ["wait_id", "answer", "by", "source"] {
            if let Some(value) = told_of.get(key) {
                shown.insert(key.to_owned(), value.clone());
            }
        }
        shown.insert("status".into(), "answered".into());
        out.push(data("wait", wait_id, &shown));
    }
}

fn token(step: &mut Step, part: String, told_of: &Value, out: &mut Vec<Value>) {
    let said = text(told_of, "text").unwrap_or_default();
    if said.is_empty() {
        return;
    }
    let reasons = text(told_of, "channel") == Some("reasoning");
    let metadata = step.metadata();
    let (kind, open) = if reasons {
        step.end_text(out);
        ("reasoning", &mut step.reasoning)
    } else {
        step.end_reasoning(out);
        ("text", &mut step.text)
    };
    let is_new = open.is_none();
    let id = open.get_or_insert(part);
    if is_new {
        let members = json!({ "id": id, "providerMetadata": metadata });
        out.push(chunk(&format!("{kind}-start"), members));
    }
    out.push(chunk(
        &format!("{kind}-delta"),
        json!({ "id": id, "delta": said }),
    ));
}

fn tool_call(step: &mut Step, part: String, told_of: &Value, out: &mut Vec<Value>) {
    let call_id = text(told_of, "call_id").unwrap_or_default();
    let of = step.of();
    if !step.tools.iter().any(|tool| tool.call_id == call_id) {
        // what is said after it is a part of its own
        step.end_text(out);
        step.end_reasoning(out);
        let tool = Tool {
            call_id: call_id.to_owned(),
            id: part,
            name: text(told_of, "name").unwrap_or("tool").to_owned(),
            written: String::new(),
            open: true,
        };
        let members = json!({
            "toolCallId": tool.id, "toolName": tool.name, "dynamic": true,
            "toolMetadata": tool.metadata(of.clone()),
        });
        out.push(chunk("tool-input-start", members));
        step.tools.push(tool);
    }
    let Some(tool) = step.tools.iter_mut().rfind(|tool| tool.call_id == call_id) else {
        return;
    };
    let written = text(told_of, "arguments").filter(|written| !written.is_empty());
    if let Some(written) = written.filter(|_| tool.open) {
        tool.written.push_str(written);
        let members = json!({ "toolCallId": tool.id, "inputTextDelta": written });
        out.push(chunk("tool-input-delta", members));
    }
    if told_of.get("done") == Some(&Value::Bool(true)) && std::mem::take(&mut tool.open) {
        out.push(available(tool, of.clone()));
    }
    // the tool itself has run, wherever it is: what it gave is not told
    if let Some(took) = told_of.get("duration_ms").filter(|it| it.is_number())
        && !tool.open
    {
        let mut of = of;
        of.insert("duration_ms".into(), took.clone());
        let members = json!({
            "toolCallId": tool.id, "output": null, "providerExecuted": true, "dynamic": true,
            "toolMetadata": tool.metadata(of),
        });
        out.push(chunk("tool-output-available", members));
    }
}

/// A call whose arguments are whole.
fn available(tool: &Tool, of: Map<String, Value>) -> Value {
    let text = match tool.written.trim() {
        "" => "{}",
        text => text,
    };
    match serde_json::from_str::<Value>(text) {
        Ok(input) => {
            let members = json!({
                "toolCallId": tool.id, "toolName": tool.name, "input": input, "dynamic": true,
                "toolMetadata": tool.metadata(of),
            });
            chunk("tool-input-available", members)
        }
        Err(_) => tool.failed("The call's arguments are not JSON.", of),
    }
}

fn file(step: &Step, url: &str, told_of: &Value) -> Value {
    let mut of = step.of();
    for key in ["name", "size"] {
        if let Some(value) = told_of.get(key) {
            of.insert(key.to_owned(), value.clone());
        }
    }
    let members = json!({
        "url": url, "mediaType": text(told_of, "media_type").unwrap_or("application/octet-stream"),
        "providerMetadata": { "stepcast": of },
    });
    chunk("file", members)
}
