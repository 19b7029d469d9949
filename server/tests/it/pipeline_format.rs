//! The pipeline format of IA Modules, rule by rule: its files load, and give what their authors meant.
//!
//! `tests/data/simple_pipeline.json` and `simple_hitl_pipeline.json` are its own examples, unchanged (MIT).

use serde_json::{Value, json};
use stepcast::pipeline::RunStatus;
use stepcast::step::{StepContext, StepRegistry};

use crate::pipeline_harness::{Ran, run_with};

/// Classes that give what they were given under `key`, and their own id.
fn registry(names: &[&str]) -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    for name in names {
        registry.register_fn(*name, |context: StepContext| async move {
            let given = context.config()["gives"].clone();
            Ok(if given.is_null() { json!({}) } else { given })
        });
    }
    registry
}

async fn run(definition: Value, input: Value) -> Ran {
    run_with(&registry(&["A"]), &definition, input).await
}

fn giving(id: &str, gives: Value) -> Value {
    json!({"id": id, "name": id, "step_class": "A", "module": "m", "config": {"gives": gives}})
}

#[tokio::test]
async fn the_simple_pipeline_runs_with_its_inputs_resolved() {
    let definition: Value =
        serde_json::from_str(include_str!("../data/simple_pipeline.json")).unwrap();
    let mut registry = StepRegistry::builtin();
    for name in ["Step1", "Step2", "Step3"] {
        registry.register_fn(name, |context: StepContext| async move {
            let topic = context.inputs()["topic"].as_str().unwrap().to_owned();
            Ok(json!({"topic": format!("{topic} {}", context.step_id())}))
        });
    }
    let ran = run_with(&registry, &definition, json!({"topic": "rust"})).await;
    assert_eq!(
        ran.result.output,
        json!({"topic": "rust step1 step2 step3", "step1": {"topic": "rust step1"},
            "step2": {"topic": "rust step1 step2"}, "step3": {"topic": "rust step1 step2 step3"}})
    );
    assert_eq!(*ran.result.input, json!({"topic": "rust"}));
    let refused = run_with(&registry, &definition, json!({})).await;
    assert_eq!(refused.result.status, RunStatus::Failed);
}

#[tokio::test]
async fn the_simple_hitl_pipeline_runs_with_its_configuration() {
    let definition: Value =
        serde_json::from_str(include_str!("../data/simple_hitl_pipeline.json")).unwrap();
    let mut registry = StepRegistry::builtin();
    for name in ["PrepareDataStep", "SimpleHumanReviewStep", "FinalizeStep"] {
        registry.register_fn(name, |context: StepContext| async move {
            Ok(json!({"config": context.config()}))
        });
    }
    let ran = run_with(&registry, &definition, json!({})).await;
    assert_eq!(
        ran.begun(),
        ["step1_prepare", "step2_human_review", "step3_finalize"]
    );
    let config = &ran.result.output["step2_human_review"]["config"];
    // a class keeps settings of its own meaning
    assert_eq!(config["timeout_seconds"], 300);
    assert_eq!(config["channels"], json!(["web", "email", "slack"]));
}

#[tokio::test]
async fn a_threshold_condition_compares_with_a_parameter() {
    for (score, expected) in [(0.9, "high"), (0.8, "high"), (0.7, "low")] {
        let condition = |operator: &str| {
            json!({"type": "threshold_condition",
                "config": {"field": "quality_score", "operator": operator, "value": "{{ parameters.threshold }}"}})
        };
        let definition = json!({
            "name": "p",
            "parameters": [{"name": "threshold", "schema": {"type": "number"}, "required": true}],
            "steps": [giving("rate", json!({"quality_score": score})), giving("high", json!({})), giving("low", json!({}))],
            "flow": {"start_at": "rate", "paths": [
                {"from_step": "rate", "to_step": "high", "condition": condition(">=")},
                {"from_step": "rate", "to_step": "low", "condition": condition("<")},
            ]},
        });
        let ran = run(definition, json!({"threshold": 0.8})).await;
        assert_eq!(ran.begun(), ["rate", expected], "{score}");
    }
}

#[tokio::test]
async fn a_condition_step_decides_between_condition_and_else() {
    let check = json!({"id": "check", "type": "condition",
        "conditions": [{"field": "status", "operator": "equals", "value": "continue", "type": "value"}]});
    for (status, expected) in [("continue", "again"), ("done", "finish")] {
        let definition = json!({
            "name": "p",
            "steps": [giving("first", json!({"status": status})), check, giving("again", json!({})), giving("finish", json!({}))],
            "flow": {"start_at": "first", "paths": [
                {"from": "first", "to": "check", "condition": {"type": "always"}},
                {"from": "check", "to": "again", "condition": {"type": "condition", "description": "Continue"}},
                {"from": "check", "to": "finish", "condition": {"type": "else", "description": "Complete"}},
            ]},
        });
        let ran = run(definition, json!({})).await;
        assert_eq!(ran.begun(), ["first", "check", expected]);
    }
}

#[tokio::test]
async fn result_is_the_output_of_the_step_before() {
    let path = |to: &str, value: bool| {
        json!({"from": "b", "to": to, "condition": {"type": "expression",
            "config": {"source": "result.requires_human_review", "operator": "equals", "value": value}}})
    };
    let definition = json!({
        "name": "p",
        "steps": [giving("a", json!({"requires_human_review": true})), giving("b", json!({"requires_human_review": false})),
            giving("review", json!({})), giving("publish", json!({}))],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b"}, path("review", true), path("publish", false)]},
    });
    assert_eq!(
        run(definition, json!({})).await.begun(),
        ["a", "b", "publish"]
    );
}

#[tokio::test]
async fn transitions_with_words_as_conditions_run() {
    for (deep, expected) in [(true, "deep"), (false, "short")] {
        let definition = json!({
            "name": "p", "parameters": {"deep": false},
            "steps": [giving("a", json!({})), giving("deep", json!({})), giving("short", json!({}))],
            "flow": {"start_at": "a", "transitions": [
                {"from": "a", "to": "deep", "condition": "parameter:deep"},
                {"from": "a", "to": "short", "condition": {"type": "default"}},
            ]},
        });
        let ran = run(definition, json!({"deep": deep})).await;
        assert_eq!(ran.begun(), ["a", expected]);
    }
}

#[tokio::test]
async fn every_word_for_the_end_ends_the_branch_well_but_end_with_failure() {
    for (end, status) in [
        ("end", RunStatus::Completed),
        ("end_with_success", RunStatus::Completed),
        ("end_of_story", RunStatus::Completed),
        ("end_with_failure", RunStatus::Failed),
    ] {
        let definition = json!({
            "name": "p", "steps": [giving("a", json!({"x": 1}))],
            "flow": {"start_at": "a", "paths": [{"from": "a", "to": end}]},
        });
        assert_eq!(
            run(definition, json!({})).await.result.status,
            status,
            "{end}"
        );
    }
}

#[tokio::test]
async fn where_no_path_matches_the_branch_ends_well() {
    let never = json!({"type": "expression", "config": {"source": "missing", "operator": "greater_than", "value": 1}});
    let definition = json!({
        "name": "p", "steps": [giving("a", json!({})), giving("b", json!({}))],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b", "condition": never}]},
    });
    let ran = run(definition, json!({})).await;
    assert_eq!(ran.result.status, RunStatus::Completed);
    assert_eq!(ran.begun(), ["a"]);
}

#[tokio::test]
async fn all_paths_that_match_are_taken() {
    let definition = json!({
        "name": "p", "steps": [giving("a", json!({"n": 5})), giving("b", json!({})), giving("c", json!({})), giving("d", json!({}))],
        "flow": {"start_at": "a", "paths": [
            {"from": "a", "to": "b", "condition": {"type": "field_greater_than", "field": "n", "value": 1}},
            {"from": "a", "to": "c", "condition": {"type": "field_greater_than", "field": "n", "value": 2}},
            {"from": "a", "to": "d", "condition": {"type": "field_greater_than", "field": "n", "value": 9}},
        ]},
    });
    let ran = run(definition, json!({})).await;
    let mut begun = ran.begun();
    begun.sort_unstable();
    assert_eq!(begun, ["a", "b", "c"]);
}

#[tokio::test]
async fn parameters_in_a_configuration_keep_their_type() {
    let definition = json!({
        "name": "p", "parameters": {"limit": 7, "tags": ["x"]},
        "steps": [giving("a", json!({"limit": "{{ parameters.limit }}", "tags": "{{ parameters.tags }}", "no": "{{ parameters.none }}"}))],
        "flow": {"start_at": "a"},
    });
    let ran = run(definition, json!({})).await;
    assert_eq!(
        ran.result.output["a"],
        json!({"limit": 7, "tags": ["x"], "no": "{{ parameters.none }}"})
    );
    assert_eq!(ran.progress("a", "log").len(), 1);
}

#[tokio::test]
async fn the_parallel_pipeline_counts_every_record() {
    // the branches give the same names: a join that overwrote them would lose records
    let count = |id: &str| {
        json!({"id": id, "type": "transform",
        "inputs": {"part": format!("{{{{ split.{id} }}}}")}, "config": {"expression": "{total: (.part | length)}"}})
    };
    let definition = json!({
        "name": "p",
        "steps": [
            {"id": "split", "type": "transform", "config": {"expression": ".records | {left: .[:2], right: .[2:]}"}},
            count("left"), count("right"),
            {"id": "merge", "type": "transform", "config": {"expression": "{total_records: (.left.total + .right.total)}"}},
        ],
        "flow": {"start_at": "split", "paths": [
            {"from": "split", "to": "left"}, {"from": "split", "to": "right"},
            {"from": "left", "to": "merge"}, {"from": "right", "to": "merge"},
        ]},
        "outputs": {"total": "{{ merge.total_records }}"},
    });
    let ran = run(definition, json!({"records": [1, 2, 3, 4, 5, 6]})).await;
    assert_eq!(ran.result.output, json!({"total": 6}));
}
