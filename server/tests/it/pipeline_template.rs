//! Templates: types kept, what cannot be resolved stays, and is named.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast::pipeline::data::Data;
use stepcast::pipeline::scope::Scope;
use stepcast::pipeline::template::{resolve, source_paths};

fn resolved(template: Value) -> (Value, Vec<String>) {
    let input = json!({"topic": "rust", "n": 3, "shared": "input"});
    let mut data = Data::new(Arc::new(input.clone()));
    data.record(
        "fetch",
        1,
        &Arc::new(json!({"rows": [{"id": 7}, {"id": 8}], "shared": "fetch", "output": {"x": 1}})),
    );
    data.record("a.b", 2, &Arc::new(json!({"c": "dotted"})));
    let parameters = json!({"limit": 0.5, "topic": "parameter"});
    let scope = Scope {
        data: &data,
        parameters: parameters.as_object().unwrap(),
        input: &input,
        failed: false,
    };
    let mut unresolved = Vec::new();
    (resolve(&template, &scope, &mut unresolved), unresolved)
}

#[test]
fn a_text_that_is_one_placeholder_keeps_the_type() {
    for (template, expected) in [
        ("{{ parameters.limit }}", json!(0.5)),
        ("{{parameters.n}}", json!(3)),
        ("{{ parameters.topic }}", json!("parameter")),
        ("{{ input.topic }}", json!("rust")),
        ("{{ fetch.rows.1.id }}", json!(8)),
        ("{{ fetch.rows }}", json!([{"id": 7}, {"id": 8}])),
        ("{{ steps.fetch.output.rows.0 }}", json!({"id": 7})),
        ("{{ steps.fetch.shared }}", json!("fetch")),
        ("{{ steps.fetch.output.x }}", json!(1)),
        ("{{ shared }}", json!("fetch")),
        ("{{ input.shared }}", json!("input")),
        ("{{ a.b.c }}", json!("dotted")),
        ("{{ result.c }}", json!("dotted")),
    ] {
        assert_eq!(resolved(json!(template)), (expected, vec![]), "{template}");
    }
}

#[test]
fn inside_a_text_values_are_written_out_and_structures_are_walked() {
    let template =
        json!({"a": ["{{ topic }} has {{ n }} of {{ fetch.rows.0 }}", 1], "{{ k }}": null});
    assert_eq!(
        resolved(template).0,
        json!({"a": ["rust has 3 of {\"id\":7}", 1], "{{ k }}": null})
    );
}

#[test]
fn what_cannot_be_resolved_stays_and_is_named() {
    assert_eq!(
        resolved(json!([
            "{{ nobody.x }}",
            "a {{ fetch.rows.9 }} b {{ n }}",
            "{{ }} {{ open"
        ])),
        (
            json!([
                "{{ nobody.x }}",
                "a {{ fetch.rows.9 }} b 3",
                "{{ }} {{ open"
            ]),
            vec!["nobody.x".to_owned(), "fetch.rows.9".to_owned()]
        )
    );
}

#[test]
fn sources_are_single_braces_with_alternatives() {
    assert_eq!(
        source_paths("{steps.a.output.x}|{steps.b.output.x}").unwrap(),
        ["steps.a.output.x", "steps.b.output.x"]
    );
    assert_eq!(source_paths("{{ a.x }}").unwrap(), ["a.x"]);
    assert_eq!(source_paths(" a.x ").unwrap(), ["a.x"]);
    assert_eq!(source_paths("{a.x"), None);
    assert_eq!(source_paths("text {a.x}"), None);
}
