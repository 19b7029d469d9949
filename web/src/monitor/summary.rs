//! An event in one line, as the log of events shows it.

use serde_json::Value;
use stepcast_core::event::{EventType, StreamEvent};

use super::output::short_json;
use super::words;

/// What an event says, in one line.
pub(super) fn summary(event: &StreamEvent) -> String {
    let data = &event.data;
    let text = |place: &str| data.pointer(place).and_then(Value::as_str);
    let number = |name: &str| data.get(name).and_then(Value::as_f64);
    let line = match &event.event_type {
        EventType::PipelineStart => text("/pipeline/name").map(ToOwned::to_owned),
        EventType::StepStart => {
            let turn = |name| number(name).filter(|n| *n > 1.0);
            let round = turn("iteration").map(|n| format!("round {n} "));
            let attempt = turn("attempt").map(|n| format!("attempt {n}"));
            let kind = text("/kind").map(|kind| format!("{kind} "));
            Some([kind, round, attempt].into_iter().flatten().collect())
        }
        EventType::StepProgress => progress_summary(data),
        EventType::StepComplete | EventType::PipelineComplete => {
            number("duration_ms").map(|ms| format!("after {}", words::duration(ms)))
        }
        EventType::StepError | EventType::PipelineError => {
            text("/error/message").map(ToOwned::to_owned)
        }
        EventType::CheckpointSaved => text("/checkpoint_id").map(|id| match text("/step_id") {
            Some(step) => format!("{id} after {step}"),
            None => id.to_owned(),
        }),
        EventType::StepOutput => data
            .get("output")
            .map(|output| short_json(output, SUMMARY_CHARS)),
        EventType::Unknown(_) | _ => None,
    };
    line.unwrap_or_else(|| short_json(data, SUMMARY_CHARS))
        .chars()
        .take(SUMMARY_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

fn progress_summary(data: &Value) -> Option<String> {
    let text = |place: &str| data.pointer(place).and_then(Value::as_str);
    let message = text("/message").unwrap_or_default();
    let one = |place: &str| text(place).unwrap_or_default();
    match text("/kind") {
        None => {
            let part = data.get("progress").and_then(Value::as_f64);
            let percent = part.map(|part| format!("{} % ", words::percent(part)));
            Some(percent.unwrap_or_default() + message)
        }
        Some("token") => {
            let channel = text("/channel").map(|channel| format!("{channel} "));
            text("/text").map(|text| format!("{}“{text}”", channel.unwrap_or_default()))
        }
        Some("log") => Some(format!("{}: {message}", text("/level").unwrap_or("log"))),
        Some("resumed") => {
            let steps = data.get("steps").and_then(Value::as_array);
            let steps = steps.into_iter().flatten().filter_map(Value::as_str);
            Some(format!("resumed: {}", steps.collect::<Vec<_>>().join(", ")))
        }
        Some(kind @ ("retry" | "fallback")) => Some(format!("{kind}: {}", one("/error/message"))),
        Some("llm") => Some(format!("asks {} {}", one("/provider"), one("/model"))),
        Some("tool_call") => Some(match text("/name") {
            Some(name) => format!("tool {name} {}", one("/arguments")),
            None => format!("tool arguments {}", one("/arguments")),
        }),
        Some("usage") => {
            let count = |name: &str| data.get(name).and_then(Value::as_u64).unwrap_or_default();
            let (given, gave) = (count("input_tokens"), count("output_tokens"));
            Some(format!(
                "tokens: {given} in, {gave} out {}",
                one("/finish_reason")
            ))
        }
        Some("circuit") => Some(format!("circuit {} {}", one("/name"), one("/state"))),
        Some("waiting") => Some(format!("waits for a person: {}", one("/prompt"))),
        Some("answered") => {
            let answer = data
                .get("answer")
                .map(|answer| short_json(answer, SUMMARY_CHARS));
            let by = text("/by").unwrap_or_else(|| one("/source"));
            Some(format!("answer by {by}: {}", answer.unwrap_or_default()))
        }
        Some("artifact") => Some(format!("file {} ({})", one("/name"), one("/media_type"))),
        Some(_) => None,
    }
}

/// The longest line of a row.
const SUMMARY_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(kind: &str, data: Value) -> StreamEvent {
        let event = json!({"event_type": kind, "execution_id": "e", "seq": 1,
            "timestamp": "2025-10-22T10:30:00.000Z", "data": data});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn a_row_says_what_the_event_says() {
        let said = |kind, data| summary(&event(kind, data));
        assert_eq!(
            said("step_progress", json!({"kind":"token","text":"a\nb"})),
            "“a b”"
        );
        assert_eq!(
            said("step_progress", json!({"progress":0.5,"message":"half"})),
            "50 % half"
        );
        assert_eq!(said("step_error", json!({"error":{"message":"no"}})), "no");
        assert_eq!(
            said("step_complete", json!({"duration_ms":1500})),
            "after 1.5 s"
        );
        assert_eq!(said("later", json!({"x":1})), "{\"x\":1}");
    }

    #[test]
    fn what_steps_say_of_models_people_and_files_is_a_row_each() {
        let said = |data| summary(&event("step_progress", data));
        for (data, row) in [
            (
                json!({"kind":"token","text":"hm","channel":"reasoning"}),
                "reasoning “hm”",
            ),
            (json!({"kind":"llm","provider":"p","model":"m"}), "asks p m"),
            (
                json!({"kind":"tool_call","call_id":"1","name":"t","arguments":"{"}),
                "tool t {",
            ),
            (
                json!({"kind":"tool_call","call_id":"1","arguments":"}"}),
                "tool arguments }",
            ),
            (
                json!({"kind":"usage","input_tokens":1,"finish_reason":"stop"}),
                "tokens: 1 in, 0 out stop",
            ),
            (
                json!({"kind":"circuit","name":"api","state":"open"}),
                "circuit api open",
            ),
            (
                json!({"kind":"waiting","wait_id":"w","prompt":"Good?"}),
                "waits for a person: Good?",
            ),
            (
                json!({"kind":"answered","wait_id":"w","answer":{"a":1},"source":"default"}),
                "answer by default: {\"a\":1}",
            ),
            (
                json!({"kind":"artifact","name":"x.png","media_type":"image/png"}),
                "file x.png (image/png)",
            ),
        ] {
            assert_eq!(said(data), row);
        }
    }
}
