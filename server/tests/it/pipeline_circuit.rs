//! Circuit breakers: open after failures in a row, left alone for a while, tried with care, closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::pipeline::{Pipeline, RunStatus};
use stepcast::step::{Category, StepError, StepRegistry};
use stepcast_core::event::EventType;

use crate::pipeline_harness::{Ran, pipeline, run_with};

/// A service that is up or down, and counts its calls.
struct Service {
    registry: StepRegistry,
    up: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

impl Service {
    fn down() -> Self {
        let (up, calls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU32::new(0)),
        );
        let mut registry = StepRegistry::builtin();
        let seen = (Arc::clone(&up), Arc::clone(&calls));
        registry.register_fn("Calls", move |_| {
            seen.1.fetch_add(1, Ordering::SeqCst);
            let up = seen.0.load(Ordering::SeqCst);
            async move {
                up.then(|| json!({"up": true}))
                    .ok_or_else(|| StepError::new(Category::Network, "down"))
            }
        });
        Self {
            registry,
            up,
            calls,
        }
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }

    async fn run(&self, handling: Value) -> Ran {
        self.run_as("p", "api", handling).await
    }

    async fn run_as(&self, name: &str, step: &str, handling: Value) -> Ran {
        let step = json!({"id": step, "class": "Calls", "error_handling": handling});
        let mut definition = pipeline(json!([step]), json!([]));
        definition["name"] = name.into();
        run_with(&self.registry, &definition, json!({})).await
    }
}

fn breaker(failures: u32, seconds: f64, successes: u32) -> Value {
    json!({"circuit_breaker": {
        "failure_threshold": failures, "recovery_timeout": seconds, "success_threshold": successes,
    }})
}

/// What was told of the circuit: state and failures.
fn told(ran: &Ran) -> Vec<(String, u64)> {
    let events = ran.progress("api", "circuit").into_iter();
    events
        .map(|data| {
            assert_eq!(data["name"], "api");
            let state = data["state"].as_str().unwrap().to_owned();
            (state, data["failures"].as_u64().unwrap())
        })
        .collect()
}

fn failure(ran: &Ran) -> &Value {
    &ran.of(EventType::StepError)[0].data["error"]
}

#[tokio::test]
async fn an_open_circuit_fails_at_once_and_says_when_it_is_tried_again() {
    let service = Service::down();
    let handling = breaker(2, 60.0, 1);
    assert!(told(&service.run(handling.clone()).await).is_empty());
    let second = service.run(handling.clone()).await;
    assert_eq!(told(&second), [("open".to_owned(), 2)]);
    let opened = &second.progress("api", "circuit")[0];
    assert_eq!(opened["retry_after_ms"], 60_000.0);
    assert_eq!(failure(&second)["message"], "down");

    service.up.store(true, Ordering::SeqCst);
    let third = service.run(handling.clone()).await;
    assert_eq!(third.result.status, RunStatus::Failed);
    assert_eq!(service.calls(), 2);
    assert_eq!(failure(&third)["category"], "dependency");
    let message = failure(&third)["message"].as_str().unwrap();
    let start = "the circuit of `api` is open after 2 failures; it is tried again in ";
    let left = message.strip_prefix(start).unwrap();
    let left: f64 = left.strip_suffix(" s").unwrap().parse().unwrap();
    assert!(left > 0.0 && left <= 60.0, "{message}");

    // it stands in front of this step of pipelines of this name, and of nothing else
    for (name, step) in [("p", "other"), ("q", "api")] {
        let ran = service.run_as(name, step, handling.clone()).await;
        assert_eq!(ran.result.status, RunStatus::Completed, "{name} {step}");
    }
}

#[tokio::test]
async fn after_its_time_attempts_are_made_with_care_and_close_it_or_open_it_again() {
    let service = Service::down();
    let handling = breaker(1, 0.05, 2);
    let over = || tokio::time::sleep(Duration::from_millis(60));
    assert_eq!(
        told(&service.run(handling.clone()).await),
        [("open".to_owned(), 1)]
    );
    over().await;
    let again = told(&service.run(handling.clone()).await);
    assert_eq!(again, [("half_open".to_owned(), 1), ("open".to_owned(), 2)]);
    over().await;
    service.up.store(true, Ordering::SeqCst);
    let first = service.run(handling.clone()).await;
    assert_eq!(told(&first), [("half_open".to_owned(), 2)]);
    assert_eq!(first.result.status, RunStatus::Completed);
    let second = service.run(handling.clone()).await;
    assert_eq!(told(&second), [("closed".to_owned(), 0)]);
    assert!(told(&service.run(handling).await).is_empty());
    assert_eq!(service.calls(), 5);
}

#[tokio::test]
async fn an_attempt_that_goes_well_begins_the_count_anew() {
    let service = Service::down();
    for up in [false, true, false, true, false] {
        service.up.store(up, Ordering::SeqCst);
        assert!(told(&service.run(breaker(2, 60.0, 1)).await).is_empty());
    }
    assert_eq!(
        told(&service.run(breaker(2, 60.0, 1)).await),
        [("open".to_owned(), 2)]
    );
}

#[tokio::test]
async fn retries_end_where_it_opens_and_the_fallback_is_taken() {
    let service = Service::down();
    let mut handling = breaker(2, 60.0, 1);
    handling["retry"] = json!({"max_attempts": 5, "initial_delay": 0.01, "jitter": false});
    handling["fallback_output"] = json!({"instead": true});
    for calls in [2, 2] {
        let ran = service.run(handling.clone()).await;
        assert_eq!(ran.result.status, RunStatus::Completed);
        assert_eq!(ran.last().data["output"]["instead"], true);
        assert_eq!(service.calls(), calls);
        assert_eq!(ran.progress("api", "fallback").len(), 1);
    }
}

#[test]
fn what_is_no_breaker_is_refused_with_its_place() {
    let definition = |breaker: Value| {
        let handling = json!({"circuit_breaker": breaker});
        pipeline(
            json!([{"id": "a", "type": "fail", "error_handling": handling}]),
            json!([]),
        )
    };
    for (breaker, place) in [
        (
            json!({"failure_threshold": 0}),
            "circuit_breaker.failure_threshold",
        ),
        (
            json!({"recovery_timeout": -1}),
            "circuit_breaker.recovery_timeout",
        ),
        (
            json!({"success_treshold": 1}),
            "did you mean `success_threshold`",
        ),
        (json!(true), "circuit_breaker"),
    ] {
        let problems = Pipeline::from_json(&definition(breaker), &StepRegistry::builtin());
        let problems = problems.unwrap_err();
        assert!(problems[0].to_string().contains(place), "{}", problems[0]);
    }
}
