//! What a run says, in the shapes of `docs/protocol.md`.

use serde_json::{Value, json};
use stepcast::pipeline::RunOptions;
use stepcast::step::{LogLevel, StepContext, StepRegistry};
use stepcast_core::event::{EventType, StreamEvent};

use crate::pipeline_harness::{paths, pipeline, run_with, start};

/// An event without what differs from run to run.
fn shown(event: &StreamEvent) -> (String, Option<String>, Value) {
    let mut data = event.data.clone();
    if let Some(duration) = data.as_object_mut().unwrap().get_mut("duration_ms") {
        assert!(duration.as_f64().unwrap() >= 0.0);
        *duration = json!("some");
    }
    let step = event.step_id.as_ref().map(ToString::to_string);
    (event.event_type.to_string(), step, data)
}

fn registry() -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Quiet", |_| async { Ok(json!({"x": 1})) });
    registry.register_fn("Talks", |context: StepContext| async move {
        context.emit_progress(0.5, "half").await;
        context.emit_token("Hel").await;
        context.emit_token("lo").await;
        context.log(LogLevel::Info, "line").await;
        context.output(json!({"part": 1})).await;
        context.output(json!({"whole": 2})).await;
        Ok(json!({"whole": 2}))
    });
    registry.register_fn("Big", |_| async { Ok(json!({"text": "x".repeat(20_000)})) });
    registry
}

#[tokio::test]
async fn a_run_tells_its_beginning_its_steps_and_its_end() {
    let definition = json!({
        "name": "demo", "version": "2",
        "steps": [{"id": "a", "name": "First", "class": "Quiet"}, {"id": "b", "class": "Talks"}],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b"}]},
    });
    let ran = run_with(&registry(), &definition, json!({"in": true})).await;
    let events: Vec<_> = ran.events.iter().map(shown).collect();
    let event = |name: &str, step: &str, data: Value| {
        let step = (!step.is_empty()).then(|| step.to_owned());
        (name.to_owned(), step, data)
    };
    let expected = [
        event(
            "pipeline_start",
            "",
            json!({"pipeline": {"name": "demo", "version": "2",
                "steps": [{"id": "a", "name": "First", "kind": "Quiet"}, {"id": "b", "kind": "Talks"}],
                "paths": [{"from": "a", "to": "b"}], "start_at": "a"}, "input": {"in": true}}),
        ),
        event(
            "step_start",
            "a",
            json!({"name": "First", "kind": "Quiet", "iteration": 1, "attempt": 1}),
        ),
        event("step_progress", "a", json!({"progress": 1.0})),
        event("step_output", "a", json!({"output": {"x": 1}})),
        event(
            "step_complete",
            "a",
            json!({"output": {"x": 1}, "duration_ms": "some", "iteration": 1, "attempt": 1, "next": ["b"]}),
        ),
        event(
            "step_start",
            "b",
            json!({"kind": "Talks", "iteration": 1, "attempt": 1}),
        ),
        event(
            "step_progress",
            "b",
            json!({"progress": 0.5, "message": "half"}),
        ),
        event(
            "step_progress",
            "b",
            json!({"kind": "token", "text": "Hel"}),
        ),
        event("step_progress", "b", json!({"kind": "token", "text": "lo"})),
        event(
            "step_progress",
            "b",
            json!({"kind": "log", "level": "info", "message": "line"}),
        ),
        event("step_output", "b", json!({"output": {"part": 1}})),
        event("step_output", "b", json!({"output": {"whole": 2}})),
        event(
            "step_complete",
            "b",
            json!({"output": {"whole": 2}, "duration_ms": "some", "iteration": 1, "attempt": 1, "next": []}),
        ),
        event(
            "pipeline_complete",
            "",
            json!({"output": {"in": true, "a": {"x": 1}, "x": 1, "b": {"whole": 2}, "whole": 2},
                "duration_ms": "some", "steps_completed": 2}),
        ),
    ];
    for (found, expected) in events.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(events.len(), expected.len());
}

#[tokio::test]
async fn without_emit_progress_no_fraction_is_told_and_tokens_are() {
    let mut definition = pipeline(
        json!([{"id": "a", "class": "Quiet"}, {"id": "b", "class": "Talks"}]),
        paths("a>b"),
    );
    definition["streaming"] = json!({"emit_progress": false});
    let ran = run_with(&registry(), &definition, json!({})).await;
    assert_eq!(ran.progress("a", "").len() + ran.progress("b", "").len(), 0);
    assert_eq!(ran.progress("b", "token").len(), 2);
}

#[tokio::test]
async fn a_large_output_is_told_once_and_named_afterwards() {
    let definition = pipeline(json!([{"id": "a", "class": "Big"}]), json!([]));
    let ran = run_with(&registry(), &definition, json!({})).await;
    let (told, end) = (
        ran.of(EventType::StepOutput),
        ran.of(EventType::StepComplete),
    );
    assert_eq!(told.len(), 1);
    assert_eq!(end[0].data["output_seq"], told[0].seq);
    assert_eq!(end[0].data.get("output"), None);
}

#[tokio::test]
async fn what_a_step_left_running_speaks_to_nobody() {
    let mut registry = registry();
    registry.register_fn("Leaves", |context: StepContext| async move {
        let over = context.cancelled();
        tokio::spawn(async move {
            over.cancelled().await;
            context.emit_token("late").await;
        });
        Ok(json!({}))
    });
    let definition = pipeline(
        json!([{"id": "a", "class": "Leaves"}, {"id": "b", "type": "delay", "config": {"seconds": 0.05}}]),
        paths("a>b"),
    );
    let ran = start(&registry, &definition, json!({}), RunOptions::default())
        .end()
        .await;
    assert!(ran.progress("a", "token").is_empty());
}

#[tokio::test]
async fn a_delay_says_how_far_it_is() {
    let definition = pipeline(
        json!([{"id": "a", "type": "delay", "config": {"seconds": "{{ input.s }}", "message": "waiting"}}]),
        json!([]),
    );
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({"s": 0.35})).await;
    let told = ran.progress("a", "");
    assert!(!told.is_empty());
    assert!(
        told.windows(2)
            .all(|pair| pair[0]["progress"].as_f64() < pair[1]["progress"].as_f64())
    );
    assert_eq!(
        **told.last().unwrap(),
        json!({"progress": 1.0, "message": "waiting"})
    );
}
