//! What a model is asked, in no provider's words.

use serde_json::{Map, Value};

/// One prompt with its settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) model: String,
    pub(crate) messages: Vec<Message>,
    pub(crate) temperature: Option<f64>,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) tool_choice: Option<ToolChoice>,
    /// What the provider's own request has in addition.
    pub(crate) options: Map<String, Value>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) text: String,
    /// The tool calls of an assistant's message.
    pub(crate) calls: Vec<ToolCall>,
    /// Which call a tool's message answers.
    pub(crate) call_id: Option<String>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A function that the model may ask for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
    /// A JSON Schema.
    pub(crate) parameters: Value,
}

/// Whether the model is to ask for a function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ToolChoice {
    Auto,
    None,
    Required,
    Named(String),
}

/// A function that the model asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text.
    pub(crate) arguments: String,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::System, Self::User, Self::Assistant, Self::Tool];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }

    /// The role of a word; OpenAI's newer models call the system the developer.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let word = if word == "developer" { "system" } else { word };
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }
}

impl Message {
    pub(crate) fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            text: text.into(),
            calls: Vec::new(),
            call_id: None,
        }
    }
}

impl ToolCall {
    /// The arguments as a value; the text itself where it is no JSON.
    pub(crate) fn parsed(&self) -> Value {
        match serde_json::from_str(&self.arguments) {
            Ok(value) => value,
            Err(_) if self.arguments.is_empty() => Map::new().into(),
            Err(_) => self.arguments.as_str().into(),
        }
    }
}

impl Request {
    /// The system's messages as one text, for providers that keep it apart.
    pub(crate) fn system(&self) -> Option<String> {
        let texts: Vec<&str> = self
            .messages
            .iter()
            .filter(|message| message.role == Role::System)
            .map(|message| message.text.as_str())
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n\n"))
    }

    /// Puts the options over a request's body, objects into objects.
    pub(crate) fn over(&self, mut body: Value) -> Value {
        for (key, value) in &self.options {
            merge(&mut body, key, value);
        }
        body
    }
}

fn merge(into: &mut Value, key: &str, value: &Value) {
    let Some(map) = into.as_object_mut() else {
        return;
    };
    match (map.get_mut(key), value) {
        (Some(inner @ Value::Object(_)), Value::Object(members)) => {
            for (key, value) in members {
                merge(inner, key, value);
            }
        }
        _ => {
            map.insert(key.to_owned(), value.clone());
        }
    }
}
