//! Conditions: every type and operator, by word and by symbol.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast::pipeline::condition::Condition;
use stepcast::pipeline::data::Data;
use stepcast::pipeline::definition::{Place, Problems};
use stepcast::pipeline::scope::Scope;

fn parse(condition: &Value) -> Result<Condition, Vec<String>> {
    let mut problems = Problems::default();
    let parsed = Condition::parse(condition, &Place::root(), &mut problems);
    let (errors, _) = problems.into_parts();
    if errors.is_empty() {
        Ok(parsed)
    } else {
        Err(errors.iter().map(ToString::to_string).collect())
    }
}

fn holds_where(condition: &Value, failed: bool) -> bool {
    let input = json!({"n": 5, "text": "Hello", "list": [1, "a"], "obj": {"k": null}, "five": "5", "no": false});
    let mut data = Data::new(Arc::new(input.clone()));
    data.record(
        "review",
        1,
        &Arc::new(json!({"score": 0.9, "ok": true, "matched": true})),
    );
    let parameters = json!({"limit": 0.8, "on": true});
    let scope = Scope {
        data: &data,
        parameters: parameters.as_object().unwrap(),
        input: &input,
        failed,
    };
    parse(condition).unwrap().holds(&scope)
}

fn compare(source: &str, operator: &str, value: Value) -> bool {
    let expression = json!({"type": "expression",
        "config": {"source": source, "operator": operator, "value": value}});
    holds_where(&expression, false)
}

#[test]
fn operators_compare_by_word_and_by_symbol() {
    for (operators, smaller, same, larger) in [
        (&["equals", "==", "eq"][..], false, true, false),
        (&["not_equals", "!="], true, false, true),
        (&["greater_than", ">", "gt"], false, false, true),
        (
            &[
                "greater_than_or_equal",
                "greater_than_or_equals",
                ">=",
                "gte",
            ],
            false,
            true,
            true,
        ),
        (&["less_than", "<", "lt"], true, false, false),
        (
            &["less_than_or_equal", "less_than_or_equals", "<=", "lte"],
            true,
            true,
            false,
        ),
    ] {
        for operator in operators {
            let results = [7, 5, 3].map(|value| compare("n", operator, json!(value)));
            assert_eq!(results, [smaller, same, larger], "{operator}");
        }
    }
}

#[test]
fn operators_on_texts_and_lists() {
    for (source, operator, value, expected) in [
        ("text", "equals", json!("hello"), false),
        ("text", "equals_ignore_case", json!("hELLO"), true),
        ("text", "starts_with", json!("He"), true),
        ("text", "startswith", json!("lo"), false),
        ("text", "ends_with", json!("lo"), true),
        ("text", "contains", json!("ell"), true),
        ("list", "contains", json!("a"), true),
        ("obj", "contains", json!("k"), true),
        ("n", "in", json!([1, 5.0]), true),
        ("n", "not_in", json!([1, 5]), false),
        ("text", "regex", json!("^H.l+o$"), true),
        ("text", "matches", json!("x"), false),
        ("five", ">", json!(4), true),
        ("n", "equals", json!(5.0), true),
        ("text", "exists", json!(null), true),
        ("obj.k", "exists", json!(null), false),
        ("no", "is_empty", json!(null), true),
    ] {
        assert_eq!(
            compare(source, operator, value),
            expected,
            "{source} {operator}"
        );
    }
}

#[test]
fn a_missing_field_is_neither_larger_nor_smaller_and_no_error() {
    for operator in ["greater_than", "<", ">=", "equals", "starts_with", "regex"] {
        assert!(!compare("missing.deep", operator, json!("1")), "{operator}");
    }
    assert!(compare("missing", "not_equals", json!(1)));
}

#[test]
fn types_of_conditions() {
    for (condition, expected) in [
        (json!("always"), true),
        (json!({"type": "always"}), true),
        (json!("parameter:on"), true),
        (json!("parameter:off"), false),
        (
            json!({"type": "parameter", "config": {"parameter": "on"}}),
            true,
        ),
        (json!({"type": "success"}), true),
        (json!({"type": "failure"}), false),
        (
            json!({"type": "field_equals", "field": "n", "value": 5}),
            true,
        ),
        (
            json!({"type": "field_equals", "config": {"field": "n", "value": 6}}),
            false,
        ),
        (json!({"type": "field_exists", "field": "n"}), true),
        (
            json!({"type": "field_greater_than", "field": "n", "value": 4}),
            true,
        ),
        (
            json!({"type": "field_less_than", "field": "n", "value": 4}),
            false,
        ),
        (
            json!({"type": "threshold_condition",
                "config": {"field": "score", "operator": ">=", "value": "{{ parameters.limit }}"}}),
            true,
        ),
        (
            json!({"type": "expression", "config": {"source": "result.ok", "operator": "equals", "value": true}}),
            true,
        ),
        (
            json!({"type": "expression", "config": {"source": "review.score", "operator": "lt", "value": 0.5}}),
            false,
        ),
        (json!({"type": "condition", "description": "d"}), true),
        (
            json!({"type": "all", "conditions": ["always", {"type": "field_equals", "field": "n", "value": 5}]}),
            true,
        ),
        (
            json!({"type": "any", "conditions": [{"type": "failure"}, "parameter:off"]}),
            false,
        ),
        (json!({"type": "not", "condition": "parameter:off"}), true),
        (json!({"any": ["failure", {"not": "failure"}]}), true),
        (json!({"field": "n", "operator": ">", "value": 1}), true),
    ] {
        assert_eq!(holds_where(&condition, false), expected, "{condition}");
    }
    assert!(holds_where(&json!("failure"), true) && !holds_where(&json!("success"), true));
    for word in ["else", "default"] {
        assert!(parse(&json!({"type": word})).unwrap().is_otherwise());
    }
}

#[test]
fn what_is_unknown_is_refused() {
    for (condition, problem) in [
        (
            json!({"type": "plugin", "plugin": "threshold", "config": {"threshold": 1}}),
            "$.type: condition type `plugin` runs code, which a path cannot: give the step a field to compare",
        ),
        (
            json!({"type": "expression", "config": {"source": "x", "operator": "=>", "value": 1}}),
            "$.config.operator: unknown operator `=>`",
        ),
        (
            json!({"type": "field_equals", "field": "x"}),
            "$: a comparison needs a `value`",
        ),
        (
            json!({"type": "field_equals", "feild": "x", "value": 1}),
            "$: a comparison needs a `source` or a `field`",
        ),
        (
            json!({"type": "expression", "config": {"source": "x", "operator": "regex", "value": 1}}),
            "$.config.value: a regular expression is a text",
        ),
        (
            json!({"type": "all", "conditions": ["else"]}),
            "$.conditions: `all` cannot hold `else`: it is a path's whole condition",
        ),
        (json!(3), "$: a condition is a text or an object, not 3"),
    ] {
        let problems = parse(&condition).expect_err("it is read");
        assert!(
            problems.iter().any(|found| found.starts_with(problem)),
            "{condition}: {problems:?}"
        );
    }
}

#[test]
fn conditions_read_in_words() {
    for (condition, words) in [
        (
            json!({"type": "threshold_condition",
                "config": {"field": "quality", "operator": ">=", "value": "{{ parameters.limit }}"}}),
            "quality is at least parameters.limit",
        ),
        (
            json!({"type": "field_equals", "field": "status", "value": "done"}),
            "status is \"done\"",
        ),
        (
            json!({"all": ["success", {"any": ["parameter:x", {"not": {"type": "field_exists", "field": "y"}}]}]}),
            "the step succeeded and (parameters.x is true or not (y exists))",
        ),
    ] {
        assert_eq!(parse(&condition).unwrap().to_string(), words);
    }
}
