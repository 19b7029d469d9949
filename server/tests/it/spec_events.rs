//! What travels fits the schema that is given out for it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::{Value, json};
use stepcast::spec::Document;
use stepcast::step::StepRegistry;
use stepcast_core::event::StreamEvent;

use crate::harness::Server;
use crate::pipeline_harness::{paths, pipeline, run_with};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> Value {
    serde_json::from_str(Document::Events.text()).unwrap()
}

/// A validator of what the document has under this name; of frames of a server where it has none.
fn validator(name: Option<&str>) -> Validator {
    let mut schema = document();
    if let Some(name) = name {
        assert!(schema["$defs"][name].is_object(), "{name}");
        let whole = schema.as_object_mut().unwrap();
        whole.remove("oneOf");
        whole.insert("$ref".into(), format!("#/$defs/{name}").into());
    }
    jsonschema::draft202012::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

/// Whatever a run of this server tells fits the schema of events.
pub(crate) fn is_an_event(event: &StreamEvent) {
    static EVENTS: LazyLock<Validator> = LazyLock::new(|| validator(Some("Event")));
    fits(&EVENTS, &json!(event));
}

fn fits(validator: &Validator, value: &Value) {
    let flaws: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(flaws.is_empty(), "{value:#}\n{flaws:#?}");
}

fn vector(name: &str) -> Value {
    let file = root().join("core/vectors").join(name);
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

fn list(value: &Value) -> &Vec<Value> {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

/// What an event is: its type, and its kind where it has one.
fn kind(event: &Value) -> String {
    let event_type = event["event_type"].as_str().unwrap();
    match event["data"]["kind"].as_str() {
        Some(kind) if event_type == "step_progress" => format!("{event_type} {kind}"),
        _ => event_type.to_owned(),
    }
}

#[test]
fn the_documents_are_those_of_the_code() {
    for document in Document::ALL {
        let name = format!("docs/spec/{}", document.file());
        let committed = fs::read_to_string(root().join(&name)).unwrap_or_default();
        assert!(
            committed == document.text(),
            "{name} is out of date: run `cargo xtask spec`"
        );
    }
}

#[tokio::test]
async fn a_server_gives_them_out() {
    let server = Server::start().await;
    for document in Document::ALL {
        let path = format!("/api/spec/{}", document.file());
        let response = server.client.get(server.url(&path)).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.text().await.unwrap(), document.text());
    }
    assert_eq!(server.get("/api/spec/nothing.json").await.0, 404);
    server.stop().await;
}

#[test]
fn the_schema_is_one() {
    assert!(jsonschema::meta::is_valid(&document()));
}

#[test]
fn every_example_of_the_wire_fits() {
    let frames = validator(None);
    let events = vector("events.json");
    for case in list(&events["events"]) {
        fits(&frames, &case["event"]);
    }
    let control = vector("control.json");
    for frame in list(&control["known"]) {
        fits(&frames, frame);
    }
    let (client, actions) = (vector("client.json"), validator(Some("ClientFrame")));
    for frame in list(&client["frames"]) {
        fits(&actions, frame);
    }
    for case in list(&client["short"]) {
        fits(&actions, &case["frame"]);
    }
    for frame in list(&client["bad"]) {
        assert!(!actions.is_valid(frame), "{frame}");
    }
}

#[test]
fn what_is_wrong_does_not_fit() {
    let frames = validator(None);
    let good = json!({
        "event_type": "step_complete", "execution_id": "e", "step_id": "s", "seq": 7,
        "timestamp": "2025-10-22T10:30:00.123Z",
        "data": { "output": 1, "duration_ms": 1.5, "iteration": 1, "attempt": 1, "next": [] },
    });
    fits(&frames, &good);
    for (pointer, wrong) in [
        ("/execution_id", json!("a/b")),
        ("/seq", json!(0)),
        ("/seq", json!("7")),
        ("/timestamp", json!("yesterday")),
        ("/step_id", json!(7)),
        ("/event_type", json!("step_start")),
        ("/event_type", json!("Step-Complete")),
        ("/data", json!("done")),
        ("/data/duration_ms", json!(-1)),
        ("/data/attempt", json!(0)),
        ("/data/next", json!("b")),
    ] {
        let mut event = good.clone();
        *event.pointer_mut(pointer).unwrap() = wrong;
        assert!(!frames.is_valid(&event), "{event}");
    }
    for member in ["execution_id", "step_id", "seq", "timestamp", "data"] {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(member);
        assert!(!frames.is_valid(&event), "{event}");
    }
    let mut both = good.clone();
    both["data"]["output_seq"] = 3.into();
    assert!(!frames.is_valid(&both), "{both}");
    let mut progress = good;
    progress["event_type"] = "step_progress".into();
    for (data, is_one) in [
        (json!({ "progress": 0.5 }), true),
        (json!({ "progress": 1.5 }), false),
        (json!({ "kind": "token", "text": "a" }), true),
        (json!({ "kind": "token" }), false),
        (
            json!({ "kind": "log", "level": "loud", "message": "a" }),
            false,
        ),
        (json!({ "kind": "of_a_later_version", "text": 7 }), true),
        (json!({ "kind": 7 }), false),
    ] {
        progress["data"] = data;
        assert_eq!(frames.is_valid(&progress), is_one, "{progress}");
    }
    for frame in [
        json!({ "control": "hello" }),
        json!({ "control": "ping", "event_type": "x", "seq": 1 }),
        json!({ "control": "closed", "execution_id": "e", "last_seq": 3, "reason": "moonlight" }),
        json!({ "control": "moonlight" }),
        json!([]),
    ] {
        let ping = frame["control"] == "ping";
        assert_eq!(frames.is_valid(&frame), ping, "{frame}");
    }
}

/// Steps that say whatever a step can say by itself.
fn talkative() -> Value {
    let says = r#"
echo '{"progress": 0.5, "message": "half"}'
echo '{"token": "Hel"}'
echo '{"log": {"level": "warning", "message": "slow"}}'
echo '{"custom": {"rows": [1, 2]}}'
echo hi > made.txt
echo '{"artifact": "made.txt"}'
echo '{"output": {"n": 1}}'"#;
    let falls = json!({
        "circuit_breaker": { "failure_threshold": 1, "recovery_timeout": 60, "success_threshold": 1 },
        "fallback_output": { "n": 2 },
    });
    let fails =
        json!({ "retry": { "max_attempts": 2, "initial_delay": 0.01 }, "continue_on_error": true });
    let failure = json!({ "message": "no", "category": "network" });
    json!({
        "name": "Talkative",
        "description": "Says all that there is",
        "version": "1",
        "steps": [
            { "id": "says", "name": "Says", "type": "command", "config": { "argv": ["sh", "-c", says] } },
            { "id": "falls", "type": "fail", "config": failure, "error_handling": falls },
            { "id": "fails", "type": "fail", "config": failure, "error_handling": fails },
            { "id": "asks", "type": "human", "config": {
                "prompt": "Shall it?",
                "form": { "title": "Shall it?", "fields": [
                    { "name": "how", "type": "select", "label": "How", "required": true, "options": ["well", "badly"], "default": "well" },
                    { "name": "many", "type": "number", "min": 0, "max": 9 },
                ] },
                "context": { "n": 1 },
                "timeout_seconds": 0.05,
                "default": { "how": "well" },
                "assigned_users": ["ada"],
            } },
            { "id": "large", "type": "transform", "config": { "expression": "{list: [range(9000)]}" } },
        ],
        "flow": {
            "start_at": "says",
            "paths": paths("says>falls falls>fails fails>asks asks>large"),
        },
        "outputs": { "n": "{{ says.n }}" },
    })
}

async fn ended(server: &Server, id: &str) -> Vec<Value> {
    let (frames, _) = server.ws(&format!("/ws/pipeline/{id}")).await.rest().await;
    assert!(frames.len() > 2, "{frames:?}");
    frames
}

#[tokio::test]
async fn all_that_a_server_sends_of_its_runs_fits() {
    let server = Server::with(|config| {
        fs::create_dir_all(&config.pipelines).unwrap();
    })
    .await;
    let frames = validator(None);
    let mut kinds = BTreeSet::new();
    let mut look = |sent: &[Value]| {
        for frame in sent {
            fits(&frames, frame);
            kinds.insert(match frame["control"].as_str() {
                Some(control) => control.to_owned(),
                None => kind(frame),
            });
        }
    };
    let start = json!({ "definition": talkative(), "execution_id": "all", "input": {} });
    let (status, answer) = server.post("/api/executions", start).await;
    assert_eq!(status, 201, "{answer}");
    look(&ended(&server, "all").await);
    // one that fails, and goes on as another
    let step = json!([
        { "id": "a", "type": "set", "config": { "values": { "n": 1 } } },
        { "id": "b", "type": "fail", "config": { "message": "no" } },
    ]);
    let start = json!({ "definition": pipeline(step, paths("a>b")), "execution_id": "fails" });
    assert_eq!(server.post("/api/executions", start).await.0, 201);
    look(&ended(&server, "fails").await);
    let (status, resumed) = server.post("/api/executions/fails/resume", json!({})).await;
    assert_eq!(status, 201, "{resumed}");
    look(&ended(&server, resumed["execution_id"].as_str().unwrap()).await);
    let expected = [
        "checkpoint_saved",
        "closed",
        "hello",
        "pipeline_complete",
        "pipeline_error",
        "pipeline_start",
        "step_complete",
        "step_error",
        "step_output",
        "step_progress",
        "step_progress answered",
        "step_progress artifact",
        "step_progress circuit",
        "step_progress custom",
        "step_progress fallback",
        "step_progress log",
        "step_progress resumed",
        "step_progress retry",
        "step_progress token",
        "step_progress waiting",
        "step_start",
    ];
    assert_eq!(
        kinds.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    // and a page of it
    let page = validator(Some("Page"));
    let (_, read) = server.get("/api/executions/all/events").await;
    fits(&page, &read);
    let (_, read) = server.get("/api/executions/all/events?limit=2").await;
    fits(&page, &read);
    assert!(!page.is_valid(&json!({ "events": [] })));
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_example_with_a_model_says_fits() {
    let file = root().join("examples/llm/pipeline.json");
    let definition = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let ran = run_with(&StepRegistry::builtin(), &definition, json!({})).await;
    let kinds: BTreeSet<String> = ran.events.iter().map(|it| kind(&json!(it))).collect();
    for said in ["llm", "token", "usage"] {
        assert!(
            kinds.contains(&format!("step_progress {said}")),
            "{kinds:?}"
        );
    }
}
