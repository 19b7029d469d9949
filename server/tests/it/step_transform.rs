//! `transform`: jq over the step's data.

use serde_json::{Value, json};
use stepcast::pipeline::{Pipeline, RunStatus};
use stepcast::step::StepRegistry;

use crate::pipeline_harness::{Ran, pipeline, run_with};

fn definition(config: Value) -> Value {
    pipeline(
        json!([{"id": "t", "type": "transform", "config": config}]),
        json!([]),
    )
}

async fn transform(config: Value, input: Value) -> Ran {
    run_with(&StepRegistry::builtin(), &definition(config), input).await
}

#[tokio::test]
async fn expressions_are_jq() {
    let input = json!({"rows": [{"n": 1, "t": "a"}, {"n": 2.5, "t": "b"}, {"n": 1, "t": "c"}], "big": 123456789012345678_i64});
    for (expression, expected) in [
        (".rows | map(.n) | add", json!(4.5)),
        (
            ".rows | group_by(.n) | map({n: .[0].n, texts: map(.t)})",
            json!([{"n": 1, "texts": ["a", "c"]}, {"n": 2.5, "texts": ["b"]}]),
        ),
        (".rows[] | .t", json!(["a", "b", "c"])),
        ("empty", json!(null)),
        ("{sum: (.rows | map(.n) | add / 2 * 4)}", json!({"sum": 9})),
        (".big", json!(123456789012345678_i64)),
        ("\"grüße\" | test(\"^gr\")", json!(true)),
        ("infinite", json!(null)),
        ("try error(\"x\") catch .", json!("x")),
    ] {
        let ran = transform(json!({"expression": expression}), input.clone()).await;
        assert_eq!(
            ran.result.output["t"], expected,
            "{expression}: {:?}",
            ran.result.error
        );
    }
}

#[tokio::test]
async fn each_applies_to_every_element_and_says_how_far_it_is() {
    let input = json!({"rows": (0..600).collect::<Vec<_>>()});
    let config = json!({"expression": "select(. % 2 == 0) | {n: .}", "each": "rows"});
    let ran = transform(config, input).await;
    let items = ran.result.output["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[1]), (300, &json!({"n": 2})));
    let told: Vec<&Value> = ran
        .progress("t", "")
        .into_iter()
        .map(|data| &data["message"])
        .collect();
    assert_eq!(told, ["256 of 600", "512 of 600", "600 of 600"]);
}

#[test]
fn an_expression_that_does_not_compile_is_a_problem_of_the_file() {
    for (expression, told) in [
        (".a | mapp(.b)", "undefined filter `mapp`"),
        (".a | (", "no jq expression"),
        ("env", "undefined filter `env`"),
        ("$ENV", "undefined variable `$ENV`"),
    ] {
        let problems = Pipeline::from_json(
            &definition(json!({"expression": expression})),
            &StepRegistry::builtin(),
        );
        let problems = problems.unwrap_err();
        assert_eq!(problems[0].path, "$.steps[0].config.expression");
        assert!(
            problems[0].message.contains(told),
            "{expression}: {}",
            problems[0].message
        );
    }
}

#[tokio::test]
async fn an_expression_that_nests_deeply_or_is_long_does_not_end_the_server() {
    for expression in [
        format!("{}1{}", "(".repeat(8_000), ")".repeat(8_000)),
        format!("{}1", "-".repeat(16_000)),
        format!("1{}", "|1".repeat(8_000)),
        format!("1{}", "+1".repeat(8_000)),
    ] {
        let ran = transform(json!({"expression": expression}), json!({})).await;
        assert_eq!(ran.result.status, RunStatus::Completed);
    }
    let long = definition(json!({"expression": "1".repeat(16_385)}));
    let problems = Pipeline::from_json(&long, &StepRegistry::builtin()).unwrap_err();
    assert_eq!(
        problems[0].message,
        "a jq expression has at most 16384 bytes"
    );
}

#[tokio::test]
async fn an_expression_that_fails_or_does_not_end_is_a_step_error() {
    let ran = transform(json!({"expression": ".rows + 1"}), json!({"rows": {}})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "logic");
    let endless = json!({"expression": "repeat(1)", "timeout_seconds": 0.05});
    let ran = transform(endless, json!({})).await;
    assert_eq!(ran.result.status, RunStatus::Failed);
    assert_eq!(ran.result.error.unwrap().category.as_str(), "timeout");
    let halts = transform(json!({"expression": "halt"}), json!({})).await;
    assert_eq!(
        halts.result.error.unwrap().message,
        "the expression asked to halt"
    );
}
