//! Google's Gemini, `POST {base}/v1beta/models/{model}:streamGenerateContent?alt=sse`.

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
    if let Some(system) = request.system() {
        body.insert(
            "systemInstruction".into(),
            json!({"parts": [{"text": system}]}),
        );
    }
    body.insert("contents".into(), contents(&request.messages));
    let mut generation = Map::new();
    if let Some(temperature) = request.temperature {
        generation.insert("temperature".into(), temperature.into());
    }
    if let Some(most) = request.max_tokens {
        generation.insert("maxOutputTokens".into(), most.into());
    }
    if !generation.is_empty() {
        body.insert("generationConfig".into(), generation.into());
    }
    if !request.tools.is_empty() {
        let functions: Value = request.tools.iter().map(function).collect();
        body.insert("tools".into(), json!([{"functionDeclarations": functions}]));
    }
    let choice = request.tool_choice.as_ref().map(|choice| match choice {
        ToolChoice::Auto => json!({"mode": "AUTO"}),
        ToolChoice::None => json!({"mode": "NONE"}),
        ToolChoice::Required => json!({"mode": "ANY"}),
        ToolChoice::Named(name) => json!({"mode": "ANY", "allowedFunctionNames": [name]}),
    });
    if let Some(choice) = choice {
        body.insert(
            "toolConfig".into(),
            json!({"functionCallingConfig": choice}),
        );
    }
    let key = key.and_then(|key| Some(("x-goog-api-key", key.header("")?)));
    // a model's name is one part of the path, or two: `models/…`, `tunedModels/…`
    let model = match request.model.split_once('/') {
        Some((kind @ ("models" | "tunedModels"), name)) => format!("{kind}/{}", segment(name)),
        _ => format!("models/{}", segment(&request.model)),
    };
    Sent {
        path: format!("v1beta/{model}:streamGenerateContent?alt=sse"),
        headers: headers(key),
        body: request.over(body.into()),
    }
}

/// A text that is one part of a path, whatever is in it.
fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace("+", "%20")
}

fn function(tool: &request::Tool) -> Value {
    let mut function = json!({"name": tool.name, "parametersJsonSchema": tool.parameters});
    if let (Some(description), Some(map)) = (&tool.description, function.as_object_mut()) {
        map.insert("description".into(), description.as_str().into());
    }
    function
}

fn contents(messages: &[request::Message]) -> Value {
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    // results name the function, not only the call
    let mut names: Vec<(&str, &str)> = Vec::new();
    for message in messages {
        let role = match message.role {
            Role::System => continue,
            Role::User | Role::Tool => "user",
            Role::Assistant => "model",
        };
        let mut parts = Vec::new();
        match &message.call_id {
            Some(id) => {
                let called = names.iter().find(|(call, _)| call == id);
                let name = called.map_or(id.as_str(), |(_, name)| name);
                let response = json!({"name": name, "response": {"result": message.text}});
                parts.push(json!({"functionResponse": response}));
            }
            None if message.text.is_empty() => {}
            None => parts.push(json!({"text": message.text})),
        }
        for call in &message.calls {
            names.push((&call.id, &call.name));
            parts.push(json!({"functionCall": {"name": call.name, "args": call.parsed()}}));
        }
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.extend(parts),
            _ => turns.push((role, parts)),
        }
    }
    let turns = turns
        .into_iter()
        .map(|(role, parts)| json!({"role": role, "parts": parts}));
    turns.collect()
}

/// Reads responses.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    model: bool,
    done: bool,
    calls: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    #[serde(borrow)]
    candidates: Option<Vec<Candidate<'a>>>,
    usage_metadata: Option<UsageCounts>,
    prompt_feedback: Option<Feedback>,
    model_version: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    index: Option<u32>,
    #[serde(borrow)]
    content: Option<Content<'a>>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    text: Option<Fragment>,
    thought: Option<bool>,
    #[serde(borrow)]
    function_call: Option<FunctionCall<'a>>,
}

#[derive(Deserialize)]
struct FunctionCall<'a> {
    id: Option<String>,
    name: Option<String>,
    /// As it stands: a value is read of it at the end.
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feedback {
    block_reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageCounts {
    prompt_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
}

impl Decoder {
    pub(super) fn take(&mut self, event: &Message, said: &mut Vec<Raw>) -> Result<(), Fault> {
        let response: Response<'_> = parse(&event.data)?;
        if let Some(error) = response.error {
            return Err(Fault::sent(error.get()));
        }
        if let Some(model) = response.model_version.filter(|_| !self.model) {
            self.model = true;
            said.push(Delta::Model(model));
        }
        said.extend(
            response
                .usage_metadata
                .map(|usage| Delta::Usage(usage.into())),
        );
        let blocked = response
            .prompt_feedback
            .and_then(|feedback| feedback.block_reason);
        if blocked.is_some() && !self.done {
            self.done = true;
            said.push(Delta::Finish("content_filter".to_owned()));
        }
        let candidates = response.candidates.into_iter().flatten();
        for candidate in candidates.filter(|candidate| candidate.index.unwrap_or_default() == 0) {
            let parts = candidate.content.and_then(|content| content.parts);
            for part in parts.into_iter().flatten() {
                self.take_part(part, said);
            }
            if let Some(reason) = candidate.finish_reason {
                self.done = true;
                said.push(Delta::Finish(self.finish(&reason).to_owned()));
            }
        }
        Ok(())
    }

    fn take_part(&mut self, part: Part<'_>, said: &mut Vec<Raw>) {
        let thought = part.thought.unwrap_or_default();
        said.extend(part.text.map(|text| {
            if thought {
                Delta::Reasoning(text)
            } else {
                Delta::Text(text)
            }
        }));
        let Some(call) = part.function_call else {
            return;
        };
        let index = self.calls;
        self.calls += 1;
        let (id, name) = (call.id, call.name.unwrap_or_default());
        said.push(Delta::CallBegins { index, id, name });
        let text = call.args.map_or("{}", RawValue::get).into();
        said.push(Delta::Arguments { index, text });
        said.push(Delta::CallEnds { index });
    }

    fn finish<'a>(&self, reason: &'a str) -> &'a str {
        match reason {
            "STOP" if self.calls > 0 => "tool_calls",
            "STOP" => "stop",
            "MAX_TOKENS" => "length",
            "SAFETY" | "RECITATION" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII"
            | "IMAGE_SAFETY" => "content_filter",
            reason => reason,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

impl From<UsageCounts> for Usage {
    fn from(counts: UsageCounts) -> Self {
        let spoken = [counts.candidates_token_count, counts.thoughts_token_count];
        let any = spoken.iter().any(Option::is_some);
        Self {
            input: counts.prompt_token_count,
            output: any.then(|| spoken.into_iter().flatten().sum()),
            reasoning: counts.thoughts_token_count,
            cached: counts.cached_content_token_count,
        }
    }
}
