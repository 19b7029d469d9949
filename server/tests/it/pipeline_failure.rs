//! Failing: retries, fallbacks, going on, panics, timeouts, cancellation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::pipeline::definition::Retry;
use stepcast::pipeline::{Pipeline, RunOptions, RunStatus, run};
use stepcast::step::{Category, Step, StepContext, StepError, StepFuture, StepRegistry};
use stepcast_core::event::EventType;

use crate::pipeline_harness::{Ran, ended_context, object, paths, pipeline, run_with, start};

fn registry() -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Ok", |_| async { Ok(json!({"ok": true})) });
    registry.register_fn("Panics", |_| async { panic!("oh no") });
    registry.register_fn("Hangs", |_| std::future::pending());
    registry.register("FallsBack", |_| Ok(Box::new(FallsBack)));
    registry
}

struct FallsBack;

impl Step for FallsBack {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        let category = context.config()["category"].as_str().unwrap().to_owned();
        Box::pin(async move {
            Err(StepError::new(
                Category::parse(&category).unwrap(),
                "no luck",
            ))
        })
    }

    fn fallback(&self, _context: StepContext, error: StepError) -> Option<StepFuture<'_>> {
        Some(Box::pin(
            async move { Ok(json!({"instead_of": error.message})) },
        ))
    }
}

/// A pipeline of one failing step with this error handling, and a second step.
async fn fail(config: Value, handling: Value) -> Ran {
    let definition = pipeline(
        json!([
            {"id": "a", "type": "fail", "config": config, "error_handling": handling},
            {"id": "b", "class": "Ok"},
        ]),
        paths("a>b"),
    );
    run_with(&registry(), &definition, json!({"given": 1})).await
}

#[test]
fn the_delay_between_attempts_follows_the_formula() {
    let retry = Retry {
        initial_delay: 1.0,
        exponential_base: 2.0,
        max_delay: 5.0,
        jitter: false,
        ..Retry::default()
    };
    let delays: Vec<f64> = (1..=5).map(|attempt| retry.delay(attempt, 0.9)).collect();
    assert_eq!(delays, [1.0, 2.0, 4.0, 5.0, 5.0]);
    let jittered = Retry {
        jitter: true,
        ..retry
    };
    assert_eq!(jittered.delay(3, 0.0), 4.0);
    assert_eq!(jittered.delay(3, 0.5), 5.0);
    assert_eq!(jittered.delay(3, 1.0), 6.0);
}

#[tokio::test]
async fn a_step_that_fails_twice_is_tried_three_times_and_every_retry_is_told() {
    let ran = fail(
        json!({"times": 2, "category": "network", "message": "broken pipe", "output": {"done": 1}}),
        json!({"retry": {"max_attempts": 3, "initial_delay": 0.01, "jitter": false}}),
    )
    .await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    let error = json!({"category": "network", "severity": "error", "message": "broken pipe", "recoverable": true});
    assert_eq!(
        ran.progress("a", "retry"),
        [
            &json!({"kind": "retry", "attempt": 2, "max_attempts": 3, "delay_ms": 10.0, "error": error}),
            &json!({"kind": "retry", "attempt": 3, "max_attempts": 3, "delay_ms": 20.0, "error": error}),
        ]
    );
    let end = &ran.of(EventType::StepComplete)[0].data;
    assert_eq!(
        (&end["attempt"], &end["output"]),
        (&json!(3), &json!({"done": 1}))
    );
}

#[tokio::test]
async fn only_errors_worth_it_are_tried_again() {
    let retry = json!({"retry": {"max_attempts": 3, "initial_delay": 0.001}});
    for (category, handling, attempts) in [
        ("network", retry.clone(), 3),
        ("timeout", retry.clone(), 3),
        ("dependency", retry.clone(), 3),
        ("logic", retry, 1),
        (
            "logic",
            json!({"retry": {"max_attempts": 2, "initial_delay": 0.001, "retry_on": ["logic"]}}),
            2,
        ),
        ("network", json!({}), 1),
    ] {
        let ran = fail(json!({"category": category}), handling).await;
        assert_eq!(ran.result.status, RunStatus::Failed);
        assert_eq!(
            ran.of(EventType::StepError)[0].data["attempt"],
            attempts,
            "{category}"
        );
    }
}

#[tokio::test]
async fn a_failed_step_fails_the_run_and_names_itself() {
    let ran = fail(json!({"category": "logic", "message": "wrong"}), json!({})).await;
    let error =
        json!({"category": "logic", "severity": "error", "message": "wrong", "recoverable": false});
    let step = &ran.of(EventType::StepError)[0].data;
    assert_eq!(
        (&step["error"], &step["continued"]),
        (&error, &json!(false))
    );
    assert_eq!(step.get("next"), None);
    let mut in_step = error;
    in_step["step_id"] = json!("a");
    assert_eq!(ran.last().event_type, EventType::PipelineError);
    assert_eq!(ran.last().data["error"], in_step);
    assert_eq!(ran.last().data["reason"], "failed");
    assert_eq!(ran.begun(), ["a"]);
    assert_eq!(ran.result.output, Value::Null);
}

#[tokio::test]
async fn a_fallback_output_stands_in_for_any_error() {
    let ran = fail(
        json!({"category": "logic"}),
        json!({"fallback_output": {"from": "{{ input.given }}"}}),
    )
    .await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(ran.result.output["a"], json!({"from": 1}));
    assert_eq!(
        ran.progress("a", "fallback")[0]["error"]["category"],
        "logic"
    );
    assert_eq!(ran.of(EventType::StepComplete).len(), 2);
}

#[tokio::test]
async fn the_fallback_of_a_class_is_asked_where_the_error_is_recoverable() {
    for (category, enabled, completes) in [
        ("network", true, true),
        ("logic", true, false),
        ("network", false, false),
    ] {
        let definition = pipeline(
            json!([{"id": "a", "class": "FallsBack", "config": {"category": category},
                "error_handling": {"enable_fallback": enabled}}]),
            json!([]),
        );
        let ran = run_with(&registry(), &definition, json!({})).await;
        assert_eq!(
            ran.result.status == RunStatus::Completed,
            completes,
            "{category} {enabled}"
        );
        if completes {
            assert_eq!(ran.result.output["a"], json!({"instead_of": "no luck"}));
        }
    }
}

#[tokio::test]
async fn continue_on_error_goes_on_with_the_error_as_the_output() {
    let ran = fail(
        json!({"category": "network", "message": "gone"}),
        json!({"continue_on_error": true}),
    )
    .await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(
        ran.result.output["a"],
        json!({"step_error": true, "error_message": "gone", "error_category": "network", "error_severity": "error",
            "step_name": "a", "original_data": {"given": 1}, "context": {"execution_id": "exec_1", "attempt": 1}})
    );
    let step = &ran.of(EventType::StepError)[0].data;
    assert_eq!(
        (&step["continued"], &step["next"]),
        (&json!(true), &json!(["b"]))
    );
    assert_eq!(ran.last().data["steps_completed"], 1);
}

#[tokio::test]
async fn paths_can_ask_whether_the_step_failed() {
    for (times, expected) in [(0, "good"), (9, "bad")] {
        let definition = pipeline(
            json!([
                {"id": "a", "type": "fail", "config": {"times": times}, "error_handling": {"continue_on_error": true}},
                {"id": "good", "class": "Ok"},
                {"id": "bad", "class": "Ok"},
            ]),
            json!([
                {"from": "a", "to": "good", "condition": {"type": "success"}},
                {"from": "a", "to": "bad", "condition": {"type": "failure"}},
            ]),
        );
        let ran = run_with(&registry(), &definition, json!({})).await;
        assert_eq!(ran.begun(), ["a", expected]);
    }
}

#[tokio::test]
async fn errors_that_were_gone_on_from_do_not_nest_without_end() {
    let many = 30;
    let steps: Value = (0..many)
        .map(|at| json!({"id": format!("s{at}"), "type": "fail"}))
        .collect();
    let chain: Vec<String> = (1..many).map(|at| format!("s{}>s{at}", at - 1)).collect();
    let mut definition = pipeline(steps, paths(&chain.join(" ")));
    definition["error_handling"] = json!({"continue_on_error": true});
    let ran = run_with(&registry(), &definition, json!({"given": 1})).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(
        ran.result.output["s29"]["original_data"],
        json!({"given": 1})
    );
}

#[tokio::test]
async fn end_with_failure_fails_the_run_after_the_others_have_finished() {
    let definition = pipeline(
        json!([{"id": "a", "class": "Ok"}, {"id": "b", "type": "delay", "config": {"seconds": 0.02}}, {"id": "c", "class": "Ok"}]),
        paths("a>end_with_failure a>b b>c"),
    );
    let ran = run_with(&registry(), &definition, json!({})).await;
    assert_eq!(ran.begun(), ["a", "b", "c"]);
    assert_eq!(ran.result.status, RunStatus::Failed);
    assert_eq!(ran.last().data["reason"], "failed");
}

#[tokio::test]
async fn a_step_that_panics_is_a_step_error() {
    let definition = pipeline(json!([{"id": "a", "class": "Panics"}]), json!([]));
    let ran = run_with(&registry(), &definition, json!({})).await;
    assert_eq!(
        ran.of(EventType::StepError)[0].data["error"],
        json!({"category": "unknown", "severity": "critical", "message": "panicked: oh no", "recoverable": false})
    );
}

#[tokio::test]
async fn when_a_step_fails_what_runs_beside_it_is_stopped_and_told() {
    let definition = pipeline(
        json!([
            {"id": "a", "class": "Ok"},
            {"id": "b", "type": "delay", "config": {"seconds": 0.05}},
            {"id": "c", "type": "fail"},
            {"id": "d", "class": "Hangs"},
        ]),
        paths("a>b a>d b>c"),
    );
    let ran = run_with(&registry(), &definition, json!({})).await;
    let errors: Vec<_> = ran
        .of(EventType::StepError)
        .into_iter()
        .map(|event| {
            (
                event.step_id.as_ref().unwrap().as_str(),
                &event.data["error"]["severity"],
            )
        })
        .collect();
    assert_eq!(errors, [("c", &json!("error")), ("d", &json!("info"))]);
    assert_eq!(ran.result.error.unwrap().step_id.unwrap().as_str(), "c");
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_a_timeout_and_can_be_tried_again() {
    let definition = pipeline(
        json!([{"id": "a", "class": "Hangs", "timeout_seconds": 0.02,
            "error_handling": {"retry": {"max_attempts": 2, "initial_delay": 0.001}}}]),
        json!([]),
    );
    let ran = run_with(&registry(), &definition, json!({})).await;
    let step = &ran.of(EventType::StepError)[0].data;
    assert_eq!(
        (&step["attempt"], &step["error"]["category"]),
        (&json!(2), &json!("timeout"))
    );
    assert_eq!(step["error"]["message"], "took longer than 0.02 s");
    assert_eq!(ran.last().data["reason"], "failed");
}

#[tokio::test]
async fn a_run_that_takes_too_long_ends_as_timeout() {
    let definition = pipeline(json!([{"id": "a", "class": "Hangs"}]), json!([]));
    let options = RunOptions {
        timeout: Some(Duration::from_millis(30)),
        ..RunOptions::default()
    };
    let ran = start(&registry(), &definition, json!({}), options)
        .end()
        .await;
    assert_eq!(ran.result.status, RunStatus::Timeout);
    assert_eq!(ran.last().data["reason"], "timeout");
    assert_eq!(ran.of(EventType::StepError).len(), 1);
}

#[tokio::test]
async fn cancelling_ends_every_step_and_then_the_run() {
    let definition = pipeline(
        json!([{"id": "a", "class": "Ok"}, {"id": "b", "class": "Hangs"}, {"id": "c", "class": "Hangs"},
            {"id": "d", "type": "fail", "config": {"category": "network"},
             "error_handling": {"continue_on_error": true, "retry": {"initial_delay": 60}}}]),
        paths("a>b a>c a>d"),
    );
    let mut running = start(&registry(), &definition, json!({}), RunOptions::default());
    running.until(|event| event.data["kind"] == "retry").await;
    let asked = Instant::now();
    running.cancel.cancel();
    let ran = running.end().await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(ran.result.status, RunStatus::Cancelled);
    assert_eq!(ran.last().data["reason"], "cancelled");
    let started = ran.begun().len();
    assert_eq!(ran.of(EventType::StepError).len(), started - 1);
    for event in ran.of(EventType::StepError) {
        assert_eq!(event.data["continued"], false);
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_before_it_begins_runs_no_step() {
    let definition = pipeline(json!([{"id": "a", "class": "Ok"}]), json!([]));
    let options = RunOptions::default();
    options.cancel.cancel();
    let ran = start(&registry(), &definition, json!({}), options)
        .end()
        .await;
    assert_eq!(ran.result.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_run_whose_log_takes_no_more_stops() {
    let definition = pipeline(json!([{"id": "a", "class": "Hangs"}]), json!([]));
    let pipeline = Arc::new(Pipeline::from_json(&definition, &registry()).unwrap());
    let result = run(
        pipeline,
        object(json!({})),
        ended_context().await,
        RunOptions::default(),
    )
    .await;
    assert_eq!(result.status, RunStatus::Failed);
    assert!(
        result
            .error
            .unwrap()
            .message
            .contains("the execution has ended")
    );
}
