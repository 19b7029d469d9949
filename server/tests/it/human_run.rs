//! Runs that ask, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::pipeline::{Desk, Refused, RunOptions, RunStatus};
use stepcast::step::{AnswerSource, Category, Question, StepContext, StepRegistry};
use stepcast_core::event::{EventType, StreamEvent};
use tokio::time::Instant;

use crate::human_api::asks;
use crate::pipeline_harness::{Running, object, paths, pipeline, start};

/// On the clock of these tests nothing takes longer.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn waiting(event: &StreamEvent) -> bool {
    event.data["kind"] == "waiting"
}

/// A run whose questions are answered at this desk.
fn begin(registry: &StepRegistry, definition: &Value, options: RunOptions) -> (Running, Arc<Desk>) {
    let desk = Arc::new(Desk::default());
    let options = RunOptions {
        desk: Some(Arc::clone(&desk)),
        ..options
    };
    (start(registry, definition, json!({}), options), desk)
}

#[tokio::test(start_paused = true)]
async fn no_clock_counts_the_days_that_people_take() {
    let mut definition = pipeline(
        json!([
            {"id": "work", "type": "delay", "config": {"seconds": 4}},
            {"id": "ask", "type": "human", "config": {"prompt": "?", "timeout_seconds": 864_000}},
            {"id": "more", "type": "delay", "config": {"seconds": 4}},
        ]),
        paths("work>ask ask>more"),
    );
    definition["timeout_seconds"] = 10.into();
    definition["loop_config"] = json!({"max_loop_time_seconds": 10});
    let begun = Instant::now();
    let (mut running, desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let told = running.until(waiting).await;
    tokio::time::advance(Duration::from_secs(9 * 86_400)).await;
    let answer = object(json!({"user_input": "yes"}));
    let taken = desk.answer("ask.1", answer, None).await.unwrap();
    assert_eq!(
        (told.data["wait_id"].as_str(), taken.source),
        (Some("ask.1"), AnswerSource::Person)
    );
    let ran = running.end_within(YEAR).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert!(begun.elapsed() > Duration::from_secs(9 * 86_400));
    let whole = ran.last().data["duration_ms"].as_f64().unwrap();
    assert!((8_000.0..8_100.0).contains(&whole), "{whole}");
    let ends = ran.of(EventType::StepComplete);
    assert!(ends[1].data["duration_ms"].as_f64().unwrap() < 1000.0);
}

#[tokio::test(start_paused = true)]
async fn what_works_beside_a_question_counts() {
    let definition = pipeline(
        json!([
            {"id": "fork", "type": "set", "config": {"values": {}}},
            {"id": "ask", "type": "human", "config": {"prompt": "?"}},
            {"id": "work", "type": "delay", "config": {"seconds": 60}},
        ]),
        paths("fork>ask fork>work"),
    );
    let options = RunOptions {
        timeout: Some(Duration::from_secs(30)),
        ..RunOptions::default()
    };
    let (running, _desk) = begin(&StepRegistry::builtin(), &definition, options);
    assert_eq!(
        running.end_within(YEAR).await.result.status,
        RunStatus::Timeout
    );
}

#[tokio::test(start_paused = true)]
async fn a_deadline_gives_the_default_or_an_error_like_others() {
    let with = |config: Value, handling: Value| {
        let mut definition = asks(config);
        definition["steps"][0]["error_handling"] = handling;
        definition
    };
    let registry = StepRegistry::builtin();
    let begun = Instant::now();
    let config = json!({"choices": ["a", "b"], "timeout_seconds": 3600, "default": "b"});
    let (running, _desk) = begin(&registry, &with(config, Value::Null), RunOptions::default());
    let ran = running.end_within(YEAR).await;
    assert_eq!(begun.elapsed().as_secs(), 3600);
    assert_eq!(ran.result.output["decided"], "b");
    assert_eq!(ran.result.output["timed_out"], true);

    // asked again, with another id, and then given up
    let config = json!({"choices": ["a"], "timeout_seconds": 60});
    let retry = json!({"retry": {"max_attempts": 2, "initial_delay": 1}, "fallback_output": {"decision": "nobody"}});
    let (running, _desk) = begin(
        &registry,
        &with(config.clone(), retry),
        RunOptions::default(),
    );
    let ran = running.end_within(YEAR).await;
    let ids: Vec<&Value> = ran
        .progress("review", "waiting")
        .iter()
        .map(|data| &data["wait_id"])
        .collect();
    assert_eq!(ids, ["review.1", "review.1-2"]);
    assert_eq!(ran.progress("review", "retry").len(), 1);
    assert_eq!(ran.result.output["decided"], "nobody");

    let (running, desk) = begin(&registry, &with(config, Value::Null), RunOptions::default());
    let ran = running.end_within(YEAR).await;
    let error = ran.result.error.unwrap();
    assert_eq!(
        (error.category, error.recoverable),
        (Category::Timeout, true)
    );
    let late = desk
        .answer("review.1", object(json!({"decision": "a"})), None)
        .await;
    assert_eq!(late, Err(Refused::Ended));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_step_is_that_of_the_person() {
    let mut definition = asks(json!({"choices": ["a"], "default": "a"}));
    definition["steps"][0]["timeout_seconds"] = 7200.into();
    let begun = Instant::now();
    let (running, _desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    assert_eq!(
        running.end_within(YEAR).await.result.status,
        RunStatus::Completed
    );
    assert_eq!(begun.elapsed().as_secs(), 7200);
}

#[tokio::test(start_paused = true)]
async fn a_step_asks_in_the_middle_of_its_work_and_its_timeout_is_of_work() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Asks", |context: StepContext| async move {
        tokio::time::sleep(Duration::from_secs(6)).await;
        context.emit_token("thinking ").await;
        let first = context.ask(Question::choice("One?", "n", ["x", "y"])).await?;
        let second = context.ask(Question::new("Two?").with_timeout(Duration::from_secs(500))).await?;
        let slow = context.config()["slow"].as_u64().unwrap();
        tokio::time::sleep(Duration::from_secs(slow)).await;
        Ok(json!({"first": first.values["n"], "second": second.values["user_input"], "by": second.by}))
    });
    for (slow, status) in [(3, RunStatus::Completed), (5, RunStatus::Failed)] {
        let definition = pipeline(
            json!([{"id": "a", "class": "Asks", "config": {"slow": slow}, "timeout_seconds": 10}]),
            json!([]),
        );
        let (mut running, desk) = begin(&registry, &definition, RunOptions::default());
        running.until(waiting).await;
        tokio::time::advance(Duration::from_secs(1_000_000)).await;
        let one = desk.answer("a.1", object(json!({"n": "y"})), None).await;
        assert!(one.is_ok());
        running.until(waiting).await;
        assert_eq!(desk.open()[0].wait_id, "a.1-2");
        tokio::time::advance(Duration::from_secs(499)).await;
        let two = object(json!({"user_input": "zwei"}));
        desk.answer("a.1-2", two, Some("bob".into())).await.unwrap();
        let ran = running.end_within(YEAR).await;
        assert_eq!(ran.result.status, status);
        // tokens before the question are not overtaken by it
        let order: Vec<&str> = ran
            .of(EventType::StepProgress)
            .iter()
            .filter_map(|event| event.data["kind"].as_str())
            .collect();
        assert_eq!(order[..4], ["token", "waiting", "answered", "waiting"]);
        if status == RunStatus::Completed {
            assert_eq!(
                ran.result.output["a"],
                json!({"first": "y", "second": "zwei", "by": "bob"})
            );
        } else {
            assert_eq!(ran.result.error.unwrap().message, "took longer than 10 s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_asks_each_time_and_branches_ask_at_once() {
    let change = json!({"type": "field_equals", "field": "review.decision", "value": "change"});
    let definition = json!({
        "name": "Loop",
        "steps": [
            {"id": "fork", "type": "set", "config": {"values": {}}},
            {"id": "other", "type": "approval", "config": {"prompt": "And this?"}},
            {"id": "draft", "type": "set", "config": {"values": {"text": "…"}}},
            {"id": "review", "type": "human", "config": {"prompt": "Good?", "choices": ["approve", "change"]}},
        ],
        "flow": {"start_at": "fork", "paths": [
            {"from": "fork", "to": "other"}, {"from": "fork", "to": "draft"}, {"from": "draft", "to": "review"},
            {"from": "review", "to": "draft", "condition": change},
        ]},
    });
    let (mut running, desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    for n in 1..=3 {
        // the first time both ask, in whichever order
        for _ in 0..1 + usize::from(n == 1) {
            running.until(waiting).await;
        }
        let ids: Vec<String> = desk
            .open()
            .iter()
            .map(|wait| wait.wait_id.clone())
            .collect();
        assert_eq!(ids, ["other.1".to_owned(), format!("review.{n}")]);
        let decision = if n < 3 { "change" } else { "approve" };
        let answer = object(json!({"decision": decision}));
        let taken = desk.answer(&format!("review.{n}"), answer, None).await;
        assert!(taken.is_ok(), "{taken:?}");
    }
    let other = object(json!({"decision": "request_changes"}));
    desk.answer("other.1", other, None).await.unwrap();
    let ran = running.end_within(YEAR).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(ran.progress("review", "answered").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_placeholders_turn_out_to_be_is_asked() {
    let values = json!({"n": 3, "users": ["ann", "bob"], "options": ["x", {"value": 2, "label": "Two"}], "t": 60, "d": {"pick": 2}});
    let definition = pipeline(
        json!([
            {"id": "given", "type": "set", "config": {"values": values}},
            {"id": "ask", "type": "human", "config": {
                "prompt": "{{ given.n }}", "assigned_users": "{{ given.users }}", "context": "{{ given }}",
                "form": {"title": "{{ given.n }} of them", "fields": [
                    {"name": "pick", "type": "select", "label": "{{ given.n }}", "options": "{{ given.options }}", "required": true}]},
                "timeout_seconds": "{{ given.t }}", "default": "{{ given.d }}"}},
        ]),
        paths("given>ask"),
    );
    let (mut running, _desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let told = running.until(waiting).await;
    assert_eq!(told.data["prompt"], "3");
    assert_eq!(told.data["assigned_users"], json!(["ann", "bob"]));
    assert_eq!(told.data["context"]["n"], 3);
    assert_eq!(told.data["form"]["title"], "3 of them");
    assert_eq!(
        told.data["form"]["fields"][0]["options"],
        json!([{"value": "x", "label": "x"}, {"value": 2, "label": "Two"}])
    );
    let ran = running.end_within(YEAR).await;
    assert_eq!(ran.result.output["pick"], 2);

    let wrong = pipeline(
        json!([{"id": "ask", "type": "human", "config": {"prompt": "?", "choices": "{{ input.none }}"}}]),
        json!([]),
    );
    let (running, _desk) = begin(&StepRegistry::builtin(), &wrong, RunOptions::default());
    let error = running.end_within(YEAR).await.result.error.unwrap();
    assert_eq!(error.category, Category::Configuration);
    assert!(
        error
            .message
            .contains("$.config.choices: options are a list"),
        "{}",
        error.message
    );
}

#[tokio::test(start_paused = true)]
async fn any_output_may_ask_as_the_original_librarys_steps_do() {
    let urgent = json!({
        "status": "time_sensitive_decision", "interaction_id": "i", "timeout_seconds": 300, "default_action": "abort",
        "ui_schema": {"type": "urgent_decision", "title": "Urgent", "fields": [
            {"name": "decision", "type": "radio", "label": "Your decision", "required": true,
             "options": [{"value": "proceed", "label": "✅ Proceed"}, {"value": "abort", "label": "❌ Abort"}]},
            {"name": "urgency_acknowledged", "type": "checkbox", "required": true}]},
    });
    let definition = pipeline(
        json!([{"id": "a", "type": "set", "config": {"values": urgent}}]),
        json!([]),
    );
    let (running, _desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let ran = running.end_within(YEAR).await;
    assert_eq!(
        ran.result.output["a"],
        json!({"interaction_id": "i", "decision": "abort", "urgency_acknowledged": null,
            "human_input": {"decision": "abort", "urgency_acknowledged": null}, "responded_by": null, "timed_out": true})
    );

    let odd = json!({"status": "human_input_required", "ui_schema": {"fields": [{"name": "x", "type": "hologram", "size": 3}]}});
    let definition = pipeline(
        json!([{"id": "a", "type": "set", "config": {"values": odd},
            "output_schema": {"required": ["x", "human_input"]}}]),
        json!([]),
    );
    let (mut running, desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let told = running.until(waiting).await;
    assert_eq!(told.data["form"]["fields"][0]["type"], "text");
    desk.answer("a.1", object(json!({"x": "y"})), None)
        .await
        .unwrap();
    assert_eq!(
        running.end_within(YEAR).await.result.status,
        RunStatus::Completed
    );

    let broken = json!({"status": "human_input_required", "form": {"fields": [{"type": "text"}]}});
    let definition = pipeline(
        json!([{"id": "a", "type": "set", "config": {"values": broken}}]),
        json!([]),
    );
    let (running, _desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let error = running.end_within(YEAR).await.result.error.unwrap();
    assert_eq!(error.category, Category::Validation);
    assert_eq!(
        error.message,
        "the step's question cannot be asked: $.form.fields[0]: a field needs a `name`"
    );
}

#[tokio::test(start_paused = true)]
async fn the_original_librarys_classes_that_only_ask_are_here() {
    let definition = pipeline(
        json!([
            {"id": "text", "type": "set", "config": {"values": {"content": "once"}}},
            {"id": "review", "module": "ia_modules.pipeline.hitl", "step_class": "ReviewAndApproveStep",
             "config": {"prompt": "Fine?", "timeout": 3600}},
            {"id": "urgent", "module": "ia_modules.pipeline.hitl", "step_class": "TimeBasedDecisionStep", "config": {}},
        ]),
        paths("text>review review>urgent"),
    );
    let (mut running, desk) = begin(&StepRegistry::builtin(), &definition, RunOptions::default());
    let told = running.until(waiting).await;
    assert_eq!(
        (&told.data["context"], &told.data["prompt"]),
        (&json!("once"), &json!("Fine?"))
    );
    assert!(told.data["expires_at"].is_string());
    let answer = object(json!({"decision": "approve"}));
    desk.answer("review.1", answer, None).await.unwrap();
    let begun = Instant::now();
    let ran = running.end_within(YEAR).await;
    assert_eq!(begun.elapsed().as_secs(), 300);
    assert_eq!(ran.result.output["urgent"]["decision"], "proceed");
}

#[tokio::test(start_paused = true)]
async fn the_example_of_a_review_goes_round_until_somebody_is_content() {
    let definition = include_str!("../../../examples/review/pipeline.json");
    let definition = serde_json::from_str(definition).unwrap();
    let registry = StepRegistry::builtin();
    let (mut running, desk) = begin(&registry, &definition, RunOptions::default());
    for (n, decision, note) in [
        (1, "change", json!("Bring cake.")),
        (2, "publish", Value::Null),
    ] {
        let told = running.until(waiting).await;
        assert_eq!(
            told.data["prompt"],
            format!("Shall revision {n} be published?")
        );
        let answer = object(json!({"decision": decision, "note": note}));
        let id = format!("review.{n}");
        desk.answer(&id, answer, Some("alice".into()))
            .await
            .unwrap();
    }
    let ran = running.end_within(YEAR).await;
    assert_eq!(
        ran.result.output,
        json!({"notice": "The library is closed on Monday.\nBring cake.", "published": true, "by": "alice", "revisions": 2})
    );
    // nobody answers: it is dropped
    let (running, _desk) = begin(&registry, &definition, RunOptions::default());
    let ran = running.end_within(YEAR).await;
    assert_eq!(
        (&ran.result.output["published"], &ran.result.output["by"]),
        (&json!(false), &Value::Null)
    );
}
