//! Tokens on their way from a step to the log: merged, in order, in time, and all of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::pipeline::{RunOptions, RunStatus};
use stepcast::step::{Category, LogLevel, StepContext, StepError, StepRegistry};
use stepcast_core::event::EventType;
use tokio::time::{Instant, sleep};

use crate::pipeline_harness::{Ran, pipeline, run_with, start};

/// A pipeline of one step of class `Step`, with this `streaming` block.
fn one(streaming: Value, step: Value) -> Value {
    let mut definition = pipeline(json!([step]), json!([]));
    definition["streaming"] = streaming;
    definition
}

fn step() -> Value {
    json!({"id": "s", "class": "Step"})
}

fn texts(ran: &Ran) -> Vec<String> {
    let tokens = ran.progress("s", "token").into_iter();
    tokens
        .map(|data| data["text"].as_str().unwrap().to_owned())
        .collect()
}

/// Says `0 `, `1 `, … with a pause between them.
fn counting(count: u32, pause: Duration) -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Step", move |context: StepContext| async move {
        for n in 0..count {
            context.emit_token(&format!("{n} ")).await;
            sleep(pause).await;
        }
        Ok(json!({}))
    });
    registry
}

fn counted(count: u32) -> String {
    (0..count).map(|n| format!("{n} ")).collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_token_is_an_event_of_its_own_and_the_rest_are_merged() {
    let registry = counting(1000, Duration::from_millis(2));
    let ran = run_with(&registry, &one(json!({}), step()), json!({})).await;
    let texts = texts(&ran);
    assert_eq!(texts[0], "0 ");
    assert!((18..=25).contains(&texts.len()), "{}", texts.len());
    assert_eq!(texts.concat(), counted(1000));
}

#[tokio::test(start_paused = true)]
async fn the_pipeline_says_how_long_and_zero_merges_nothing() {
    let registry = counting(100, Duration::from_millis(10));
    for (interval, least, most) in [(0, 100, 100), (500, 2, 4), (20, 40, 60)] {
        let streaming = json!({"flush_interval_ms": interval});
        let ran = run_with(&registry, &one(streaming, step()), json!({})).await;
        let texts = texts(&ran);
        assert!(
            (least..=most).contains(&texts.len()),
            "{interval} ms: {}",
            texts.len()
        );
        assert_eq!(texts.concat(), counted(100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_held_no_longer_than_the_interval() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Step", |context: StepContext| async move {
        context.emit_token("a").await;
        context.emit_token("b").await;
        std::future::pending::<()>().await;
        Ok(json!({}))
    });
    let begun = Instant::now();
    let mut running = start(
        &registry,
        &one(json!({}), step()),
        json!({}),
        RunOptions::default(),
    );
    running.until(|event| event.data["text"] == "a").await;
    assert!(begun.elapsed() < Duration::from_millis(5));
    running.until(|event| event.data["text"] == "b").await;
    assert!(
        begun.elapsed() <= Duration::from_millis(102),
        "{:?}",
        begun.elapsed()
    );
    running.cancel.cancel();
    assert_eq!(running.end().await.result.status, RunStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn nothing_else_that_the_step_says_overtakes_a_token() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Step", |context: StepContext| async move {
        context.emit_reasoning("th").await;
        context.emit_reasoning("ink").await;
        context.emit_token("a").await;
        context.emit_token("b").await;
        context.log(LogLevel::Info, "line").await;
        context.emit_token("c").await;
        context.emit_tool_call("call_1", "search").await;
        context.emit_arguments("call_1", "{\"q\":").await;
        context.emit_arguments("call_1", "1").await;
        context.emit_arguments("call_1", "}").await;
        context.emit_tool_call_done("call_1").await;
        context.emit_token("d").await;
        context.emit_token("e").await;
        Ok(json!({"text": "abcde"}))
    });
    let ran = run_with(&registry, &one(json!({}), step()), json!({})).await;
    let data: Vec<&Value> = ran
        .of(EventType::StepProgress)
        .into_iter()
        .map(|event| &event.data)
        .collect();
    let expected = [
        json!({"kind": "token", "channel": "reasoning", "text": "th"}),
        json!({"kind": "token", "channel": "reasoning", "text": "ink"}),
        json!({"kind": "token", "text": "a"}),
        json!({"kind": "token", "text": "b"}),
        json!({"kind": "log", "level": "info", "message": "line"}),
        json!({"kind": "token", "text": "c"}),
        json!({"kind": "tool_call", "call_id": "call_1", "name": "search"}),
        json!({"kind": "tool_call", "call_id": "call_1", "arguments": "{\"q\":"}),
        json!({"kind": "tool_call", "call_id": "call_1", "arguments": "1}"}),
        json!({"kind": "tool_call", "call_id": "call_1", "done": true}),
        json!({"kind": "token", "text": "d"}),
        json!({"kind": "token", "text": "e"}),
        json!({"progress": 1.0}),
    ];
    assert_eq!(data, expected.iter().collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn what_is_held_when_the_step_is_stopped_is_written_before_its_end() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Step", |context: StepContext| async move {
        for text in ["a", "b", "\u{1F468}\u{200D}"] {
            context.emit_token(text).await;
        }
        std::future::pending::<()>().await;
        Ok(json!({}))
    });
    let mut late = step();
    late["timeout_seconds"] = json!(0.01);
    let ran = run_with(&registry, &one(json!({}), late), json!({})).await;
    assert_eq!(texts(&ran).concat(), "ab\u{1F468}\u{200D}");

    let running = start(
        &registry,
        &one(json!({}), step()),
        json!({}),
        RunOptions::default(),
    );
    sleep(Duration::from_millis(10)).await;
    running.cancel.cancel();
    let ran = running.end().await;
    assert_eq!(texts(&ran).concat(), "ab\u{1F468}\u{200D}");
    assert_eq!(ran.result.status, RunStatus::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn many_streams_share_the_timer_and_need_no_task_of_their_own() {
    let mut registry = StepRegistry::builtin();
    let most = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&most);
    registry.register_fn("Step", move |context: StepContext| {
        let seen = Arc::clone(&seen);
        async move {
            for n in 0..200 {
                context.emit_token(&format!("{n} ")).await;
                sleep(Duration::from_millis(7)).await;
            }
            let alive = tokio::runtime::Handle::current()
                .metrics()
                .num_alive_tasks();
            seen.fetch_max(u32::try_from(alive).unwrap(), Ordering::Relaxed);
            Ok(json!({}))
        }
    });
    let mut steps = vec![json!({"id": "start", "type": "set", "config": {"values": {"x": 1}}})];
    steps.extend((0..100).map(|n| json!({"id": format!("s{n}"), "class": "Step"})));
    let paths: Vec<Value> = (0..100)
        .map(|n| json!({"from": "start", "to": format!("s{n}")}))
        .collect();
    let ran = run_with(&registry, &pipeline(json!(steps), json!(paths)), json!({})).await;
    for n in 0..100 {
        let tokens = ran.progress(&format!("s{n}"), "token");
        assert!((13..=16).contains(&tokens.len()), "{}", tokens.len());
        let text: String = tokens
            .iter()
            .map(|data| data["text"].as_str().unwrap())
            .collect();
        assert_eq!(text, counted(200));
    }
    // a task for each step, and the run's own
    let most = most.load(Ordering::Relaxed);
    assert!((100..=103).contains(&most), "{most} tasks");
}

/// Fails with something to show, and counts how often it is tried.
fn breaking(tries: Arc<AtomicU32>, category: Category) -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Step", move |context: StepContext| {
        tries.fetch_add(1, Ordering::Relaxed);
        async move {
            context.keep_partial(|| Some(json!({"text": "half"})));
            context.emit_token("half").await;
            Err(StepError::new(category, "broke off"))
        }
    });
    registry
}

#[tokio::test(start_paused = true)]
async fn a_step_that_breaks_off_shows_what_it_had_and_is_not_tried_again_unasked() {
    for (asked, expected) in [(false, 1), (true, 3)] {
        let tries = Arc::new(AtomicU32::new(0));
        let registry = breaking(Arc::clone(&tries), Category::Network);
        let mut step = step();
        step["error_handling"] = json!({"retry": {"max_attempts": 3, "retry_partial": asked}});
        let ran = run_with(&registry, &one(json!({}), step), json!({})).await;
        assert_eq!(tries.load(Ordering::Relaxed), expected);
        let outputs = ran.of(EventType::StepOutput);
        assert_eq!(outputs.len(), 1);
        assert_eq!(
            outputs[0].data,
            json!({"output": {"text": "half"}, "partial": true})
        );
        let errors = ran.of(EventType::StepError);
        assert_eq!(
            (errors.len(), &errors[0].data["partial"]),
            (1, &json!(true))
        );
        assert_eq!(errors[0].seq, outputs[0].seq + 1);
        assert_eq!(texts(&ran).concat(), "half".repeat(expected as usize));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_replaces_the_policys_own_up_to_its_longest() {
    for (asked, tries) in [(7.0, 2), (61.0, 1)] {
        let mut registry = StepRegistry::builtin();
        registry.register_fn("Step", move |context: StepContext| async move {
            if context.attempt() == 2 {
                return Ok(json!({}));
            }
            let error = StepError::new(Category::Dependency, "too many requests");
            Err(error.with_retry_after(Some(Duration::from_secs_f64(asked))))
        });
        let mut step = step();
        step["error_handling"] = json!({"retry": {"max_attempts": 2, "initial_delay": 1}});
        let begun = Instant::now();
        let ran = run_with(&registry, &one(json!({}), step), json!({})).await;
        let retries = ran.progress("s", "retry");
        assert_eq!(retries.len(), tries - 1);
        if tries == 2 {
            assert_eq!(retries[0]["delay_ms"], 7000.0);
            assert!(begun.elapsed() >= Duration::from_secs(7));
            assert_eq!(ran.result.status, RunStatus::Completed);
        } else {
            let error = ran.result.error.unwrap().message;
            assert!(
                error.contains("asks to wait 61 s, longer than `max_delay` (60 s)"),
                "{error}"
            );
        }
    }
}
