//! Models, waits for people, files and circuit breakers in the view: what holds for any run.

use serde_json::{Value, json};
use stepcast_core::event::EventType;
use stepcast_core::view::{
    MAX_ARGUMENT_BYTES, MAX_ARTIFACTS, MAX_MODELS, MAX_TEXT_BYTES, MAX_TOOL_CALLS, MAX_WAITS,
    RunStatus, RunView, StepStatus, StepView, Usage, WaitState,
};

use crate::any::{any_run, event};

const SEEDS: u64 = 400;

/// A view that step `a` tells these things, one event each.
fn told(data: impl IntoIterator<Item = Value>) -> RunView {
    let mut view = RunView::default();
    for (seq, data) in (1..).zip(data) {
        view.apply(&event(seq, EventType::StepProgress, Some("a"), data));
    }
    view
}

fn step(view: &RunView) -> &StepView {
    view.step("a").unwrap()
}

#[test]
fn a_run_waits_while_a_step_does_and_nothing_else_goes_on() {
    let mut waited = 0;
    for seed in 0..SEEDS {
        let mut view = RunView::default();
        for event in any_run(seed) {
            view.apply(&event);
            let counts = view.counts();
            let waits = counts.waiting > 0 && counts.active() == counts.waiting;
            let status = view.status == RunStatus::Waiting;
            // what nothing could be made of changes no status
            let told = !matches!(event.event_type, EventType::Unknown(_));
            if view.end.is_none() && told {
                assert_eq!(status, waits, "seed {seed}, {event:?}");
            }
            assert!(view.end.is_none() || !status, "seed {seed}");
            waited += u32::from(status);
        }
    }
    assert!(waited > 100, "only {waited} times a run waited");
}

#[test]
fn only_a_step_that_waits_has_a_wait_that_takes_an_answer() {
    let mut pending = 0;
    for seed in 0..SEEDS {
        let mut view = RunView::default();
        for event in any_run(seed) {
            view.apply(&event);
            for step in &view.steps {
                let open = step.waits.iter().any(|it| it.state == WaitState::Pending);
                let waits = step.status == StepStatus::Waiting;
                assert_eq!(open, waits, "seed {seed}, {event:?}, {step:?}");
                pending += u32::from(open);
            }
        }
    }
    assert!(pending > 100, "only {pending} pending waits");
}

#[test]
fn what_models_took_is_the_sum_of_the_steps_and_never_falls() {
    for seed in 0..SEEDS {
        let mut view = RunView::default();
        for event in any_run(seed) {
            view.apply(&event);
            let sum = |sum: Usage, step: &StepView| sum.plus(&step.usage);
            assert_eq!(view.usage, view.steps.iter().fold(Usage::default(), sum));
            for step in &view.steps {
                let kept = step.models.iter().map(|model| model.usage);
                let kept = kept.fold(Usage::default(), |sum, usage| sum.plus(&usage));
                assert!(step.usage.input_tokens >= kept.input_tokens, "seed {seed}");
            }
        }
    }
}

#[test]
fn reasoning_is_bounded_beside_the_text() {
    let piece = "grüße 🎈".repeat(4000);
    let token = json!({"kind": "token", "channel": "reasoning", "text": piece});
    let view = told(std::iter::repeat_n(token, 60));
    let step = step(&view);
    assert!(step.reasoning.len() <= MAX_TEXT_BYTES && step.reasoning.ends_with(&piece));
    let all = step.reasoning.len() as u64 + step.reasoning_dropped;
    assert_eq!(all, 60 * piece.len() as u64);
    assert_eq!((step.text.as_str(), step.text_dropped), ("", 0));
}

#[test]
fn the_beginning_of_arguments_is_kept_and_the_rest_counted() {
    let piece = "ü🎈x".repeat(99);
    let call = json!({"kind": "tool_call", "call_id": "1", "arguments": piece});
    let view = told(std::iter::repeat_n(call, 60));
    let call = &step(&view).models[0].tool_calls[0];
    assert!(call.arguments.len() <= MAX_ARGUMENT_BYTES);
    assert!(call.arguments.len() > MAX_ARGUMENT_BYTES - 8);
    assert!(piece.repeat(60).starts_with(&call.arguments));
    let all = call.arguments.len() as u64 + call.arguments_dropped;
    assert_eq!(all, 60 * piece.len() as u64);
}

#[test]
fn lists_are_bounded_and_the_newest_stay() {
    let many = 0..300_u64;
    let view = told(
        many.clone()
            .map(|n| json!({"kind": "llm", "model": n.to_string()})),
    );
    let models = &step(&view).models;
    assert!(models.len() <= MAX_MODELS);
    assert_eq!(models.len() as u64 + step(&view).models_dropped, 300);
    assert_eq!(models.last().unwrap().model.as_deref(), Some("299"));

    let call = |n: u64| json!({"kind": "tool_call", "call_id": n.to_string(), "done": true});
    let view = told(many.clone().map(call));
    let model = &step(&view).models[0];
    assert!(model.tool_calls.len() <= MAX_TOOL_CALLS);
    assert_eq!(
        model.tool_calls.len() as u64 + model.tool_calls_dropped,
        300
    );
    assert_eq!(model.tool_calls.last().unwrap().call_id, "299");

    let view = told(
        many.clone()
            .map(|n| json!({"kind": "waiting", "wait_id": n.to_string()})),
    );
    let waits = &step(&view).waits;
    assert!(waits.len() <= MAX_WAITS);
    assert_eq!(waits.len() as u64 + step(&view).waits_dropped, 300);
    assert_eq!(waits.last().unwrap().wait_id, "299");

    let file =
        |n: u64| json!({"kind": "artifact", "name": n.to_string(), "sha256": "0".repeat(64)});
    let view = told(many.map(file));
    let artifacts = &step(&view).artifacts;
    assert!(artifacts.len() <= MAX_ARTIFACTS);
    assert_eq!(artifacts.len() as u64 + step(&view).artifacts_dropped, 300);
    assert_eq!(artifacts.last().unwrap().name, "299");
}
