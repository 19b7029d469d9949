//! Where a reader of AG-UI stands: what it holds after the pieces so far, and what is open in them.

use serde_json::{Value, json};

use super::part::event;
use crate::transport::translated::data::{text, texts};

/// A fold of AG-UI events into what a client's is: the run, its messages and its state.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// The start of the run that is under way.
    run: Option<Value>,
    /// Starts whose ends have not come, in order, with what they are called.
    open: Vec<(String, Value)>,
    messages: Vec<Value>,
    /// Bytes of `messages`, about.
    held: usize,
    state: Value,
}

impl Standing {
    pub(super) fn pass(&mut self, mut piece: Value) -> Value {
        let kind = text(&piece, "type").unwrap_or_default().to_owned();
        let id = |key: &str| text(&piece, key).unwrap_or_default().to_owned();
        match kind.as_str() {
            "RUN_STARTED" => self.begin(&piece),
            "RUN_FINISHED" | "RUN_ERROR" => {
                self.run = None;
                self.open.clear();
            }
            "STEP_STARTED" => self.open(format!("step {}", id("stepName")), &piece),
            "STEP_FINISHED" => self.close(&format!("step {}", id("stepName"))),
            "TEXT_MESSAGE_START" => {
                let id = id("messageId");
                self.push(message(&id, "assistant", &piece));
                self.open(format!("text {id}"), &piece);
            }
            "TEXT_MESSAGE_END" => self.close(&format!("text {}", id("messageId"))),
            "REASONING_START" => self.open(format!("span {}", id("messageId")), &piece),
            "REASONING_MESSAGE_START" => {
                let id = id("messageId");
                self.push(message(&id, "reasoning", &piece));
                self.open(format!("reasoning {id}"), &piece);
            }
            "REASONING_MESSAGE_END" => self.close(&format!("reasoning {}", id("messageId"))),
            "REASONING_END" => self.close(&format!("span {}", id("messageId"))),
            "TEXT_MESSAGE_CONTENT" | "REASONING_MESSAGE_CONTENT" => self.append(&piece),
            "TOOL_CALL_START" => {
                self.call(&piece);
                self.open(format!("tool {}", id("toolCallId")), &piece);
            }
            "TOOL_CALL_ARGS" => self.append_arguments(&piece),
            "TOOL_CALL_END" => self.close(&format!("tool {}", id("toolCallId"))),
            "TOOL_CALL_RESULT" => {
                let mut result = message(&id("messageId"), "tool", &piece);
                set(&mut result, "toolCallId", id("toolCallId").into());
                set(&mut result, "content", id("content").into());
                self.push(result);
            }
            "ACTIVITY_SNAPSHOT" => self.show(&piece),
            "STATE_SNAPSHOT" => piece = self.begin_state(piece),
            "STATE_DELTA" => self.change(&piece),
            "MESSAGES_SNAPSHOT" => piece = self.without(&piece),
            _ => {}
        }
        piece
    }

    /// What somebody is told who goes on from here: a client that has seen all before loses and doubles nothing by
    /// it, and one that has seen nothing has everything.
    pub(super) fn prelude(&self) -> Vec<Value> {
        let Some(run) = &self.run else {
            return Vec::new();
        };
        let at = run.get("timestamp").and_then(Value::as_u64);
        let mut pieces = vec![run.clone()];
        if !self.state.is_null() {
            pieces.push(event(
                "STATE_SNAPSHOT",
                at,
                json!({ "snapshot": self.state }),
            ));
        }
        let messages = json!({ "messages": self.messages });
        pieces.push(event("MESSAGES_SNAPSHOT", at, messages));
        pieces.extend(self.open.iter().map(|(_, start)| start.clone()));
        pieces
    }

    fn begin(&mut self, piece: &Value) {
        let mut run = piece.clone();
        let echo = run.as_object_mut().and_then(|run| run.remove("input"));
        let said = echo.as_ref().and_then(|echo| echo.get("messages"));
        for message in said.and_then(Value::as_array).into_iter().flatten() {
            self.push(message.clone());
        }
        self.run = Some(run);
    }

    /// A snapshot as it was made, or of what there is with some members changed.
    fn begin_state(&mut self, piece: Value) -> Value {
        let Some(changed) = piece.get("with").and_then(Value::as_object) else {
            self.state = piece.get("snapshot").cloned().unwrap_or_default();
            return piece;
        };
        for (key, value) in changed {
            set(&mut self.state, key, value.clone());
        }
        let at = piece.get("timestamp").and_then(Value::as_u64);
        event("STATE_SNAPSHOT", at, json!({ "snapshot": self.state }))
    }

    fn open(&mut self, name: String, start: &Value) {
        self.open.push((name, start.clone()));
    }

    fn close(&mut self, name: &str) {
        if let Some(place) = self.open.iter().rposition(|(open, _)| open == name) {
            self.open.remove(place);
        }
    }

    /// Past its bound it forgets the oldest messages, which are in the log all the same.
    fn push(&mut self, message: Value) {
        self.grow(size(&message));
        self.messages.push(message);
    }

    fn grow(&mut self, bytes: usize) {
        self.held += bytes;
        while self.held > HELD && self.messages.len() > 1 {
            let gone = self.messages.remove(0);
            self.held = self.held.saturating_sub(size(&gone));
        }
    }

    fn find(&mut self, id: &str) -> Option<&mut Value> {
        self.messages
            .iter_mut()
            .rfind(|message| text(message, "id") == Some(id))
    }

    fn append(&mut self, piece: &Value) {
        let delta = text(piece, "delta").unwrap_or_default();
        let message = self.find(text(piece, "messageId").unwrap_or_default());
        if let Some(Value::String(content)) = message.and_then(|it| it.get_mut("content")) {
            content.push_str(delta);
            self.grow(delta.len());
        }
    }

    fn call(&mut self, piece: &Value) {
        let id = text(piece, "toolCallId").unwrap_or_default();
        let mut call = json!({
            "id": id, "type": "function",
            "function": { "name": text(piece, "toolCallName"), "arguments": "" },
        });
        if let Some(metadata) = piece.get("metadata") {
            set(&mut call, "metadata", metadata.clone());
        }
        self.grow(size(&call));
        let parent = text(piece, "parentMessageId").and_then(|parent| self.find(parent));
        match parent {
            Some(parent) => match parent.get_mut("toolCalls").and_then(Value::as_array_mut) {
                Some(calls) => calls.push(call),
                None => set(parent, "toolCalls", json!([call])),
            },
            None => {
                let id = text(piece, "parentMessageId").unwrap_or(id);
                self.messages
                    .push(json!({ "id": id, "role": "assistant", "toolCalls": [call] }));
            }
        }
    }

    fn append_arguments(&mut self, piece: &Value) {
        let (id, delta) = (text(piece, "toolCallId"), text(piece, "delta"));
        let calls = self
            .messages
            .iter_mut()
            .rev()
            .filter_map(|message| message.get_mut("toolCalls")?.as_array_mut());
        let call = calls.flatten().find(|call| text(call, "id") == id);
        let written = call.and_then(|call| call.pointer_mut("/function/arguments"));
        if let (Some(Value::String(written)), Some(delta)) = (written, delta) {
            written.push_str(delta);
            self.grow(delta.len());
        }
    }

    fn show(&mut self, piece: &Value) {
        let id = text(piece, "messageId").unwrap_or_default().to_owned();
        let content = piece.get("content").cloned().unwrap_or_default();
        if let Some(shown) = self.find(&id) {
            return set(shown, "content", content);
        }
        let kind = piece.get("activityType").cloned().unwrap_or_default();
        self.push(
            json!({ "id": id, "role": "activity", "activityType": kind, "content": content }),
        );
    }

    /// Takes messages away that are void, and fills in what is left.
    fn without(&mut self, piece: &Value) -> Value {
        let void = texts(piece, "void");
        self.messages.retain(|message| {
            !text(message, "id").is_some_and(|id| void.iter().any(|it| it == id))
        });
        self.held = self.messages.iter().map(size).sum();
        let at = piece.get("timestamp").and_then(Value::as_u64);
        event(
            "MESSAGES_SNAPSHOT",
            at,
            json!({ "messages": self.messages }),
        )
    }

    /// Only what [`super::part::delta`] makes.
    fn change(&mut self, piece: &Value) {
        let operations = piece.get("delta").and_then(Value::as_array);
        for operation in operations.into_iter().flatten() {
            let Some((parent, key)) = text(operation, "path").and_then(|it| it.rsplit_once('/'))
            else {
                continue;
            };
            let key = key.replace("~1", "/").replace("~0", "~");
            let value = operation.get("value").cloned().unwrap_or_default();
            if let Some(parent) = self.state.pointer_mut(parent) {
                set(parent, &key, value);
            }
        }
    }
}

fn message(id: &str, role: &str, piece: &Value) -> Value {
    let mut message = json!({ "id": id, "role": role, "content": "" });
    if let Some(metadata) = piece.get("metadata") {
        set(&mut message, "metadata", metadata.clone());
    }
    message
}

fn set(target: &mut Value, key: &str, value: Value) {
    if let Some(object) = target.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

/// About the bytes of a message: those of its texts.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(size).sum(),
        Value::Object(members) => members
            .iter()
            .map(|(key, value)| key.len() + size(value))
            .sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

/// The most bytes of messages that are held for one reader.
const HELD: usize = 16 << 20;
