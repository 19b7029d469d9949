//! A run goes on with the real values, through questions, restarts and resumptions; what it shows has none of them.

use serde_json::{Value, json};
use stepcast::redaction::REDACTED;

use crate::cli::output;
use crate::harness::soon;
use crate::human_api::of_kind;
use crate::ingest_harness::server_with;
use crate::redaction::{SECRET, is_on_disk, rules};

/// Hands the input's password from step to step, past a question, and shows only whether it is still there.
fn pipeline(filler: usize) -> Value {
    let keep =
        "{password: .password, pin: .pin, filler: (\"x\" * $n)}".replace("$n", &filler.to_string());
    json!({
        "name": "Handed on",
        "streaming": {"redact": ["data.output.pin", "data.context.pin", "data.answer.pin"]},
        "recovery": "resume",
        "steps": [
            {"id": "first", "type": "transform", "config": {"expression": keep}},
            {"id": "ask", "type": "human", "config": {"prompt": "?", "context": {"pin": "{{ first.pin }}"},
                "form": {"fields": [{"name": "pin", "type": "text", "required": true}]}}},
            {"id": "last", "type": "transform", "config": {"expression":
                format!("{{kept: ((.first.password // .password) == \"{0}\" and .first.pin == \"{0}\"), answered: (.ask.pin == \"{0}\")}}",
                    SECRET.chars().rev().collect::<String>())}},
        ],
        "flow": {"start_at": "first", "paths": [{"from": "first", "to": "ask"}, {"from": "ask", "to": "last"}]},
    })
}

/// The definition holds it backwards only: a definition is no event.
fn input() -> Value {
    let secret: String = SECRET.chars().rev().collect();
    json!({"password": secret, "pin": secret})
}

fn backwards() -> String {
    SECRET.chars().rev().collect()
}

#[tokio::test]
async fn a_run_that_goes_on_after_a_restart_has_the_real_values() {
    // small enough for the checkpoint, and so large that the log would hold it for the checkpoint
    for filler in [10, 100_000] {
        let directory = tempfile::tempdir().unwrap();
        let server = server_with(directory.path(), rules).await;
        let body = json!({"definition": pipeline(filler), "input": input(), "execution_id": "e"});
        let (status, answer) = server.post("/api/executions", body).await;
        assert_eq!(status, 201, "{answer}");
        server.stands("e", "waiting").await;
        for path in ["/api/executions/e/waits", "/api/waits"] {
            let (_, waits) = server.get(path).await;
            assert_eq!(
                waits["waits"][0]["context"],
                json!({"pin": REDACTED}),
                "{waits}"
            );
        }
        server.stop().await;

        let server = server_with(directory.path(), rules).await;
        server.stands("e", "waiting").await;
        let (_, waits) = server.get("/api/waits").await;
        assert_eq!(
            waits["waits"][0]["context"],
            json!({"pin": REDACTED}),
            "{waits}"
        );
        // an export of what can be gone on from holds nothing that is not shown
        let data = directory.path().join("data");
        let export = [
            "log",
            "export",
            "--all",
            "--data-dir",
            data.to_str().unwrap(),
        ];
        let (code, text, told) = output(&export).await;
        assert_eq!(code, 0, "{told}");
        let header: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            header["input"],
            json!({"password": REDACTED, "pin": backwards()})
        );
        assert_eq!(header["checkpoint"], Value::Null);

        let answer = json!({"answer": {"pin": backwards()}});
        let (status, first) = server.answer("e", "ask.1", answer.clone()).await;
        assert_eq!(status, 200, "{first}");
        server.stands("e", "completed").await;
        let events = server.events("e").await;
        assert_eq!(
            of_kind(&events, "answered")[0]["data"]["answer"],
            json!({"pin": REDACTED})
        );
        let last =
            |event: &&Value| event["step_id"] == "last" && event["event_type"] == "step_complete";
        let output = &events.iter().find(last).unwrap()["data"]["output"];
        assert_eq!(output["kept"], true, "{output}");
        assert_eq!(output["answered"], true);
        // the same answer again is no other, and another one learns nothing
        let (status, again) = server.answer("e", "ask.1", answer).await;
        assert_eq!(status, 200, "{again}");
        let other = json!({"answer": {"pin": "0000"}});
        let (_, refused) = server.answer("e", "ask.1", other).await;
        assert!(!refused.to_string().contains(&backwards()), "{refused}");
        server.stop().await;
    }
}

#[tokio::test]
async fn what_a_completed_run_needed_to_go_on_is_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), rules).await;
    let definition = json!({"name": "P", "steps": [{"id": "a", "type": "set", "config": {"values": {}}}], "flow": {"start_at": "a"}});
    let body = json!({"definition": definition, "input": {"password": SECRET}, "execution_id": "e", "mode": "create"});
    assert_eq!(server.post("/api/executions", body).await.0, 201);
    let origin = |server: &crate::harness::Server| {
        let row = server
            .executions
            .find(&"e".parse().unwrap())
            .unwrap()
            .unwrap();
        server
            .executions
            .log()
            .store()
            .origin(row.key.key)
            .unwrap()
            .unwrap()
            .1
    };
    // it has not begun, and needs it
    assert_eq!(origin(&server), json!({"password": SECRET}));
    assert_eq!(
        server.post("/api/executions/e/start", json!({})).await.0,
        202
    );
    server.stands("e", "completed").await;
    assert_eq!(origin(&server), json!({"password": REDACTED}));
    server.stop().await;
}

#[tokio::test]
async fn a_run_that_is_resumed_by_hand_has_the_real_values() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), rules).await;
    let fails = "if .first.password != .password or .password == \"[redacted]\" then error(\"lost\") else error(\"again\") end";
    let definition = json!({
        "name": "Fails",
        "steps": [
            {"id": "first", "type": "transform", "config": {"expression": "{password}"}},
            {"id": "fails", "type": "transform", "config": {"expression": fails}},
        ],
        "flow": {"start_at": "first", "paths": [{"from": "first", "to": "fails"}]},
    });
    let body =
        json!({"definition": definition, "input": {"password": SECRET}, "execution_id": "e"});
    assert_eq!(server.post("/api/executions", body).await.0, 201);
    let failed = server.stands("e", "failed").await;
    assert!(
        failed["error"].as_str().unwrap().contains("again"),
        "{failed}"
    );
    let (status, resumed) = server.post("/api/executions/e/resume", json!({})).await;
    assert_eq!(status, 201, "{resumed}");
    let id = resumed["execution_id"].as_str().unwrap();
    let again = server.stands(id, "failed").await;
    assert!(
        again["error"].as_str().unwrap().contains("again"),
        "{again}"
    );
    let events = json!(server.events(id).await).to_string();
    assert!(!events.contains(SECRET) && events.contains(REDACTED));
    let data = directory.path().join("data");
    let export = [
        "log",
        "export",
        "--all",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    let (_, text, _) = output(&export).await;
    assert!(!text.contains(SECRET), "{text}");
    server.stop().await;
    // what can be gone on from is there: the page on security says so
    assert!(is_on_disk(&data, SECRET));
}

#[tokio::test]
async fn a_run_without_a_log_answers_without_what_is_taken_out() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), rules).await;
    let expression = json!({"expression": "{kept: (.password | length), password: .password, keys: [.password]}"});
    let definition = json!({"name": "P", "streaming": {"redact": ["data.output.pin"]},
        "steps": [{"id": "a", "type": "transform", "config": expression}], "flow": {"start_at": "a"},
        "outputs": {"kept": "{{ a.kept }}", "pin": "{{ a.password }}"}});
    let body = json!({"mode": "blocking", "definition": definition, "input": {"password": SECRET}});
    let (status, answer) = soon(server.post("/api/executions", body)).await;
    assert_eq!(status, 200, "{answer}");
    assert!(!answer.to_string().contains(SECRET), "{answer}");
    assert_eq!(
        answer["result"]["output"],
        json!({"kept": SECRET.len(), "pin": REDACTED})
    );
    server.stop().await;
}
