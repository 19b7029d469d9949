//! Forms: every spelling comes to the same, mistakes have their place, and answers are held to them.

use serde_json::{Map, Value, json};
use stepcast::pipeline::Pipeline;
use stepcast::pipeline::definition::Place;
use stepcast::step::{Form, Question, StepRegistry};

use crate::human_api::asks;

fn form(spelling: Value) -> Value {
    let question = Question::from_json(&json!({"prompt": "?", "form": spelling}));
    serde_json::to_value(question.unwrap().form).unwrap()
}

#[test]
fn every_spelling_of_a_form_comes_to_the_same() {
    let expected = json!({"fields": [
        {"name": "go", "type": "select", "label": "Go?", "required": true,
         "options": [{"value": "yes", "label": "yes"}, {"value": "no", "label": "no"}]},
        {"name": "n", "type": "number", "min": 1, "max": 3, "default": 2},
        {"name": "ok", "type": "boolean"},
    ]});
    let list = json!([
        {"name": "go", "type": "dropdown", "label": "Go?", "required": true, "options": ["yes", {"value": "no", "label": "no"}]},
        {"id": "n", "type": "integer", "minimum": 1, "maximum": 3, "default": 2},
        {"key": "ok", "type": "checkbox"},
    ]);
    let by_name = json!({
        "go": {"type": "select", "title": "Go?", "required": true, "choices": {"yes": "yes", "no": "no"}},
        "n": {"type": "number", "min": 1, "max": 3, "default_value": 2},
        "ok": {"type": "toggle"},
    });
    let schema = json!({
        "type": "object", "required": ["go"],
        "properties": {
            "go": {"type": "string", "title": "Go?", "enum": ["yes", "no"]},
            "n": {"type": "integer", "minimum": 1, "maximum": 3, "default": 2},
            "ok": {"type": "boolean"},
        },
    });
    for spelling in [
        list.clone(),
        json!({"fields": list}),
        json!({"fields": by_name}),
        schema,
        expected.clone(),
    ] {
        assert_eq!(form(spelling.clone()), expected, "{spelling}");
    }
    let others = json!([
        {"name": "a", "options": [1, 2]},
        {"name": "b", "type": "string", "format": "date-time"},
        {"name": "c", "type": "checkbox", "options": ["x"]},
        {"name": "d", "type": "array", "items": {"enum": ["x"]}},
        {"name": "e", "type": "datetime-local"},
        {"name": "f", "type": "uri"},
        {"name": "g"},
    ]);
    let kinds: Vec<Value> = form(others)["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["type"].clone())
        .collect();
    assert_eq!(
        kinds,
        [
            "radio",
            "datetime",
            "multiselect",
            "multiselect",
            "datetime",
            "url",
            "text"
        ]
    );
}

#[test]
fn mistakes_in_a_question_are_found_at_load_with_their_places() {
    for (config, path, message) in [
        (
            json!({"promt": "?"}),
            "$.steps[0].config.promt",
            "unknown key `promt`",
        ),
        (
            json!({"prompt": 7}),
            "$.steps[0].config.prompt",
            "this is a text, not 7",
        ),
        (
            json!({"form": {"fields": []}}),
            "$.steps[0].config.form.fields",
            "a form needs at least one field",
        ),
        (
            json!({"form": {"title": "a"}}),
            "$.steps[0].config.form",
            "a form needs `fields`",
        ),
        (
            json!({"form": "yes"}),
            "$.steps[0].config.form",
            "a form is an object, not \"yes\"",
        ),
        (
            json!({"ui_schema": {"fields": [{"type": "text"}]}}),
            "$.steps[0].config.ui_schema.fields[0]",
            "a field needs a `name`",
        ),
        (
            json!({"form": [{"name": "a", "type": "txt"}]}),
            "$.steps[0].config.form[0].type",
            "unknown type of field `txt`",
        ),
        (
            json!({"form": [{"name": "a", "type": "radio"}]}),
            "$.steps[0].config.form[0]",
            "a field that is chosen needs `options`",
        ),
        (
            json!({"form": [{"name": "a", "options": []}]}),
            "$.steps[0].config.form[0].options",
            "there is no option to choose",
        ),
        (
            json!({"form": [{"name": "a", "options": ["x", "x"]}]}),
            "$.steps[0].config.form[0].options",
            "option \"x\" is there twice",
        ),
        (
            json!({"form": [{"name": "a"}, {"name": "a"}]}),
            "$.steps[0].config.form",
            "two fields have the name `a`",
        ),
        (
            json!({"form": [{"name": "a", "type": "number", "min": 3, "max": 2}]}),
            "$.steps[0].config.form[0].max",
            "`max` is at least `min`",
        ),
        (
            json!({"form": [{"name": "a", "type": "number", "default": "x"}]}),
            "$.steps[0].config.form[0].default",
            "the default is answered by a number",
        ),
        (
            json!({"choices": ["x"], "form": [{"name": "a"}]}),
            "$.steps[0].config.choices",
            "`choices` is short for a form: give it or `form`",
        ),
        (
            json!({"choices": ["x"], "default": "y", "timeout_seconds": 1}),
            "$.steps[0].config.default.decision",
            "`decision` is one of \"x\"",
        ),
        (
            json!({"choices": ["x"], "default": "x"}),
            "$.steps[0].config.default",
            "`default` is the answer at the deadline: give `timeout_seconds`",
        ),
        (
            json!({"timeout_seconds": 0}),
            "$.steps[0].config.timeout_seconds",
            "`timeout_seconds` is a number of seconds above 0, not 0",
        ),
        (
            json!({"assigned_users": 7}),
            "$.steps[0].config.assigned_users",
            "this is a list of texts, not 7",
        ),
    ] {
        let problems =
            Pipeline::from_json(&asks(config.clone()), &StepRegistry::builtin()).unwrap_err();
        let [problem] = &problems[..] else {
            panic!("{config}: {problems:?}")
        };
        assert_eq!(
            (problem.path.as_str(), problem.message.as_str()),
            (path, message),
            "{config}"
        );
    }
    // what has a placeholder is known only when the step runs
    let later = json!({
        "prompt": "{{ input.q }}", "timeout_seconds": "{{ input.t }}", "default": "{{ input.d }}",
        "form": {"fields": [{"name": "a", "type": "select", "options": "{{ input.options }}", "default": "{{ input.d }}"}]},
    });
    assert!(Pipeline::from_json(&asks(later), &StepRegistry::builtin()).is_ok());
}

fn checked(field: Value, answer: Value) -> Result<Value, String> {
    let form: Form = serde_json::from_value(form(json!([field]))).unwrap();
    let answer: Map<String, Value> = [("a".to_owned(), answer)].into_iter().collect();
    match form.check(&answer, &Place::root()) {
        Ok(answer) => Ok(answer["a"].clone()),
        Err(problems) => Err(problems[0].message.clone()),
    }
}

#[test]
fn every_type_takes_what_it_is_for() {
    let choices = json!(["x", 2]);
    for (field, good, bad) in [
        (
            json!({"type": "text", "max": 3}),
            json!(["abc", "äöü"]),
            json!(["abcd", 1, true, ["a"]]),
        ),
        (
            json!({"type": "textarea", "min": 2}),
            json!(["ab"]),
            json!(["a"]),
        ),
        (json!({"type": "password"}), json!(["p"]), json!([1])),
        (
            json!({"type": "number", "min": 0.5}),
            json!([0.5, 7]),
            json!([0.4, "7", true]),
        ),
        (
            json!({"type": "boolean", "required": true}),
            json!([true, false]),
            json!(["true", 1, null]),
        ),
        (
            json!({"type": "radio", "options": choices}),
            json!(["x", 2]),
            json!(["y", "2", ["x"]]),
        ),
        (
            json!({"type": "select", "options": choices}),
            json!(["x", 2]),
            json!(["y"]),
        ),
        (
            json!({"type": "multiselect", "options": choices, "max": 1}),
            json!([["x"], [2]]),
            json!([["x", 2], ["x", "x"], ["y"], "x"]),
        ),
        (
            json!({"type": "email"}),
            json!(["a@b.example"]),
            json!(["a", "@b", "a@", "a b@c", 1]),
        ),
        (
            json!({"type": "url"}),
            json!(["https://a.example/b?c"]),
            json!(["a.example", "ftp://a", "/b", 1]),
        ),
        (
            json!({"type": "date"}),
            json!(["2024-02-29"]),
            json!(["2023-02-29", "2024-2-9", "2024-02-29T10:00", 1]),
        ),
        (
            json!({"type": "datetime"}),
            json!([
                "2024-02-29T10:30",
                "2024-02-29T10:30:00Z",
                "2024-02-29T10:30:00+02:00"
            ]),
            json!(["2024-02-29", "2023-02-29T10:30", "now"]),
        ),
        (
            json!({"type": "text", "required": true}),
            json!(["a"]),
            json!(["", "  ", null]),
        ),
    ] {
        let mut field = field;
        field["name"] = "a".into();
        for value in good.as_array().unwrap() {
            assert_eq!(
                checked(field.clone(), value.clone()).as_ref(),
                Ok(value),
                "{field}"
            );
        }
        for value in bad.as_array().unwrap() {
            let found = checked(field.clone(), value.clone());
            assert!(found.is_err(), "{field} takes {value}");
        }
    }
}

/// A field of any type, a value that fits it, and one that does not.
fn random_field(random: &mut fastrand::Rng, name: &str) -> (Value, Value, Value) {
    let n = random.i64(-50..50);
    let word = |random: &mut fastrand::Rng| -> String {
        (0..random.usize(1..9))
            .map(|_| {
                random
                    .choice(['a', 'é', '✓', '😀', '.', '"', '\\'])
                    .unwrap()
            })
            .collect()
    };
    let options: Vec<Value> = (0..random.usize(1..5))
        .map(|at| json!(format!("{}{at}", word(random))))
        .collect();
    let one = options[random.usize(..options.len())].clone();
    let (mut field, good, bad) = match random.usize(..8) {
        0 => (json!({"type": "text"}), json!(word(random)), json!(n)),
        1 => (
            json!({"type": "textarea", "max": 9}),
            json!(word(random)),
            json!("x".repeat(10)),
        ),
        2 => (
            json!({"type": "number", "min": n, "max": n + 3}),
            json!(n + random.i64(0..=3)),
            json!(n - 1),
        ),
        3 => (
            json!({"type": "boolean"}),
            json!(random.bool()),
            json!("yes"),
        ),
        4 => (
            json!({"type": "radio", "options": options}),
            one,
            json!("another"),
        ),
        5 => (
            json!({"type": "select", "options": options}),
            one.clone(),
            json!([one]),
        ),
        6 => (
            json!({"type": "multiselect", "options": options}),
            json!(options),
            json!(["another"]),
        ),
        _ => (
            json!({"type": "date"}),
            json!(format!(
                "20{:02}-0{}-1{}",
                random.u8(10..99),
                random.u8(1..10),
                random.u8(..10)
            )),
            json!("today"),
        ),
    };
    field["name"] = name.into();
    field["required"] = random.bool().into();
    (field, good, bad)
}

#[test]
fn in_random_forms_what_fits_is_taken_and_each_flaw_is_found_in_its_place() {
    for seed in 0..3000 {
        let mut random = fastrand::Rng::with_seed(seed);
        let fields: Vec<_> = (0..random.usize(1..7))
            .map(|at| random_field(&mut random, &format!("f{at}")))
            .collect();
        let list: Vec<&Value> = fields.iter().map(|(field, ..)| field).collect();
        let form: Form = serde_json::from_value(form(json!(list))).unwrap();
        let written = serde_json::to_value(&form).unwrap();
        assert_eq!(
            serde_json::from_value::<Form>(written).unwrap(),
            form,
            "seed {seed}"
        );

        let (mut answer, mut flawed, mut flaws) = (Map::new(), Map::new(), Vec::new());
        for (at, (field, good, bad)) in fields.iter().enumerate() {
            let (name, required) = (format!("f{at}"), field["required"] == true);
            if required || random.bool() {
                answer.insert(name.clone(), good.clone());
            }
            match random.usize(..3) {
                0 => {
                    flawed.insert(name.clone(), bad.clone());
                    flaws.push(format!("$.{name}"));
                }
                1 if required => flaws.push(format!("$.{name}")),
                _ => {
                    flawed.insert(name, good.clone());
                }
            }
        }
        let taken = form
            .check(&answer, &Place::root())
            .unwrap_or_else(|found| panic!("seed {seed}: {found:?}"));
        assert_eq!(taken.len(), fields.len(), "one entry a field");
        for (name, value) in &taken {
            assert_eq!(
                value,
                answer.get(name).unwrap_or(&Value::Null),
                "seed {seed}"
            );
        }
        assert_eq!(
            form.check(&taken, &Place::root()).unwrap(),
            taken,
            "what was taken fits"
        );
        if random.bool() {
            flawed.insert("strange".into(), 1.into());
            flaws.insert(0, "$.strange".into());
        }
        let found = form.check(&flawed, &Place::root());
        let places: Vec<String> = found
            .err()
            .unwrap_or_default()
            .into_iter()
            .map(|flaw| flaw.path)
            .collect();
        assert_eq!(places, flaws, "seed {seed}: {flawed:?}");
    }
}
