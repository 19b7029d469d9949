//! Running pipelines: concurrency, joins, data, inputs, outputs, loops.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepcast::context::StreamingContext;
use stepcast::pipeline::{Pipeline, RunOptions, RunStatus, run};
use stepcast::step::{StepContext, StepRegistry};
use stepcast_core::event::EventType;
use tokio::sync::Barrier;

use crate::pipeline_harness::{object, paths, pipeline, run_with, start};

/// Steps of class `A`.
fn steps(ids: &[&str]) -> Value {
    ids.iter()
        .map(|id| json!({"id": id, "step_class": "A"}))
        .collect()
}

#[tokio::test]
async fn branches_run_at_the_same_time() {
    let barrier = Arc::new(Barrier::new(3));
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |_| async { Ok(json!({})) });
    // one after the other, the first would wait for ever
    registry.register_fn("Meet", move |_| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            Ok(json!({"met": true}))
        }
    });
    let definition = pipeline(
        json!([
            {"id": "fork", "step_class": "A"},
            {"id": "a", "step_class": "Meet"},
            {"id": "b", "step_class": "Meet"},
            {"id": "c", "step_class": "Meet"},
            {"id": "join", "step_class": "A"},
        ]),
        paths("fork>a fork>b fork>c a>join b>join c>join"),
    );
    let ran = run_with(&registry, &definition, json!({})).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(
        ran.begun().iter().filter(|step| **step == "join").count(),
        1
    );
    assert_eq!(*ran.begun().last().unwrap(), "join");
}

#[tokio::test]
async fn every_branch_is_followed_to_its_end() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |context: StepContext| async move {
        Ok(json!({"by": context.step_id()}))
    });
    let definition = pipeline(steps(&["a", "b", "c", "x", "y"]), paths("a>b a>c b>x c>y"));
    let ran = run_with(&registry, &definition, json!({})).await;
    let mut begun = ran.begun();
    begun.sort_unstable();
    assert_eq!(begun, ["a", "b", "c", "x", "y"]);
    for step in ["a", "b", "c", "x", "y"] {
        assert_eq!(ran.result.output[step], json!({"by": step}));
    }
}

#[tokio::test]
async fn steps_see_what_came_before_and_the_callers_input_is_not_changed() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |context: StepContext| async move {
        let value = context.data().get("value").and_then(Value::as_u64).unwrap();
        Ok(json!({"value": value + 1}))
    });
    let definition = pipeline(steps(&["a", "b"]), paths("a>b"));
    let ran = run_with(&registry, &definition, json!({"value": 1, "kept": true})).await;
    assert_eq!(
        serde_json::to_value(&ran.result).unwrap(),
        json!({
            "status": "completed",
            "input": {"value": 1, "kept": true},
            "steps": [
                {"step_name": "a", "step_index": 0, "result": {"value": 2}, "status": "completed"},
                {"step_name": "b", "step_index": 1, "result": {"value": 3}, "status": "completed"},
            ],
            "output": {"value": 3, "kept": true, "a": {"value": 2}, "b": {"value": 3}},
        })
    );
}

#[tokio::test]
async fn same_named_outputs_of_branches_stay_apart_by_step_id() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |context: StepContext| async move {
        Ok(json!({"count": context.step_id().as_str().len()}))
    });
    let definition = pipeline(
        steps(&["a", "bb", "ccc", "join"]),
        paths("a>bb a>ccc bb>join ccc>join"),
    );
    let output = run_with(&registry, &definition, json!({}))
        .await
        .result
        .output;
    assert_eq!(
        (&output["bb"]["count"], &output["ccc"]["count"]),
        (&json!(2), &json!(3))
    );
}

#[tokio::test]
async fn templates_inputs_and_outputs_are_resolved() {
    let definition = json!({
        "name": "p",
        "parameters": [{"name": "limit", "schema": {"type": "integer"}, "default": 3}],
        "steps": [
            {"id": "a", "type": "set", "config": {"values": {"n": "{{ parameters.limit }}", "text": "at most {{ parameters.limit }}"}}},
            {"id": "b", "type": "transform",
             "inputs": [{"name": "n", "source": "{missing.n}|{steps.a.output.n}", "required": true}],
             "config": {"expression": "{twice: (.n * 2), limit: $parameters.limit}"}},
        ],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b"}]},
        "outputs": {"result": "{{ b.twice }}", "all": "{{ steps.b.output }}", "said": "{{ a.text }}!", "not": "{{ gone.x }}"},
    });
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({})).await;
    assert_eq!(
        ran.result.output,
        json!({"result": 6, "all": {"twice": 6, "limit": 3}, "said": "at most 3!", "not": "{{ gone.x }}"})
    );
    let logs: Vec<&Value> = ran
        .of(EventType::StepProgress)
        .into_iter()
        .filter(|event| event.data["kind"] == "log")
        .map(|event| &event.data)
        .collect();
    assert_eq!(
        logs,
        [
            &json!({"kind": "log", "level": "warning", "message": "`{{ gone.x }}` has no value and is left as it is"})
        ]
    );
}

#[tokio::test]
async fn a_loop_runs_until_its_condition_fails_and_counts_its_iterations() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |context: StepContext| async move {
        Ok(json!({"round": context.iteration()}))
    });
    let definition = pipeline(
        steps(&["a", "b"]),
        json!([
            {"from": "a", "to": "b"},
            {"from": "b", "to": "a", "condition": {"type": "expression",
                "config": {"source": "result.round", "operator": "<", "value": 3}}},
            {"from": "b", "to": "end", "condition": "else"},
        ]),
    );
    let ran = run_with(&registry, &definition, json!({})).await;
    assert_eq!(ran.begun(), ["a", "b", "a", "b", "a", "b"]);
    let ends: Vec<(&Value, &Value)> = ran
        .of(EventType::StepComplete)
        .into_iter()
        .map(|event| (&event.data["iteration"], &event.data["next"]))
        .collect();
    assert_eq!(ends[3], (&json!(2), &json!(["a"])));
    assert_eq!(ends[5], (&json!(3), &json!(["end"])));
    // the counts belong to the run: the pipeline can be run again
    assert_eq!(
        run_with(&registry, &definition, json!({}))
            .await
            .begun()
            .len(),
        6
    );
}

#[tokio::test]
async fn the_delay_of_a_loop_is_kept() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |_| async { Ok(json!({})) });
    let mut definition = pipeline(steps(&["a"]), paths("a>a"));
    definition["loop_config"] = json!({"max_iterations": 4, "iteration_delay_seconds": 0.1});
    let begun = Instant::now();
    let pipeline = Arc::new(Pipeline::from_json(&definition, &registry).unwrap());
    let context = StreamingContext::disabled("exec_1".parse().unwrap());
    let result = run(pipeline, object(json!({})), context, RunOptions::default()).await;
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(result.status, RunStatus::Failed);
    assert_eq!(result.steps.len(), 4);
}

#[tokio::test]
async fn an_input_that_does_not_fit_ends_the_run_before_its_first_step() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |_| async { Ok(json!({})) });
    let mut definition = pipeline(steps(&["a"]), json!([]));
    definition["parameters"] = json!([{"name": "topic", "required": true}]);
    let ran = run_with(&registry, &definition, json!({})).await;
    assert!(ran.begun().is_empty());
    assert_eq!(
        ran.last().data["error"],
        json!({"category": "validation", "severity": "error", "recoverable": false,
            "message": "the input does not fit: $.topic: parameter `topic` is required"})
    );
}

#[tokio::test]
async fn schemas_of_a_steps_input_and_output_and_of_the_runs_output_hold() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |_| async { Ok(json!({"n": "text"})) });
    let number = json!({"properties": {"n": {"type": "number"}}});
    for (at, place) in [
        ("/steps/0/input_schema", "input"),
        ("/steps/0/output_schema", "output"),
        ("/output_schema", "the output"),
    ] {
        let mut definition = pipeline(steps(&["a"]), json!([]));
        let (parent, key) = at.rsplit_once('/').unwrap();
        definition.pointer_mut(parent).unwrap()[key] = number.clone();
        let ran = run_with(&registry, &definition, json!({"n": "text"})).await;
        let error = ran.result.error.unwrap();
        assert_eq!(
            error.message,
            format!("{place} does not fit its schema: $.n: \"text\" is not of type \"number\"")
        );
    }
}

#[tokio::test]
async fn a_step_without_its_required_input_fails() {
    let mut definition = pipeline(
        json!([{"id": "a", "type": "transform", "config": {"expression": "."}}]),
        json!([]),
    );
    definition["steps"][0]["inputs"] =
        json!([{"name": "x", "source": "{input.x}", "required": true}]);
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({})).await;
    assert_eq!(ran.result.error.unwrap().message, "input `x` has no value");
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({"x": 1})).await;
    assert_eq!(ran.result.output["a"], json!({"x": 1}));
}

#[tokio::test]
async fn a_run_over_no_log_gives_the_same_result() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |_| async { Ok(json!({"big": "x".repeat(100_000)})) });
    let definition = pipeline(steps(&["a", "b"]), paths("a>b"));
    let streamed = run_with(&registry, &definition, json!({})).await.result;
    let pipeline = Arc::new(Pipeline::from_json(&definition, &registry).unwrap());
    let context = StreamingContext::disabled("exec_1".parse().unwrap());
    let blocking = run(pipeline, object(json!({})), context, RunOptions::default()).await;
    let shown = |result| serde_json::to_value(result).unwrap();
    assert_eq!(shown(&streamed), shown(&blocking));
}

#[tokio::test]
async fn a_thousand_steps_cost_little_more_than_their_work() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("A", |context: StepContext| async move {
        let id = context.step_id().to_string();
        Ok(json!({id: 1}))
    });
    let ids: Vec<String> = (0..1_000).map(|at| format!("s{at}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let chain: Vec<String> = ids
        .windows(2)
        .map(|pair| format!("{}>{}", pair[0], pair[1]))
        .collect();
    let definition = pipeline(steps(&ids), paths(&chain.join(" ")));
    let begun = Instant::now();
    let running = start(&registry, &definition, json!({}), RunOptions::default());
    let ran = running.end().await;
    let took = begun.elapsed();
    assert_eq!(ran.begun().len(), 1_000);
    // in a debug build, loading included; copies that grow with the square would take many times as long
    assert!(took < Duration::from_secs(5), "{took:?}");
}
