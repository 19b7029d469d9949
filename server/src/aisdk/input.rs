//! What a chat sends to have a run started.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use stepcast_core::id::ExecutionId;

use crate::transport::translated::data::last_said;

/// What `DefaultChatTransport` posts. All else in it is the pipeline's own.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatRequest {
    /// The chat's name, which its client draws.
    pub(crate) id: String,
    #[serde(default)]
    messages: Vec<Value>,
    trigger: Option<String>,
    message_id: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl ChatRequest {
    /// The pipeline's input: what the client adds of its own, and what was said, under names of their own.
    pub(crate) fn into_input(self) -> Map<String, Value> {
        let mut input = self.more;
        if let Some(prompt) = last_said(&self.messages, "parts") {
            input.entry("prompt").or_insert(prompt.into());
        }
        let mut chat = Map::new();
        chat.insert("chat_id".into(), self.id.into());
        for (key, value) in [("trigger", self.trigger), ("message_id", self.message_id)] {
            if let Some(value) = value {
                chat.insert(key.to_owned(), value.into());
            }
        }
        input.insert("ai_sdk".into(), chat.into());
        if !self.messages.is_empty() {
            input.insert("messages".into(), self.messages.into());
        }
        input
    }
}

/// With what the ids of a chat's runs begin: whoever has the chat's name finds its runs by it, and by nothing else.
pub(crate) fn chat_prefix(pipeline: &str, chat: &str) -> String {
    let hash = Sha256::digest(json!([pipeline, chat]).to_string());
    let hash: String = hash
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("chat_{hash}_")
}

/// An id for the next run of a chat.
///
/// # Panics
/// Never: it is made of letters, digits and `_`, 70 bytes.
pub(crate) fn next_run(prefix: &str) -> ExecutionId {
    let text = format!("{prefix}{}", uuid::Uuid::new_v4().simple());
    #[expect(
        clippy::expect_used,
        reason = "letters, digits and underscores, 70 bytes: an id by construction"
    )]
    text.parse().expect("an id")
}
