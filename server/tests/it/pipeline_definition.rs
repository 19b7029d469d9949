//! Loading pipelines: every spelling, every problem with its place.

use serde_json::{Map, Value, json};
use stepcast::pipeline::definition::{InputSource, Problem};
use stepcast::pipeline::{Pipeline, Recovery};
use stepcast::step::StepRegistry;

/// A registry with the classes named.
pub(crate) fn classes(names: &[&str]) -> StepRegistry {
    let mut registry = StepRegistry::builtin();
    for name in names {
        registry.register_fn(*name, |context| async move { Ok(context.subject()) });
    }
    registry
}

fn load(value: &Value) -> Result<Pipeline, Vec<Problem>> {
    Pipeline::from_json(value, &classes(&["A"]))
}

fn problems(value: &Value) -> Vec<String> {
    load(value)
        .expect_err("the pipeline loads")
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// A pipeline of steps of class `A` with these paths.
fn with_paths(steps: &[&str], paths: Value) -> Value {
    let steps: Vec<Value> = steps
        .iter()
        .map(|id| json!({"id": id, "step_class": "A"}))
        .collect();
    json!({"name": "p", "steps": steps, "flow": {"start_at": "a", "paths": paths}})
}

#[test]
fn both_spellings_of_path_ends_load_and_transitions_are_paths() {
    for (list, from, to) in [
        ("paths", "from", "to"),
        ("paths", "from_step", "to_step"),
        ("transitions", "from", "to"),
        ("transitions", "from_step", "to_step"),
    ] {
        let value = json!({
            "name": "p",
            "steps": [{"id": "a", "step_class": "A"}, {"name": "b", "class": "A"}],
            "flow": {"start_at": "a", list: [{from: "a", to: "b"}]},
        });
        let pipeline = load(&value).unwrap();
        assert_eq!(
            pipeline.describe(),
            json!({
                "name": "p",
                "steps": [{"id": "a", "kind": "A"}, {"id": "b", "kind": "A"}],
                "paths": [{"from": "a", "to": "b"}],
                "start_at": "a",
            }),
            "{list} {from}"
        );
    }
}

#[test]
fn a_description_tells_names_and_conditions_in_words() {
    let value = json!({
        "name": "p", "description": "d", "version": "1.0",
        "steps": [{"id": "a", "name": "First", "step_class": "A"}, {"id": "b", "step_class": "A"}],
        "flow": {"start_at": "a", "paths": [
            {"from": "a", "to": "b", "condition": {"type": "expression",
                "config": {"source": "a.score", "operator": ">=", "value": 0.5}}},
            {"from": "a", "to": "end", "condition": "else"},
        ]},
    });
    assert_eq!(
        load(&value).unwrap().describe(),
        json!({
            "name": "p", "description": "d", "version": "1.0",
            "steps": [{"id": "a", "name": "First", "kind": "A"}, {"id": "b", "kind": "A"}],
            "paths": [
                {"from": "a", "to": "b", "condition": "a.score is at least 0.5"},
                {"from": "a", "to": "end", "condition": "otherwise"},
            ],
            "start_at": "a",
        })
    );
}

#[test]
fn a_pipeline_of_very_many_steps_or_paths_is_refused() {
    let steps: Vec<Value> = (0..5_001)
        .map(|n| json!({"id": n.to_string(), "step_class": "A"}))
        .collect();
    let many = json!({"name": "p", "steps": steps, "flow": {"start_at": "0"}});
    assert_eq!(
        problems(&many),
        ["$.steps: a pipeline has at most 5000 steps"]
    );
    let paths = json!(vec![json!({"from": "a", "to": "a"}); 10_001]);
    assert_eq!(
        problems(&with_paths(&["a"], paths)),
        ["$.flow.paths: a pipeline has at most 10000 paths"]
    );
}

#[test]
fn all_problems_are_reported_with_their_places_and_suggestions() {
    let value = json!({
        "name": "p",
        "stream": {},
        "parameters": [{"name": "n", "schema": {"type": "integer"}, "default": "x"}],
        "steps": [
            {"id": "prepare", "step_class": "B"},
            {"id": "send", "type": "htttp", "config": {}},
            {"id": "send", "step_class": "A", "timeout_seconds": -1},
            {"id": "last", "step_class": "A", "retry": 3,
             "error_handling": {"retry": {"max_attempts": 0, "retry_on": ["netwrk"]}}},
            {"id": "end", "step_class": "A"},
        ],
        "flow": {"start_at": "prepar", "paths": [
            {"from": "prepare", "to": "sent"},
            {"from": "prepare", "to": "send", "condition": {"type": "fields_equals", "field": "x", "value": 1}},
            {"from": "prepare", "to": "send",
             "condition": {"type": "expression", "config": {"source": "x", "operator": "greater", "value": 1}}},
            {"from": "prepare", "to_step": "send", "condition": "allways"},
            {"to": "send"},
        ]},
    });
    let mut found = problems(&value);
    found.sort();
    assert_eq!(
        found,
        [
            "$.flow.paths[0].to: no step has the id `sent`; did you mean `send`?",
            "$.flow.paths[1].condition.type: unknown condition type `fields_equals`; did you mean `field_equals`?",
            "$.flow.paths[2].condition.config.operator: unknown operator `greater`; did you mean `greater_than`?",
            "$.flow.paths[3].condition: unknown condition `allways`; did you mean `always`?",
            "$.flow.paths[4]: a path needs `from` (or `from_step`)",
            "$.flow.start_at: no step has the id `prepar`; did you mean `prepare`?",
            "$.parameters[0].default: \"x\" is not of type \"integer\"",
            "$.steps[0].step_class: no step class `B` is registered",
            "$.steps[1].type: unknown kind of step `htttp`, and no `step_class`; did you mean `http`?",
            "$.steps[2].id: two steps have the id `send`",
            "$.steps[2].timeout_seconds: `timeout_seconds` is a number of seconds above 0, not -1",
            "$.steps[3].error_handling.retry.max_attempts: `max_attempts` is a whole number of at least 1, not 0",
            "$.steps[3].error_handling.retry.retry_on[0]: unknown category of errors `netwrk`; did you mean `network`?",
            "$.steps[3].retry: unknown key `retry`",
            "$.steps[4].id: `end` is a word for the end of a branch",
            "$.stream: unknown key `stream`; did you mean `streaming`?",
        ]
    );
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        problems(&json!([])),
        ["$: a pipeline is an object, not a list"]
    );
    assert_eq!(
        problems(&json!({})),
        [
            "$: a pipeline needs a `name`",
            "$.steps: a pipeline needs at least one step",
            "$: a pipeline needs a `flow`",
        ]
    );
    assert_eq!(
        problems(&json!({"name": "p", "steps": [{"id": "a"}], "flow": {}})),
        [
            "$.steps[0]: a step needs a `step_class`, or a `type` that names a built-in kind",
            "$.flow: no start: `start_at` names the first step",
        ]
    );
}

#[test]
fn notes_for_people_and_free_places_are_accepted() {
    let value = json!({
        "name": "p", "author": "x", "tags": ["t"], "_comment": "c", "$schema": "s", "x-y": 1,
        "metadata": {"anything": {"at": "all"}},
        "steps": [{"id": "a", "step_class": "A", "module": "m", "type": "task", "config": {"what": "ever"},
                   "outputs": [{"name": "o"}], "description": "d", "position": {"x": 1}}],
        "flow": {"start_at": "a", "paths": [], "description": "d"},
    });
    assert!(load(&value).is_ok());
}

#[test]
fn templates_that_name_no_step_are_reported() {
    let value = json!({
        "name": "p",
        "steps": [
            {"id": "fetch", "step_class": "A"},
            {"id": "b", "step_class": "A", "inputs": [{"name": "x", "source": "{steps.fetsh.output.y}"}]},
        ],
        "flow": {"start_at": "fetch", "paths": [{"from": "fetch", "to": "b"}]},
    });
    assert_eq!(
        problems(&value),
        ["$.steps[1].inputs: `steps.fetsh.output.y` names no step; did you mean `fetch`?"]
    );
}

#[test]
fn what_is_doubtful_is_a_warning() {
    let mut value = with_paths(
        &["a", "b", "c", "lost"],
        json!([
            {"from": "a", "to": "b"},
            {"from": "b", "to": "a"},
            {"from": "a", "to": "c", "condition": "failure"},
        ]),
    );
    value["steps"][2]["config"] = json!({"x": "{{ lots.y }}"});
    let paths = |value: &Value| -> Vec<String> {
        load(value)
            .unwrap()
            .warnings()
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        paths(&value),
        [
            "$.steps[3]: no path leads to step `lost`",
            "$.flow.paths[2].condition: the path asks for a failure, after which the run goes on only with `continue_on_error`",
            "$.steps[2].config: `lots.y` names no step; did you mean `lost`?",
        ]
    );
    let endless = with_paths(
        &["a", "b"],
        json!([{"from": "a", "to": "b"}, {"from": "b", "to": "a"}]),
    );
    assert_eq!(
        paths(&endless),
        [
            "$.flow.paths[1]: the loop of a, b has no path out: it ends where no condition matches, or at the limit"
        ]
    );
}

#[test]
fn the_three_shapes_of_inputs_are_read() {
    let value = json!({
        "name": "p",
        "steps": [{"id": "a", "step_class": "A", "inputs": [
            {"name": "x", "source": "{parameters.x}|{steps.a.output.x}", "required": true},
            "plain",
        ]}, {"id": "b", "step_class": "A", "inputs": {"y": "{{ a.x }}", "k": 3, "z": "{a.z}"}}],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b"}]},
    });
    let pipeline = load(&value).unwrap();
    let shown: Vec<String> = pipeline
        .steps()
        .iter()
        .flat_map(|step| &step.inputs)
        .map(|input| match &input.source {
            InputSource::Paths(paths) => format!("{} from {}", input.name, paths.join(" or ")),
            InputSource::Template(value) => format!("{} = {value}", input.name),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "x from parameters.x or steps.a.output.x",
            "plain from plain",
            "y = \"{{ a.x }}\"",
            "k = 3",
            "z from a.z",
        ]
    );
}

fn parameters(declared: Value, input: Value) -> Result<Map<String, Value>, Vec<String>> {
    let value = json!({
        "name": "p", "parameters": declared,
        "steps": [{"id": "a", "step_class": "A"}], "flow": {"start_at": "a"},
    });
    let pipeline = load(&value).unwrap();
    pipeline
        .check_input(input.as_object().unwrap())
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

#[test]
fn parameters_are_a_list_or_an_object_with_required_default_and_schema() {
    let list = json!([
        {"name": "topic", "schema": {"type": "string"}, "required": true},
        {"name": "n", "schema": {"type": "integer", "minimum": 1}, "default": 3},
    ]);
    assert_eq!(
        parameters(list.clone(), json!({"topic": "t"})).map(Value::Object),
        Ok(json!({"topic": "t", "n": 3}))
    );
    assert_eq!(
        parameters(list, json!({"topics": 1, "n": 0})),
        Err(vec![
            "$.topic: parameter `topic` is required; did you mean `topics`?".to_owned(),
            "$.n: 0 is less than the minimum of 1".to_owned(),
        ])
    );
    let object =
        json!({"threshold": 0.5, "mode": {"type": "string", "default": "fast"}, "v": {"deep": 1}});
    assert_eq!(
        parameters(object, json!({"threshold": 1})).map(Value::Object),
        Ok(json!({"threshold": 1, "mode": "fast", "v": {"deep": 1}}))
    );
}

#[test]
fn the_input_schema_names_the_place_in_the_input() {
    let value = json!({
        "name": "p",
        "input_schema": {"properties": {"rows": {"type": "array", "items": {"required": ["id"]}}}},
        "steps": [{"id": "a", "step_class": "A"}], "flow": {"start_at": "a"},
    });
    let pipeline = load(&value).unwrap();
    let input = json!({"rows": [{"id": 1}, {}]});
    let wrong = pipeline
        .check_input(input.as_object().unwrap())
        .unwrap_err();
    assert_eq!(wrong[0].path, "$.rows[1]");
}

#[test]
fn error_handling_of_a_step_overrides_that_of_the_pipeline() {
    let value = json!({
        "name": "p",
        "error_handling": {"continue_on_error": true, "retry": {"max_attempts": 5, "initial_delay": 2}},
        "streaming": {"emit_progress": false, "buffer_size": 10},
        "steps": [
            {"id": "a", "step_class": "A"},
            {"id": "b", "step_class": "A", "config": {"error_handling": {"continue_on_error": false}},
             "error_handling": {"retry": {"max_attempts": 2}}, "timeout_seconds": 4},
        ],
        "flow": {"start_at": "a", "paths": [{"from": "a", "to": "b"}]},
    });
    let pipeline = load(&value).unwrap();
    let [a, b] = pipeline.steps() else { panic!() };
    assert!(a.error_handling.continue_on_error && !b.error_handling.continue_on_error);
    let retry = |at: usize| pipeline.steps()[at].error_handling.retry.clone().unwrap();
    assert_eq!((retry(0).max_attempts, retry(1).max_attempts), (5, 2));
    assert_eq!(retry(1).initial_delay, 2.0);
    assert_eq!(b.error_handling.timeout.unwrap().as_secs(), 4);
    let streaming = pipeline.streaming();
    assert!(streaming.enabled && !streaming.emit_progress);
    assert_eq!(
        (streaming.buffer_size, streaming.flush_interval_ms),
        (Some(10), 100)
    );
}

#[test]
fn recovery_is_one_of_three_words() {
    let mut definition = with_paths(&["a"], json!([]));
    assert_eq!(load(&definition).unwrap().recovery(), Recovery::Auto);
    for (word, meant) in [
        ("auto", Recovery::Auto),
        ("resume", Recovery::Resume),
        ("interrupt", Recovery::Interrupt),
    ] {
        definition["recovery"] = word.into();
        assert_eq!(load(&definition).unwrap().recovery(), meant);
    }
    definition["recovery"] = "resum".into();
    assert_eq!(
        problems(&definition),
        ["$.recovery: `recovery` is `auto`, `resume` or `interrupt`; did you mean `resume`?"]
    );
    definition["recovery"] = true.into();
    assert_eq!(
        problems(&definition),
        ["$.recovery: `recovery` is `auto`, `resume` or `interrupt`"]
    );
}
