//! OpenAI's chat completions, `POST {base}/chat/completions`, as others speak it too.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use stepcast_core::wire::sse::Message;

use super::{Sent, headers, parse};
use crate::llm::delta::{Delta, Raw, Usage};
use crate::llm::fault::Fault;
use crate::llm::key::ApiKey;
use crate::llm::request::{self, Request, ToolChoice};
use crate::llm::text::Fragment;

pub(super) fn request(request: &Request, key: Option<&ApiKey>, max_tokens: &str) -> Sent {
    let mut body = Map::new();
    body.insert("model".into(), request.model.as_str().into());
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({"include_usage": true}));
    body.insert(
        "messages".into(),
        request.messages.iter().map(message).collect(),
    );
    if let Some(temperature) = request.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if let Some(most) = request.max_tokens {
        body.insert(max_tokens.to_owned(), most.into());
    }
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tool).collect());
    }
    let choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    });
    body.extend(choice.map(|choice| ("tool_choice".to_owned(), choice)));
    let key = key.and_then(|key| Some(("authorization", key.header("Bearer ")?)));
    Sent {
        path: "chat/completions".to_owned(),
        headers: headers(key),
        body: request.over(body.into()),
    }
}

fn message(message: &request::Message) -> Value {
    let mut value = json!({"role": message.role.as_str(), "content": message.text});
    let Some(map) = value.as_object_mut() else {
        return value;
    };
    if !message.calls.is_empty() {
        let calls = message.calls.iter().map(|call| {
            let function = json!({"name": call.name, "arguments": call.arguments});
            json!({"id": call.id, "type": "function", "function": function})
        });
        map.insert("tool_calls".into(), calls.collect());
    }
    if let Some(id) = &message.call_id {
        map.insert("tool_call_id".into(), id.as_str().into());
    }
    value
}

fn tool(tool: &request::Tool) -> Value {
    let mut function = json!({"name": tool.name, "parameters": tool.parameters});
    if let (Some(description), Some(map)) = (&tool.description, function.as_object_mut()) {
        map.insert("description".into(), description.as_str().into());
    }
    json!({"type": "function", "function": function})
}

/// Reads chunks.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    model: bool,
    refused: bool,
    finished: bool,
    closed: bool,
    /// How many calls have begun; the last of them is open.
    calls: usize,
}

#[derive(Deserialize)]
struct Chunk<'a> {
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<UsageCounts>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    /// `error` where vLLM sends an error that is not wrapped.
    object: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u32>,
    delta: Option<Piece>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Piece {
    content: Option<Fragment>,
    /// DeepSeek, vLLM and llama.cpp.
    reasoning_content: Option<Fragment>,
    /// Ollama, OpenRouter and newer vLLM.
    reasoning: Option<Fragment>,
    refusal: Option<Fragment>,
    tool_calls: Option<Vec<Call>>,
}

#[derive(Deserialize)]
struct Call {
    index: Option<usize>,
    id: Option<String>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
    arguments: Option<Fragment>,
}

#[derive(Deserialize)]
struct UsageCounts {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    prompt_tokens_details: Option<InputDetails>,
    completion_tokens_details: Option<OutputDetails>,
}

#[derive(Deserialize)]
struct InputDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
}

impl Decoder {
    pub(super) fn take(&mut self, event: &Message, said: &mut Vec<Raw>) -> Result<(), Fault> {
        let data = event.data.trim();
        if data == "[DONE]" {
            self.closed = true;
            return Ok(());
        }
        let chunk: Chunk<'_> = parse(data)?;
        if let Some(error) = chunk.error {
            return Err(Fault::sent(error.get()));
        }
        if chunk.object.as_deref() == Some("error") {
            return Err(Fault::sent(data));
        }
        if let Some(model) = chunk.model.filter(|model| !model.is_empty() && !self.model) {
            self.model = true;
            said.push(Delta::Model(model));
        }
        if let Some(usage) = chunk.usage {
            said.push(Delta::Usage(usage.into()));
        }
        // more than one choice has to be asked for, and shows as one text nowhere
        let choices = chunk.choices.into_iter().flatten();
        for choice in choices.filter(|choice| choice.index.unwrap_or_default() == 0) {
            if let Some(piece) = choice.delta {
                self.take_piece(piece, said);
            }
            if let Some(reason) = choice.finish_reason.filter(|reason| !reason.is_empty()) {
                self.finish(&reason, said);
            }
        }
        Ok(())
    }

    fn take_piece(&mut self, piece: Piece, said: &mut Vec<Raw>) {
        let reasoning = piece.reasoning_content.or(piece.reasoning);
        said.extend(reasoning.map(Delta::Reasoning));
        said.extend(piece.content.map(Delta::Text));
        if let Some(refusal) = piece.refusal {
            self.refused = true;
            said.push(Delta::Refusal(refusal));
        }
        for call in piece.tool_calls.into_iter().flatten() {
            self.take_call(call, said);
        }
    }

    fn take_call(&mut self, call: Call, said: &mut Vec<Raw>) {
        let function = call.function;
        let name = function.as_ref().and_then(|function| function.name.clone());
        let name = name.filter(|name| !name.is_empty());
        // some servers number no calls, and send each whole
        let next = if name.is_some() {
            self.calls
        } else {
            self.calls.saturating_sub(1)
        };
        let index = call.index.unwrap_or(next);
        if let Some(name) = name.filter(|_| index >= self.calls) {
            if let Some(before) = self.calls.checked_sub(1) {
                said.push(Delta::CallEnds { index: before });
            }
            self.calls = index + 1;
            let id = call.id.filter(|id| !id.is_empty());
            said.push(Delta::CallBegins { index, id, name });
        }
        let text = function.and_then(|function| function.arguments);
        said.extend(text.map(|text| Delta::Arguments { index, text }));
    }

    fn finish(&mut self, reason: &str, said: &mut Vec<Raw>) {
        self.finished = true;
        if let Some(index) = self.calls.checked_sub(1) {
            said.push(Delta::CallEnds { index });
        }
        let reason = match reason {
            "stop" if self.refused => "refusal",
            "function_call" => "tool_calls",
            reason => reason,
        };
        said.push(Delta::Finish(reason.to_owned()));
    }

    pub(super) fn is_done(&self) -> bool {
        self.finished || self.closed
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

impl From<UsageCounts> for Usage {
    fn from(counts: UsageCounts) -> Self {
        Self {
            input: counts.prompt_tokens,
            output: counts.completion_tokens,
            reasoning: counts
                .completion_tokens_details
                .and_then(|details| details.reasoning_tokens),
            cached: counts
                .prompt_tokens_details
                .and_then(|details| details.cached_tokens),
        }
    }
}
