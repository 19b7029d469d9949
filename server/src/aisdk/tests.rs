//! What the client cannot tell from outside; the rest is in `e2e/tests/aisdk.test.js`.

use serde_json::{Value, json};
use stepcast_core::control::GapReason;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::Cursor;

use super::AiSdk;
use crate::transport::translated::{Place, Translation as _};

fn run() -> AiSdk {
    AiSdk::new(&"e".parse().unwrap(), 3)
}

/// Folds events, each given as type, step and data.
fn told(run: &mut AiSdk, from: u64, events: &[(&str, &str, Value)]) -> Vec<Value> {
    let mut pieces = Vec::new();
    for (seq, (kind, step, data)) in (from..).zip(events) {
        let mut event = json!({
            "event_type": kind, "execution_id": "e", "seq": seq,
            "timestamp": "2026-01-01T00:00:00.000Z", "data": data,
        });
        if !step.is_empty() {
            event["step_id"] = (*step).into();
        }
        let event: StreamEvent = serde_json::from_value(event).unwrap();
        pieces.extend(run.event(&event));
    }
    pieces
}

fn types(pieces: &[Value]) -> Vec<&str> {
    let types = pieces.iter().map(|piece| piece["type"].as_str().unwrap());
    types.collect()
}

fn token(text: &str) -> Value {
    json!({ "kind": "token", "text": text })
}

#[test]
fn steps_that_run_at_once_are_one_step_of_the_message() {
    let mut run = run();
    let pieces = told(
        &mut run,
        1,
        &[
            ("pipeline_start", "", json!({ "pipeline": { "name": "P" } })),
            ("step_start", "a", json!({})),
            ("step_start", "b", json!({})),
            ("step_progress", "a", token("1")),
            ("step_progress", "b", token("2")),
            ("step_complete", "a", json!({ "output": {} })),
            ("step_progress", "b", token("3")),
            ("step_complete", "b", json!({ "output": {} })),
            ("pipeline_complete", "", json!({ "output": { "x": 1 } })),
        ],
    );
    let shown: Vec<&str> = types(&pieces)
        .into_iter()
        .filter(|kind| !kind.starts_with("data-"))
        .collect();
    let expected = [
        "start",
        "start-step",
        "text-start",
        "text-delta",
        "text-start",
        "text-delta",
        "text-end",
        "text-delta",
        "text-end",
        "finish-step",
        "finish",
    ];
    assert_eq!(shown, expected);
    assert_eq!(pieces[0]["messageId"], "e/3");
    assert_eq!(
        pieces.last().unwrap()["messageMetadata"]["output"],
        json!({ "x": 1 })
    );
}

#[test]
fn what_an_attempt_said_is_told_from_what_the_next_one_says() {
    let mut run = run();
    let pieces = told(
        &mut run,
        1,
        &[
            ("step_start", "a", json!({ "iteration": 2 })),
            ("step_progress", "a", token("Hel")),
            (
                "step_progress",
                "a",
                json!({ "kind": "retry", "attempt": 2 }),
            ),
            ("step_progress", "a", token("Hallo")),
            (
                "step_progress",
                "",
                json!({ "kind": "resumed", "steps": ["a"] }),
            ),
            ("step_start", "a", json!({ "iteration": 2 })),
            ("step_progress", "a", token("Hello")),
            ("step_complete", "a", json!({})),
        ],
    );
    let takes: Vec<&Value> = pieces
        .iter()
        .filter(|piece| piece["type"] == "text-start")
        .map(|piece| &piece["providerMetadata"]["stepcast"])
        .collect();
    assert_eq!(takes[0], &json!({ "step": "a#2", "take": 1 }));
    assert_eq!(takes[1], &json!({ "step": "a#2", "take": 2 }));
    let last = pieces
        .iter()
        .rfind(|piece| piece["type"] == "data-step")
        .unwrap();
    assert_eq!(
        (&last["id"], &last["data"]["status"]),
        (&json!("a#2"), &json!("completed"))
    );
    assert_eq!(last["data"]["take"], takes[2]["take"]);
    let opened = |kind: &str| pieces.iter().filter(|it| it["type"] == kind).count();
    assert_eq!((opened("text-start"), opened("text-end")), (3, 3));
    assert_eq!((opened("start-step"), opened("finish-step")), (1, 1));
}

#[test]
fn a_call_that_is_cut_off_or_no_json_is_an_error_of_that_call() {
    let mut run = run();
    let call = |id: &str, arguments: &str, done: bool| json!({ "kind": "tool_call", "call_id": id, "name": "f", "arguments": arguments, "done": done });
    let pieces = told(
        &mut run,
        1,
        &[
            ("step_start", "a", json!({})),
            ("step_progress", "a", call("1", "{\"x\":1}", true)),
            ("step_progress", "a", call("2", "{\"x\"", true)),
            ("step_progress", "a", call("3", "{", false)),
            ("step_error", "a", json!({ "error": { "message": "gone" } })),
            (
                "pipeline_error",
                "",
                json!({ "reason": "timeout", "error": { "message": "late" } }),
            ),
        ],
    );
    let calls: Vec<&Value> = pieces
        .iter()
        .filter(|piece| piece["type"].as_str().unwrap().starts_with("tool-input-"))
        .filter(|piece| piece["toolName"] == "f" && piece["input"] != Value::Null)
        .collect();
    assert_eq!(calls[0]["input"], json!({ "x": 1 }));
    assert_eq!(
        (&calls[1]["type"], &calls[1]["input"]),
        (&json!("tool-input-error"), &json!("{\"x\""))
    );
    assert_eq!(
        (&calls[2]["type"], &calls[2]["toolMetadata"]["call_id"]),
        (&json!("tool-input-error"), &json!("3"))
    );
    assert_eq!(
        pieces.last().unwrap(),
        &json!({ "type": "error", "errorText": "late" })
    );
}

#[test]
fn who_comes_back_is_told_of_what_is_missing_since() {
    let mut run = run();
    let gap = run.gap(1, 6, GapReason::Retention);
    assert_eq!(types(&gap), ["start", "data-gap"]);
    told(&mut run, 7, &[("step_progress", "b", token("x"))]);
    let at = |seq| Place {
        cursor: Cursor { epoch: 3, seq },
        pieces: 0,
    };
    assert_eq!(run.prelude(Some(at(6))), Vec::<Value>::new());
    assert_eq!(run.prelude(Some(at(2))), [gap[1].clone()]);
    assert_eq!(run.id(at(6)), "e/3.6");
}
