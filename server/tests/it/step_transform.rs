//! `transform`: jq over the step's data.

use serde_json::{Value, json};
use stepcast::pipeline::{Pipeline, RunStatus};
use stepcast::step::{StepRegistry, StepSettings};

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

/// Expressions are applied in processes of their own.
fn apart(change: impl FnOnce(&mut StepSettings)) -> StepRegistry {
    let mut settings = StepSettings {
        evaluator: Some(env!("CARGO_BIN_EXE_stepcast").into()),
        ..StepSettings::default()
    };
    change(&mut settings);
    StepRegistry::builtin().with_evaluator(&settings)
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
        for registry in [StepRegistry::builtin(), apart(|_| {})] {
            let definition = definition(json!({"expression": expression}));
            let ran = run_with(&registry, &definition, input.clone()).await;
            assert_eq!(
                ran.result.output["t"], expected,
                "{expression}: {:?}",
                ran.result.error
            );
        }
    }
}

#[tokio::test]
async fn each_applies_to_every_element_and_says_how_far_it_is() {
    let input = json!({"rows": (0..600).collect::<Vec<_>>()});
    let config = json!({"expression": "select(. % 2 == 0) | {n: .}", "each": "rows"});
    for registry in [StepRegistry::builtin(), apart(|_| {})] {
        let ran = run_with(&registry, &definition(config.clone()), input.clone()).await;
        let items = ran.result.output["items"].as_array().unwrap();
        assert_eq!((items.len(), &items[1]), (300, &json!({"n": 2})));
        let told: Vec<&Value> = ran
            .progress("t", "")
            .into_iter()
            .map(|data| &data["message"])
            .collect();
        assert_eq!(told, ["256 of 600", "512 of 600", "600 of 600"]);
    }
}

#[tokio::test]
async fn an_expression_that_recurses_grows_or_computes_without_end_fails_its_step_and_no_server() {
    for (expression, why, cpu_seconds) in [
        // time enough for the other bounds to be reached on a busy machine
        ("def f: [f]; f", "recurses too deeply", 60),
        ("[range(1000000000)]", "transform_memory_bytes", 60),
        ("last(repeat(1))", "transform_cpu_seconds", 1),
    ] {
        let registry = apart(|settings| {
            settings.transform_memory_bytes = 64 << 20;
            settings.transform_cpu_seconds = cpu_seconds;
        });
        let definition = definition(json!({"expression": expression}));
        let ran = run_with(&registry, &definition, json!({})).await;
        assert_eq!(ran.result.status, RunStatus::Failed, "{expression}");
        let error = ran.result.error.unwrap();
        assert_eq!(error.category.as_str(), "resource", "{expression}");
        assert!(
            error.message.contains(why),
            "{expression}: {}",
            error.message
        );
    }
}

#[tokio::test]
async fn the_process_of_an_expression_ends_with_its_step() {
    let registry = apart(|settings| settings.transform_processes = 1);
    let endless = json!({"expression": "last(repeat(1))", "timeout_seconds": 0.2});
    let ran = run_with(&registry, &definition(endless), json!({})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "timeout");
    // the only place there is was given back
    let ran = run_with(
        &registry,
        &definition(json!({"expression": "1"})),
        json!({}),
    )
    .await;
    assert_eq!(ran.result.output["t"], 1);
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
