//! A step under way: what it has open, and what it has said.

use serde_json::{Value, json};

use super::part::event;

/// A step under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    pub(super) id: String,
    pub(super) iteration: u64,
    pub(super) attempt: u64,
    /// The message for its progress.
    pub(super) activity: String,
    /// The message whose text is being written.
    pub(super) text: Option<String>,
    /// The message whose reasoning is being written.
    pub(super) reasoning: Option<String>,
    pub(super) tools: Vec<Tool>,
    /// The last message of the answer that is being written.
    pub(super) parent: Option<String>,
    /// Messages of this attempt.
    pub(super) said: Vec<String>,
    /// Questions that nobody has answered.
    pub(super) waits: Vec<String>,
}

/// A call that a model asks for.
#[derive(Clone, Debug)]
pub(super) struct Tool {
    /// The provider's name of it, which may come again.
    pub(super) call_id: String,
    /// Its name in AG-UI, which does not.
    pub(super) id: String,
    pub(super) open: bool,
}

impl Step {
    pub(super) fn metadata(&self) -> Value {
        json!({ "step_id": self.id, "iteration": self.iteration, "attempt": self.attempt })
    }

    pub(super) fn started(&self, at: Option<u64>) -> Value {
        let members = json!({ "stepName": self.id, "metadata": self.metadata() });
        event("STEP_STARTED", at, members)
    }

    pub(super) fn finished(&self, at: Option<u64>) -> Value {
        let members = json!({ "stepName": self.id, "metadata": self.metadata() });
        event("STEP_FINISHED", at, members)
    }

    pub(super) fn end_text(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        if let Some(id) = self.text.take() {
            out.push(event("TEXT_MESSAGE_END", at, json!({ "messageId": id })));
        }
    }

    pub(super) fn end_reasoning(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        if let Some(id) = self.reasoning.take() {
            for kind in ["REASONING_MESSAGE_END", "REASONING_END"] {
                out.push(event(kind, at, json!({ "messageId": id })));
            }
        }
    }

    /// Ends all that is being written.
    pub(super) fn close(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        self.end_text(at, out);
        self.end_reasoning(at, out);
        for tool in self.tools.iter_mut().filter(|tool| tool.open) {
            tool.open = false;
            out.push(event("TOOL_CALL_END", at, json!({ "toolCallId": tool.id })));
        }
        self.tools.clear();
        self.parent = None;
    }

    /// What it has said counts no more: it begins again. The snapshot is filled in where it is sent.
    pub(super) fn void(&mut self, at: Option<u64>, out: &mut Vec<Value>) {
        self.close(at, out);
        let said = std::mem::take(&mut self.said);
        if !said.is_empty() {
            out.push(event("MESSAGES_SNAPSHOT", at, json!({ "void": said })));
        }
    }
}
