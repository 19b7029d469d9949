//! What steps say of models, people, files and circuit breakers, each in a line of the story.

use serde_json::Value;
use stepcast_core::view::{ModelView, StepView, ToolCallView, WaitView};

use super::words::clean;

/// A line of the story: the colour and the sign in front of it, and the words.
pub(super) type Line = (&'static str, &'static str, String);

/// The line that this adds; none where it is no news for a terminal.
pub(super) fn line(step: &StepView, data: &Value) -> Option<Line> {
    let id = clean(&step.id);
    let dim = |text: String| Some(("2", " ", format!("{id} {text}")));
    match data.get("kind").and_then(Value::as_str)? {
        "llm" => dim(format!("asks {}", model(step.models.last()?))),
        "tool_call" => {
            let call = call_of(step.models.last()?, data)?;
            call.done.then(|| dim(format!("calls {}", called(call))))?
        }
        "usage" => {
            let words = match step.models.last()?.finish_reason.as_deref()? {
                "length" => "its answer was cut: the limit of tokens was reached",
                "refusal" => "the model refused",
                "content_filter" => "its answer was held back by a filter",
                _ => return None,
            };
            Some(("33", "!", format!("{id}: {words}")))
        }
        "artifact" => {
            let name = data.get("name").and_then(Value::as_str)?;
            let made = step.artifacts.iter().find(|made| made.name == name)?;
            let size = made.size.map(|size| format!(", {size} bytes"));
            let (name, media) = (clean(&made.name), clean(&made.media_type));
            dim(format!("made {name} ({media}{})", size.unwrap_or_default()))
        }
        "circuit" => {
            let circuit = step.circuit.as_ref()?;
            let name = circuit.name.as_deref().map(clean).unwrap_or_default();
            let words = clean(circuit.words());
            Some((
                "33",
                "!",
                format!("{id}: {words} {name}").trim_end().to_owned(),
            ))
        }
        "waiting" => Some(("33", "?", format!("{id} {}", asks(wait_of(step, data)?)))),
        "answered" => Some((
            "33",
            "?",
            format!("{id}: {}", answered(wait_of(step, data)?)),
        )),
        _ => None,
    }
}

fn model(model: &ModelView) -> String {
    let named = [&model.provider, &model.model].into_iter().flatten();
    let mut words: Vec<String> = named.map(|name| clean(name)).collect();
    if words.is_empty() {
        words.push("a model".to_owned());
    }
    if model.scripted {
        words.push("(scripted)".to_owned());
    }
    words.join(" ")
}

fn call_of<'a>(model: &'a ModelView, data: &Value) -> Option<&'a ToolCallView> {
    let id = data.get("call_id").and_then(Value::as_str)?;
    model.tool_calls.iter().find(|call| call.call_id == id)
}

fn called(call: &ToolCallView) -> String {
    let name = call.name.as_deref().map_or_else(|| "a tool".into(), clean);
    let arguments = short(&clean(&call.arguments));
    format!("{name} {arguments}").trim_end().to_owned()
}

fn wait_of<'a>(step: &'a StepView, data: &Value) -> Option<&'a WaitView> {
    let id = data.get("wait_id").and_then(Value::as_str)?;
    step.waits.iter().find(|wait| wait.wait_id == id)
}

fn asks(wait: &WaitView) -> String {
    let who = match wait.assigned_users.as_slice() {
        [] => "a person".to_owned(),
        users => clean(&users.join(", ")),
    };
    let prompt = wait
        .prompt
        .as_deref()
        .map(|prompt| format!(": {}", clean(prompt)));
    let id = clean(&wait.wait_id);
    format!("waits for {who}{} [{id}]", prompt.unwrap_or_default())
}

fn answered(wait: &WaitView) -> String {
    let answer = wait.answer.as_ref().unwrap_or(&Value::Null);
    let answer = short(&clean(&answer.to_string()));
    match (&wait.by, wait.source.as_deref()) {
        (_, Some("default")) => format!("nobody answered in time; it goes on with {answer}"),
        (Some(by), _) => format!("{} answered {answer}", clean(by)),
        (None, _) => format!("answered {answer}"),
    }
}

/// The beginning of a text that may be long.
fn short(text: &str) -> String {
    match text.char_indices().nth(SHORT) {
        Some((at, _)) => format!("{}…", text.split_at(at).0),
        None => text.to_owned(),
    }
}

/// The longest answer or arguments in a line, in characters.
const SHORT: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};
    use stepcast_core::event::{EventType, StreamEvent};
    use stepcast_core::time::Timestamp;
    use stepcast_core::view::RunView;

    use super::*;

    fn lines(told: &[Value]) -> Vec<String> {
        let mut view = RunView::default();
        let told = (1..).zip(told).filter_map(|(seq, data)| {
            view.apply(&StreamEvent {
                event_type: EventType::StepProgress,
                execution_id: "run_1".parse().unwrap(),
                step_id: Some("a".into()),
                seq,
                timestamp: Timestamp::from_unix_millis(seq),
                data: data.clone(),
                metadata: None,
                extra: Map::new(),
            });
            line(view.step("a").unwrap(), data)
        });
        told.map(|(_, mark, words)| format!("{mark} {words}"))
            .collect()
    }

    #[test]
    fn models_people_files_and_breakers_are_told() {
        let told = lines(&[
            json!({"kind": "llm", "provider": "openai", "model": "gpt\u{1b}-5", "scripted": true}),
            json!({"kind": "tool_call", "call_id": "1", "name": "search", "arguments": "{\"q\":"}),
            json!({"kind": "tool_call", "call_id": "1", "arguments": "1}", "done": true}),
            json!({"kind": "usage", "output_tokens": 3, "finish_reason": "length"}),
            json!({"kind": "artifact", "name": "x.png", "media_type": "image/png", "size": 7,
                "sha256": "0".repeat(64)}),
            json!({"kind": "circuit", "name": "api", "state": "open"}),
            json!({"kind": "waiting", "wait_id": "a.1", "prompt": "Good?", "assigned_users": ["ann"]}),
            json!({"kind": "answered", "wait_id": "a.1", "answer": {"ok": true}, "by": "ann"}),
            json!({"kind": "answered", "wait_id": "a.2", "answer": {}, "source": "default"}),
            json!({"kind": "tool_call"}),
        ]);
        assert_eq!(
            told,
            [
                "  a asks openai gpt-5 (scripted)",
                "  a calls search {\"q\":1}",
                "! a: its answer was cut: the limit of tokens was reached",
                "  a made x.png (image/png, 7 bytes)",
                "! a: circuit open api",
                "? a waits for ann: Good? [a.1]",
                "? a: ann answered {\"ok\":true}",
                "? a: nobody answered in time; it goes on with {}",
            ]
        );
    }
}
