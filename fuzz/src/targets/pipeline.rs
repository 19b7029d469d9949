//! What users post: pipelines, and answers to questions.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use stepcast::pipeline::Pipeline;
use stepcast::step::StepRegistry;
use stepcast::untrusted::answer;

use super::JSON;
use crate::Target;
use crate::bytes::Input;

/// A pipeline's definition.
pub(super) const DEFINITION: Target = Target {
    name: "pipeline",
    largest: 16 << 10,
    seeds: || {
        [
            include_str!("../../../examples/hello/pipeline.json"),
            include_str!("../../../examples/library/pipeline.json"),
            include_str!("../../../examples/review/pipeline.json"),
            include_str!("../../../examples/llm/pipeline.json"),
            include_str!("../../../examples/command/pipeline.json"),
            r#"{"name":"a","steps":[{"id":"s","type":"delay","config":{"seconds":1}}],"flow":{"start_at":"s","paths":[{"from":"s","to":"s","condition":"s.n < 3 and not (s.m == 'x')"}]}}"#,
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    },
    words: &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"steps\"",
        "\"flow\"",
        "\"paths\"",
        "\"from\"",
        "\"to\"",
        "\"condition\"",
        "\"type\"",
        "\"config\"",
        "\"id\"",
        "\"name\"",
        "\"parameters\"",
        "\"input_schema\"",
        "\"outputs\"",
        "\"streaming\"",
        "\"error_handling\"",
        "\"retry\"",
        "\"loop_config\"",
        "{{ ",
        " }}",
        "(",
        ")",
        " and ",
        "not ",
        "\"transform\"",
        "\"http\"",
        "\"human\"",
        "\"expression\"",
    ],
    long,
    check: |bytes| {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
            return;
        };
        match Pipeline::from_json(&value, registry()) {
            Ok(pipeline) => {
                assert!(pipeline.describe().is_object());
                assert!(!pipeline.steps().is_empty());
                drop(pipeline.check_input(&Map::new()));
                for path in pipeline.steps() {
                    assert!(!path.id.is_empty());
                }
            }
            Err(problems) => {
                assert!(!problems.is_empty(), "refused without a reason");
                assert!(problems.iter().all(|problem| problem.path.starts_with('$')));
                let told: usize = problems
                    .iter()
                    .map(|it| it.path.len() + it.message.len())
                    .sum();
                // each problem may repeat one word of the document
                assert!(
                    told <= (64 << 10) + 64 * bytes.len(),
                    "{told} bytes of problems"
                );
            }
        }
    },
};

fn registry() -> &'static StepRegistry {
    static REGISTRY: OnceLock<StepRegistry> = OnceLock::new();
    REGISTRY.get_or_init(StepRegistry::builtin)
}

fn long(size: usize) -> Vec<Vec<u8>> {
    // who waits for whom is a table of the square of the steps, and their number is limited for that
    let few = (size / 200).min(300);
    let step =
        |n: usize| json!({"id": format!("step{n:07}"), "type": "set", "config": {"values": {}}});
    let steps = |count: usize| (0..count).map(step).collect::<Vec<Value>>();
    let chain = |count: usize, name: &dyn Fn(usize) -> String| {
        let paths: Vec<Value> = (1..count)
            .map(|n| json!({"from": name(n - 1), "to": name(n)}))
            .collect();
        json!({"name": "a", "steps": steps(count), "flow": {"start_at": "step0000000", "paths": paths}})
    };
    let known = |n: usize| format!("step{n:07}");
    let unknown = |n: usize| format!("stop{n:07}");
    let word = |letter: &str| letter.repeat(size / 2);
    let keys: Map<String, Value> = (0..size / 16)
        .map(|n| (format!("key{n:07}"), Value::Null))
        .collect();
    let loops = |count: usize| {
        let path = |from: usize, to: usize| json!({"from": known(from), "to": known(to), "condition": "success"});
        let each = (0..count).flat_map(|n| [path(n, n), path(n, (n + 1) % count)]);
        each.collect::<Vec<Value>>()
    };
    let one_of = |kind: &str, config: Value| json!({"name": "a", "steps": [{"id": "s", "type": kind, "config": config}], "flow": {"start_at": "s"}});
    let condition = |text: String| {
        json!({"name": "a", "steps": [step(0), step(1)],
            "flow": {"start_at": "step0000000", "paths": [{"from": "step0000000", "to": "step0000001", "condition": text}]}})
    };
    [
        chain(few, &known),
        chain(size / 100, &unknown),
        json!({"name": "a", "steps": [{"id": word("ab"), "type": "set"}], "flow": {"start_at": word("ba")}}),
        Value::Object(keys.clone()),
        one_of("set", keys.into()),
        one_of("set", json!({"values": {"a": "{{ b }}".repeat(size / 8)}})),
        one_of("transform", json!({"expression": "[".repeat(size)})),
        one_of("transform", json!({"expression": format!(".{}", " | .".repeat(size / 4))})),
        json!({"name": "a", "steps": steps(few), "flow": {"start_at": "step0000000", "paths": loops(few)}}),
        json!({"name": "a", "steps": steps(size / 200), "flow": {"start_at": "step0000000"},
            "outputs": (0..size / 200).map(|n| (n.to_string(), json!(format!("{{{{ stop{n:07}.x }}}}")))).collect::<Map<String, Value>>()}),
        condition(format!("{}true", "not ".repeat(size / 4))),
        condition(format!("{}a{}", "(".repeat(size / 2), ")".repeat(size / 2))),
        condition(format!("a{}", " and a".repeat(size / 6))),
    ]
    .map(|value| value.to_string().into_bytes())
    .to_vec()
}

/// An answer to a question, both from outside.
pub(super) const ANSWER: Target = Target {
    name: "answer",
    largest: 16 << 10,
    seeds: || {
        let question = json!({"prompt": "?", "timeout_seconds": 3, "default": {"a": "x"}, "form": {"title": "t", "fields": [
            {"name": "a", "type": "radio", "required": true, "options": ["x", {"value": "y", "label": "Y"}]},
            {"name": "n", "type": "number", "min": 1, "max": 3, "step": 0.5},
            {"name": "t", "type": "textarea", "max": 9, "pattern": "[a-z]+"},
            {"name": "m", "type": "multiselect", "options": ["x", "z"]},
            {"name": "d", "type": "date"}, {"name": "e", "type": "email"}, {"name": "c", "type": "checkbox"}]}});
        let answer = json!({"a": "y", "n": 2.5, "t": "abc", "m": ["z"], "d": "2026-02-29", "e": "a@b.c", "c": true});
        vec![format!("{question}\0{answer}").into_bytes()]
    },
    words: JSON,
    long: |size| {
        let fields: Vec<Value> = (0..size / 40)
            .map(|n| json!({"name": format!("f{n:06}"), "type": "text"}))
            .collect();
        let given: Map<String, Value> = (0..size / 40)
            .map(|n| (format!("g{n:06}"), json!("x")))
            .collect();
        let question = json!({"prompt": "?", "form": {"fields": fields}});
        vec![format!("{question}\0{}", Value::Object(given)).into_bytes()]
    },
    check: |bytes| {
        let (question, given) = Input(bytes).split(0);
        let question = serde_json::from_slice::<Value>(question);
        let given = serde_json::from_slice::<Value>(given);
        if let (Ok(question), Ok(given)) = (question, given) {
            assert_eq!(answer(&question, &given), answer(&question, &given));
        }
    },
};
