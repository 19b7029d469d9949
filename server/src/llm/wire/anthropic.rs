//! Anthropic's messages, `POST {base}/v1/messages`.

use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stepcast_core::wire::sse::Message;

use super::{Sent, headers, parse};
use crate::llm::delta::{Delta, Raw, Usage};
use crate::llm::fault::Fault;
use crate::llm::key::ApiKey;
use crate::llm::request::{self, Request, Role, ToolChoice};
use crate::llm::text::Fragment;

pub(super) fn request(request: &Request, key: Option<&ApiKey>) -> Sent {
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("stream".into(), true.into());
    // it has to be said
    body.insert(
        "max_tokens".into(),
        request.max_tokens.unwrap_or(MAX_TOKENS).into(),
    );
    if let Some(system) = request.system() {
        body.insert("system".into(), system.into());
    }
    body.insert("messages".into(), messages(&request.messages));
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if !request.tools.is_empty() {
        let tools = request.tools.iter().map(|tool| {
            let mut value = json!({"name": tool.name, "input_schema": tool.parameters});
            if let (Some(description), Some(map)) = (&tool.description, value.as_object_mut()) {
                map.insert("description".into(), description.as_str().into());
            }
            value
        });
        body.insert("tools".into(), tools.collect());
    }
    let choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!({"type": "auto"}),
        ToolChoice::None => json!({"type": "none"}),
        ToolChoice::Required => json!({"type": "any"}),
        ToolChoice::Named(name) => json!({"type": "tool", "name": name}),
    });
    body.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
    let key = key.and_then(|key| Some(("x-api-key", key.header("")?)));
    let mut headers = headers(key);
    headers.insert(
        HeaderName::from_static("anthropic-version"),
        HeaderValue::from_static("2023-06-01"),
    );
    Sent {
        path: "v1/messages".to_owned(),
        headers,
        body: request.over(body.into()),
    }
}

/// The conversation without the system. Results of tools are the user's there, all of one turn in one message.
fn messages(messages: &[request::Message]) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        };
        let mut blocks = Vec::new();
        match &message.call_id {
            Some(id) => blocks
                .push(json!({"type": "tool_result", "tool_use_id": id, "content": message.text})),
            None if message.text.is_empty() => {}
            None => blocks.push(json!({"type": "text", "text": message.text})),
        }
        blocks.extend(message.calls.iter().map(|call| {
            json!({"type": "tool_use", "id": call.id, "name": call.name, "input": call.parsed()})
        }));
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let turns = turns
        .into_iter()
        .map(|(role, content)| json!({"role": role, "content": content}));
    turns.collect()
}

/// Reads events.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    done: bool,
    calls: usize,
    /// Which content blocks are calls: block and number of the call.
    open: Vec<(u64, usize)>,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    index: Option<u64>,
    message: Option<Started>,
    content_block: Option<Block>,
    delta: Option<Piece>,
    usage: Option<UsageCounts>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Started {
    model: Option<String>,
    usage: Option<UsageCounts>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    id: Option<String>,
    name: Option<String>,
    text: Option<Fragment>,
}

#[derive(Deserialize)]
struct Piece {
    text: Option<Fragment>,
    thinking: Option<Fragment>,
    partial_json: Option<Fragment>,
    stop_reason: Option<String>,
}

#[derive(Deserialize)]
struct UsageCounts {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
}

impl Decoder {
    pub(super) fn take(&mut self, event: &Message, said: &mut Vec<Raw>) -> Result<(), Fault> {
        let event: Event<'_> = parse(&event.data)?;
        match event.kind.as_str() {
            "error" => {
                return Err(Fault::sent(event.error.map_or("", RawValue::get)));
            }
            "message_start" => {
                if let Some(Started { model, usage }) = event.message {
                    said.extend(model.map(Delta::Model));
                    said.extend(usage.map(|usage| Delta::Usage(usage.into())));
                }
            }
            "content_block_start" => {
                if let Some(block) = event.content_block {
                    self.begin(event.index.unwrap_or_default(), block, said);
                }
            }
            "content_block_delta" => {
                let index = event.index.unwrap_or_default();
                if let Some(piece) = event.delta {
                    said.extend(piece.thinking.map(Delta::Reasoning));
                    said.extend(piece.text.map(Delta::Text));
                    let arguments = piece.partial_json.zip(self.call(index));
                    said.extend(arguments.map(|(text, index)| Delta::Arguments { index, text }));
                }
            }
            "content_block_stop" => {
                let call = self.call(event.index.unwrap_or_default());
                said.extend(call.map(|index| Delta::CallEnds { index }));
            }
            "message_delta" => {
                said.extend(event.usage.map(|usage| Delta::Usage(usage.into())));
                let reason = event.delta.and_then(|delta| delta.stop_reason);
                said.extend(reason.map(|reason| Delta::Finish(finish(&reason).to_owned())));
            }
            "message_stop" => self.done = true,
            // pings, and what is added to the protocol later
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, block_index: u64, block: Block, said: &mut Vec<Raw>) {
        said.extend(block.text.map(Delta::Text));
        if block.kind != "tool_use" {
            return;
        }
        let index = self.calls;
        self.calls += 1;
        self.open.push((block_index, index));
        let (id, name) = (block.id, block.name.unwrap_or_default());
        said.push(Delta::CallBegins { index, id, name });
    }

    fn call(&self, block: u64) -> Option<usize> {
        let found = self.open.iter().find(|(open, _)| *open == block);
        found.map(|(_, call)| *call)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

fn finish(reason: &str) -> &str {
    match reason {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        reason => reason,
    }
}

impl From<UsageCounts> for Usage {
    fn from(counts: UsageCounts) -> Self {
        let cached = [
            counts.cache_read_input_tokens,
            counts.cache_creation_input_tokens,
        ];
        let input = counts
            .input_tokens
            .map(|input| input + cached.into_iter().flatten().sum::<u64>());
        let details = counts.output_tokens_details;
        Self {
            input,
            output: counts.output_tokens,
            reasoning: details.and_then(|details| details.thinking_tokens),
            cached: counts.cache_read_input_tokens,
        }
    }
}

/// What is asked for where the step does not say: enough for some pages, and every model gives it.
const MAX_TOKENS: u64 = 4096;
