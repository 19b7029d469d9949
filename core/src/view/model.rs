//! Answers of language models: who was asked, which tools they call, what they took.

use serde::Serialize;
use serde_json::Value;

use super::read::{is_set, str_of, text_of, whole_of};
use super::text::push;

/// One answer of a language model, from the `llm` that asks for it to the next.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ModelView {
    /// Who serves the model; none where nothing said so.
    pub provider: Option<String>,
    /// The model; none where nothing said so.
    pub model: Option<String>,
    /// Whether the answer is a recording that is replayed.
    pub scripted: bool,
    /// The tools it calls, in the order in which they began: the newest [`MAX_TOOL_CALLS`].
    pub tool_calls: Vec<ToolCallView>,
    /// Tool calls dropped in front of `tool_calls`.
    pub tool_calls_dropped: u64,
    /// What this answer took, as far as it was said.
    pub usage: Usage,
    /// Why it ended: `stop`, `length`, `tool_calls`, `content_filter`, `refusal` or the provider's own word.
    pub finish_reason: Option<String>,
}

/// A call of a tool.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ToolCallView {
    /// Its id, unique in the answer.
    pub call_id: String,
    /// The tool.
    pub name: Option<String>,
    /// The beginning of the JSON text of its arguments: at most [`MAX_ARGUMENT_BYTES`].
    pub arguments: String,
    /// Bytes of arguments dropped behind `arguments`.
    pub arguments_dropped: u64,
    /// Whether the arguments are whole.
    pub done: bool,
}

/// What answers of language models took. None where no provider said anything of the kind.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct Usage {
    /// Tokens of what the models were given.
    pub input_tokens: Option<u64>,
    /// Tokens of what they gave.
    pub output_tokens: Option<u64>,
    /// Of these, the ones of reasoning.
    pub reasoning_tokens: Option<u64>,
    /// Of the input tokens, those that the provider had kept.
    pub cached_tokens: Option<u64>,
}

/// The most answers kept for a step.
pub const MAX_MODELS: usize = 32;

/// The most tool calls kept for an answer.
pub const MAX_TOOL_CALLS: usize = 32;

/// The longest text kept of a tool call's arguments, in bytes.
pub const MAX_ARGUMENT_BYTES: usize = 16 << 10;

impl ModelView {
    pub(super) fn read(data: &Value) -> Self {
        Self {
            provider: text_of(data, "provider"),
            model: text_of(data, "model"),
            scripted: is_set(data, "scripted"),
            ..Self::default()
        }
    }

    /// Takes a piece of a tool call; false where it names none.
    pub(super) fn take_call(&mut self, data: &Value) -> bool {
        let Some(call_id) = text_of(data, "call_id") else {
            return false;
        };
        let held = self.tool_calls.iter().position(|it| it.call_id == call_id);
        let at = held.unwrap_or_else(|| {
            let call = ToolCallView {
                call_id,
                ..ToolCallView::default()
            };
            let dropped = &mut self.tool_calls_dropped;
            push(&mut self.tool_calls, dropped, MAX_TOOL_CALLS, call);
            self.tool_calls.len() - 1
        });
        if let Some(call) = self.tool_calls.get_mut(at) {
            call.take(data);
        }
        true
    }

    /// Takes what the answer took, in place of what was said of it before.
    pub(super) fn take_usage(&mut self, data: &Value) {
        self.usage = Usage {
            input_tokens: whole_of(data, "input_tokens"),
            output_tokens: whole_of(data, "output_tokens"),
            reasoning_tokens: whole_of(data, "reasoning_tokens"),
            cached_tokens: whole_of(data, "cached_tokens"),
        };
        self.finish_reason = text_of(data, "finish_reason").or(self.finish_reason.take());
    }
}

impl ToolCallView {
    fn take(&mut self, data: &Value) {
        if let Some(name) = text_of(data, "name") {
            self.name = Some(name);
        }
        self.done |= is_set(data, "done");
        let more = str_of(data, "arguments").unwrap_or_default();
        // once something is missing, what follows would not join on
        let room = match self.arguments_dropped {
            0 => MAX_ARGUMENT_BYTES.saturating_sub(self.arguments.len()),
            _ => 0,
        };
        let (head, rest) = more.split_at(more.floor_char_boundary(room));
        self.arguments.push_str(head);
        self.arguments_dropped = self.arguments_dropped.saturating_add(rest.len() as u64);
    }
}

impl Usage {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (one, None) | (None, one) => one,
        };
        Self {
            input_tokens: sum(self.input_tokens, other.input_tokens),
            output_tokens: sum(self.output_tokens, other.output_tokens),
            reasoning_tokens: sum(self.reasoning_tokens, other.reasoning_tokens),
            cached_tokens: sum(self.cached_tokens, other.cached_tokens),
        }
    }
}
