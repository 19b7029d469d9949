//! What the client's own verifier cannot tell from outside; the rest is in `e2e/tests/agui.test.js`.

use serde_json::{Value, json};
use stepcast_core::control::GapReason;
use stepcast_core::event::StreamEvent;

use super::AgUi;
use crate::transport::translated::Translation as _;

/// Folds events, each given as type, step and data; the pieces as they are written.
fn told(agui: &mut AgUi, from: u64, events: &[(&str, &str, Value)]) -> Vec<Value> {
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
        for piece in agui.event(&event) {
            pieces.push(agui.pass(piece));
        }
    }
    pieces
}

fn types(pieces: &[Value]) -> Vec<&str> {
    pieces
        .iter()
        .map(|piece| piece["type"].as_str().unwrap())
        .collect()
}

fn start() -> (&'static str, &'static str, Value) {
    let pipeline = json!({
        "name": "P", "start_at": "a", "steps": [{"id": "a"}, {"id": "b"}, {"id": "c"}, {"id": "j"}],
        "paths": [{"from": "a", "to": "j"}, {"from": "b", "to": "c"}, {"from": "c", "to": "j"}],
    });
    (
        "pipeline_start",
        "",
        json!({ "pipeline": pipeline, "input": {} }),
    )
}

fn token(text: &str) -> Value {
    json!({ "kind": "token", "text": text })
}

fn waiting(wait: &str) -> Value {
    json!({ "kind": "waiting", "wait_id": wait, "prompt": "?", "form": { "fields": [] } })
}

#[test]
fn what_an_attempt_said_is_taken_back_when_the_next_one_begins() {
    let mut agui = AgUi::new(&"e".parse().unwrap(), None);
    let retry = json!({ "kind": "retry", "attempt": 2 });
    let pieces = told(
        &mut agui,
        1,
        &[
            start(),
            ("step_start", "a", json!({})),
            ("step_progress", "a", token("Hel")),
            ("step_progress", "a", retry),
            ("step_progress", "a", token("Hallo")),
        ],
    );
    let snapshot = pieces
        .iter()
        .find(|piece| piece["type"] == "MESSAGES_SNAPSHOT")
        .unwrap();
    assert_eq!(snapshot["messages"], json!([]));
    let prelude = agui.prelude(None);
    let expected = [
        "RUN_STARTED",
        "STATE_SNAPSHOT",
        "MESSAGES_SNAPSHOT",
        "STEP_STARTED",
        "TEXT_MESSAGE_START",
    ];
    assert_eq!(types(&prelude), expected);
    assert_eq!(prelude[2]["messages"][0]["content"], "Hallo");
    assert_eq!(prelude[2]["messages"].as_array().unwrap().len(), 1);
    assert_eq!(prelude[4]["messageId"], prelude[2]["messages"][0]["id"]);
}

#[test]
fn a_run_is_interrupted_only_where_nothing_but_people_is_waited_for() {
    let mut agui = AgUi::new(&"e".parse().unwrap(), None);
    let first = told(
        &mut agui,
        1,
        &[
            start(),
            ("step_start", "a", json!({})),
            ("step_start", "b", json!({})),
            ("step_progress", "a", waiting("a.1")),
            // c is about to start
            ("step_complete", "b", json!({ "next": ["c"] })),
            ("step_start", "c", json!({})),
        ],
    );
    assert!(!types(&first).contains(&"RUN_FINISHED"), "{first:?}");
    assert!(!agui.rests());
    // the join waits for a, which waits for somebody
    let second = told(
        &mut agui,
        7,
        &[("step_complete", "c", json!({ "next": ["j"] }))],
    );
    let last = second.last().unwrap();
    assert_eq!(last["outcome"]["interrupts"][0]["id"], "e/a.1");
    assert!(agui.rests() && agui.prelude(None).is_empty());
    // nothing of this is an answer; it is told with what follows
    let restart = json!({ "kind": "resumed", "reason": "restart", "steps": [] });
    let third = told(
        &mut agui,
        8,
        &[
            ("checkpoint_saved", "", json!({})),
            ("step_progress", "", restart),
            ("step_progress", "a", waiting("a.1")),
        ],
    );
    assert_eq!(third, Vec::<Value>::new());
    let answered = json!({ "kind": "answered", "wait_id": "a.1", "answer": {} });
    let fourth = told(&mut agui, 11, &[("step_progress", "a", answered)]);
    let expected = [
        "RUN_STARTED",
        "STATE_SNAPSHOT",
        "MESSAGES_SNAPSHOT",
        "STEP_STARTED",
        "CUSTOM",
        "CUSTOM",
        "STATE_DELTA",
        "STATE_DELTA",
    ];
    assert_eq!(types(&fourth), expected);
    assert_eq!(fourth[0]["parentRunId"], "e");
    assert!(!agui.rests());
}

#[test]
fn a_run_whose_beginning_is_gone_is_told_from_where_it_is_known() {
    let mut agui = AgUi::new(&"e".parse().unwrap(), None);
    let gap = agui.gap(1, 6, GapReason::Retention);
    assert_eq!(types(&gap), ["RUN_STARTED", "STATE_SNAPSHOT", "CUSTOM"]);
    assert_eq!(
        gap[2]["value"],
        json!({ "from": 1, "to": 6, "reason": "retention" })
    );
    let answered = json!({ "kind": "answered", "wait_id": "b.1", "answer": {} });
    let pieces = told(
        &mut agui,
        7,
        &[
            ("step_progress", "b", answered),
            ("step_complete", "b", json!({ "output": { "x": 1 } })),
            ("pipeline_complete", "", json!({ "output": {} })),
        ],
    );
    let expected = [
        "STEP_STARTED",
        "STATE_DELTA",
        "STATE_DELTA",
        "STEP_FINISHED",
        "STATE_DELTA",
        "RUN_FINISHED",
    ];
    assert_eq!(types(&pieces), expected);
}

#[test]
fn a_step_that_never_told_its_end_is_closed_before_it_begins_again() {
    let mut agui = AgUi::new(&"e".parse().unwrap(), None);
    let pieces = told(
        &mut agui,
        1,
        &[
            start(),
            ("step_start", "a", json!({})),
            ("step_progress", "a", token("x")),
            (
                "step_progress",
                "",
                json!({ "kind": "resumed", "steps": ["a"] }),
            ),
            ("step_start", "a", json!({})),
            (
                "pipeline_error",
                "",
                json!({ "reason": "timeout", "error": {} }),
            ),
        ],
    );
    let steps: Vec<&str> = types(&pieces)
        .into_iter()
        .filter(|kind| kind.starts_with("STEP") || kind.contains("MESSAGE_END"))
        .collect();
    let expected = [
        "STEP_STARTED",
        "TEXT_MESSAGE_END",
        "STEP_FINISHED",
        "STEP_STARTED",
        "STEP_FINISHED",
    ];
    assert_eq!(steps, expected);
    assert_eq!(pieces.last().unwrap()["code"], "timeout");
}
