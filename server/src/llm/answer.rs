//! What has come of an answer so far: the step's output, whole or partial.

use serde_json::{Map, Value, json};

use super::delta::{Delta, Usage};
use super::request::ToolCall;

/// What has come of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<(usize, ToolCall)>,
    usage: Usage,
    model: Option<String>,
    finish: Option<String>,
}

impl Answer {
    /// Takes what is said next.
    pub(crate) fn take(&mut self, delta: &Delta<String>) {
        match delta {
            Delta::Text(text) => self.text.push_str(text),
            Delta::Reasoning(text) => self.reasoning.push_str(text),
            Delta::Refusal(text) => {
                self.text.push_str(text);
                self.refusal.push_str(text);
            }
            Delta::CallBegins { index, id, name } => {
                let call = ToolCall {
                    id: id
                        .clone()
                        .unwrap_or_else(|| format!("call_{}", self.calls.len() + 1)),
                    name: name.clone(),
                    arguments: String::new(),
                };
                self.calls.push((*index, call));
            }
            Delta::Arguments { index, text } => {
                let call = self.calls.iter_mut().rfind(|(known, _)| known == index);
                if let Some((_, call)) = call {
                    call.arguments.push_str(text);
                }
            }
            Delta::Model(model) => self.model = Some(model.clone()),
            Delta::Usage(usage) => self.usage = self.usage.then(*usage),
            Delta::Finish(reason) => self.finish = Some(reason.clone()),
            Delta::CallEnds { .. } => {}
        }
    }

    /// The id of the call of this number.
    pub(crate) fn call_id(&self, index: usize) -> Option<&str> {
        let call = self.calls.iter().rfind(|(known, _)| *known == index);
        call.map(|(_, call)| call.id.as_str())
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        let arguments = self.calls.iter().map(|(_, call)| call.arguments.len());
        self.text.len() + self.reasoning.len() + arguments.sum::<usize>()
    }

    /// Whether there is nothing to show.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.reasoning.is_empty() && self.calls.is_empty()
    }

    /// What the answer took, as it is told; none where the provider did not say.
    pub(crate) fn usage(&self) -> Option<Value> {
        let mut data = self.usage.to_map();
        if let Some(finish) = &self.finish {
            data.insert("finish_reason".into(), finish.as_str().into());
        }
        if data.is_empty() {
            return None;
        }
        data.insert("kind".into(), "usage".into());
        Some(data.into())
    }

    /// The step's output.
    pub(crate) fn output(&self, of: &Source) -> Value {
        let mut output = Map::new();
        output.insert("text".into(), self.text.as_str().into());
        if let Some(field) = &of.output_field {
            output.insert(field.clone(), self.text.as_str().into());
        }
        for (key, text) in [("reasoning", &self.reasoning), ("refusal", &self.refusal)] {
            if !text.is_empty() {
                output.insert(key.into(), text.as_str().into());
            }
        }
        if !self.calls.is_empty() {
            let calls = self.calls.iter().map(
                |(_, call)| json!({"id": call.id, "name": call.name, "arguments": call.parsed()}),
            );
            output.insert("tool_calls".into(), calls.collect());
        }
        output.insert("finish_reason".into(), self.finish.clone().into());
        let model = self.model.as_ref().unwrap_or(&of.model);
        output.insert("model".into(), model.as_str().into());
        output.insert("provider".into(), of.provider.as_str().into());
        if of.scripted {
            output.insert("scripted".into(), true.into());
        }
        output.insert("usage".into(), self.usage.to_map().into());
        output.into()
    }
}

/// Who answers, and how the step calls it.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) provider: String,
    pub(crate) model: String,
    pub(crate) scripted: bool,
    pub(crate) output_field: Option<String>,
}
