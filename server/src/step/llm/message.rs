//! The `messages` of an `llm` step, in the shape of OpenAI's.

use serde_json::Value;

use super::config::text;
use crate::llm::request::{Message, Role, ToolCall};
use crate::pipeline::definition::{Fields, Place, Problems};
use crate::pipeline::template::has_placeholder;

/// Reads a list of messages.
pub(super) fn list(
    value: &Value,
    place: &Place,
    resolved: bool,
    problems: &mut Problems,
) -> Vec<Message> {
    let Some(list) = value.as_array() else {
        problems.error(place, "`messages` is a list");
        return Vec::new();
    };
    if list.is_empty() {
        problems.error(place, "`messages` has at least one message");
    }
    let read = list.iter().enumerate().filter_map(|(at, value)| {
        // a whole message may come from a placeholder
        if !resolved && value.is_string() && has_placeholder(value) {
            return None;
        }
        message(value, &place.index(at), resolved, problems)
    });
    read.collect()
}

fn message(
    value: &Value,
    place: &Place,
    resolved: bool,
    problems: &mut Problems,
) -> Option<Message> {
    let mut fields = Fields::open(value, place, "a message", problems)?;
    let word = fields.text("role", problems).unwrap_or("user");
    let role = Role::parse(word);
    if role.is_none() && (resolved || !has_placeholder(&word.into())) {
        let known = Role::ALL.map(Role::as_str);
        problems.unknown(
            &fields.place("role"),
            format!("unknown role `{word}`"),
            word,
            known,
        );
    }
    let mut message = Message::new(role.unwrap_or(Role::User), "");
    let content = fields.value("content");
    if let Some(calls) = fields
        .value("tool_calls")
        .filter(|calls| resolved || !has_placeholder(calls))
    {
        message.calls = tool_calls(calls, &fields.place("tool_calls"), problems);
    }
    match content {
        Some(content) => {
            message.text = text(content, &fields.place("content"), problems).unwrap_or_default();
        }
        None if message.calls.is_empty() && resolved => {
            problems.error(place, "a message needs `content`")
        }
        None => {}
    }
    message.call_id = fields.text("tool_call_id", problems).map(str::to_owned);
    if role == Some(Role::Tool) && message.call_id.is_none() {
        problems.error(
            place,
            "a message of a tool needs the `tool_call_id` that it answers",
        );
    }
    let _for_people = fields.value("name");
    fields.close(problems);
    Some(message)
}

/// Calls as a step's output has them, or as OpenAI has them.
fn tool_calls(value: &Value, place: &Place, problems: &mut Problems) -> Vec<ToolCall> {
    let Some(list) = value.as_array() else {
        problems.error(place, "`tool_calls` is a list");
        return Vec::new();
    };
    let read = list.iter().enumerate().filter_map(|(at, value)| {
        let function = value.get("function").unwrap_or(value);
        let texts = [value.get("id"), function.get("name")];
        let [Some(id), Some(name)] = texts.map(|text| text.and_then(Value::as_str)) else {
            problems.error(&place.index(at), "a call has an `id` and a `name`");
            return None;
        };
        let arguments = function.get("arguments");
        let arguments = arguments.map_or_else(String::new, |arguments| {
            arguments
                .as_str()
                .map_or_else(|| arguments.to_string(), str::to_owned)
        });
        Some(ToolCall {
            id: id.to_owned(),
            name: name.to_owned(),
            arguments,
        })
    });
    read.collect()
}
