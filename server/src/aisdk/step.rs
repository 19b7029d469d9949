//! A step under way: what it has open, and what is shown of it.

use serde_json::{Map, Value, json};

use super::part::{chunk, data};

/// A step under way.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) id: String,
    /// What it is called in this message: a loop comes by to the same step again.
    pub(super) key: String,
    /// How often it has begun to speak: what it said in an earlier take is void.
    pub(super) take: u64,
    pub(super) text: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) tools: Vec<Tool>,
    /// The data of its part.
    pub(super) shown: Map<String, Value>,
}

/// A call that a model asks for.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// The provider's name of it, which may come again.
    pub(super) call_id: String,
    /// Its name in the message, which does not.
    pub(super) id: String,
    pub(super) name: String,
    /// Its arguments so far.
    pub(super) written: String,
    pub(super) open: bool,
}

impl Step {
    pub(super) fn new(id: &str, iteration: u64, attempt: u64) -> Self {
        let key = match iteration {
            0 | 1 => id.to_owned(),
            iteration => format!("{id}#{iteration}"),
        };
        let mut step = Self {
            id: id.to_owned(),
            key,
            take: 1,
            text: None,
            reasoning: None,
            tools: Vec::new(),
            shown: Map::new(),
        };
        step.show("step_id", id);
        step.show("iteration", iteration);
        step.show("attempt", attempt);
        step.show("take", 1);
        step.show("status", "running");
        step
    }

    pub(super) fn show(&mut self, key: &str, value: impl Into<Value>) {
        self.shown.insert(key.to_owned(), value.into());
    }

    /// Its part of the message, as it is now.
    pub(super) fn part(&self) -> Value {
        data("step", &self.key, &self.shown)
    }

    /// Whose words something is.
    pub(super) fn of(&self) -> Map<String, Value> {
        let mut of = Map::new();
        of.insert("step".into(), self.key.as_str().into());
        of.insert("take".into(), self.take.into());
        of
    }

    /// The same, where the protocol wants the name of who says so.
    pub(super) fn metadata(&self) -> Value {
        json!({ "stepcast": self.of() })
    }

    pub(super) fn end_text(&mut self, out: &mut Vec<Value>) {
        if let Some(id) = self.text.take() {
            out.push(chunk("text-end", json!({ "id": id })));
        }
    }

    pub(super) fn end_reasoning(&mut self, out: &mut Vec<Value>) {
        if let Some(id) = self.reasoning.take() {
            out.push(chunk("reasoning-end", json!({ "id": id })));
        }
    }

    /// Ends all that is being written.
    pub(super) fn close(&mut self, out: &mut Vec<Value>) {
        self.end_text(out);
        self.end_reasoning(out);
        for tool in std::mem::take(&mut self.tools) {
            if tool.open {
                out.push(tool.failed("The call was not written to its end.", self.of()));
            }
        }
    }

    /// What it has said counts no more: it begins again.
    pub(super) fn begin_again(&mut self, out: &mut Vec<Value>) {
        self.close(out);
        self.take += 1;
        self.show("take", self.take);
        for key in ["progress", "message", "output", "error", "duration_ms"] {
            self.shown.remove(key);
        }
    }
}

impl Tool {
    /// Whose call it is.
    pub(super) fn metadata(&self, mut of: Map<String, Value>) -> Value {
        of.insert("call_id".into(), self.call_id.as_str().into());
        of.into()
    }

    pub(super) fn failed(&self, why: &str, of: Map<String, Value>) -> Value {
        let members = json!({
            "toolCallId": self.id, "toolName": self.name, "input": self.written, "errorText": why, "dynamic": true,
            "toolMetadata": self.metadata(of),
        });
        chunk("tool-input-error", members)
    }
}
