//! The real binary, killed while people think: the question stays, with its id and its deadline.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast_core::time::Timestamp;

use crate::harness::soon;
use crate::human_api::of_kind;
use crate::process::Process;

impl Process {
    async fn get(&self, path: &str) -> Value {
        let url = format!("http://{}{path}", self.address);
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    async fn stands(&self, id: &str, status: &str) -> Value {
        let path = format!("/api/executions/{id}");
        soon(async {
            loop {
                let execution = self.get(&path).await;
                if execution["status"] == status {
                    return execution;
                }
                assert_ne!(execution["status"], "interrupted", "{execution}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await
    }

    async fn start_run(&self, id: &str, definition: &Value) {
        let body = json!({"definition": definition, "execution_id": id});
        let (status, answer) = self.post("/api/executions", &body).await;
        assert_eq!(status, 201, "{answer}");
    }

    async fn answer(&self, id: &str, wait: &str, answer: Value) -> (u16, Value) {
        let path = format!("/api/executions/{id}/waits/{wait}/answer");
        self.post(&path, &json!({"answer": answer, "by": "alice"}))
            .await
    }

    async fn events(&self, id: &str) -> Vec<Value> {
        let page = self
            .get(&format!("/api/executions/{id}/events?limit=1000"))
            .await;
        page["events"].as_array().unwrap().clone()
    }

    /// Killed, and started again on the same data.
    async fn again(self, data: &Path, orderly: bool) -> Self {
        let address = if orderly {
            self.terminate().await
        } else {
            self.kill().await
        };
        Self::start(data, &address).await
    }
}

/// A program that notes that it ran, and asks by what it gives; it is not idempotent.
fn program(id: &str, book: &Path) -> Value {
    let asks = json!({"output": {
        "status": "human_input_required", "prompt": "Good?", "draft": "once upon a time",
        "ui_schema": {"type": "review", "fields": [{"name": "good", "type": "checkbox", "label": "Good"}]},
    }});
    let script = format!("echo {id} >> '{}'; printf '%s\\n' '{asks}'", book.display());
    json!({"id": id, "type": "command", "config": {"argv": ["sh", "-c", script]}})
}

fn lines(book: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(book).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn rule_6_a_waiting_run_survives_kills_without_executing_anything_twice() {
    let directory = tempfile::tempdir().unwrap();
    let (data, book) = (directory.path().join("data"), directory.path().join("book"));
    let definition = json!({
        "name": "Waits",
        "steps": [
            {"id": "first", "type": "set", "config": {"values": {"n": 1}}},
            program("write", &book),
            {"id": "review", "type": "human", "config": {
                "prompt": "Publish {{ write.draft }}?", "choices": ["publish", "reject"], "timeout_seconds": 86400}},
            program("last", &book),
        ],
        "flow": {"start_at": "first", "paths": [
            {"from": "first", "to": "write"}, {"from": "write", "to": "review"},
            {"from": "review", "to": "last", "condition": {"type": "field_equals", "field": "review.decision", "value": "publish"}},
        ]},
    });
    let mut process = Process::start(&data, "127.0.0.1:0").await;
    process.start_run("waits", &definition).await;
    let mut told = Vec::new();
    for (round, (wait, answer)) in [
        ("write.1", json!({"good": true})),
        ("review.1", json!({"decision": "publish"})),
        ("last.1", json!({"good": false})),
    ]
    .into_iter()
    .enumerate()
    {
        process.stands("waits", "waiting").await;
        let before = process.get("/api/executions/waits/waits").await;
        let events = process.events("waits").await;
        for orderly in [false, true, false] {
            process = process.again(&data, orderly).await;
            process.stands("waits", "waiting").await;
        }
        // nothing was said, nothing is void, and the question is the same to the last byte
        assert_eq!(process.events("waits").await, events);
        let after = process.get("/api/executions/waits/waits").await;
        assert_eq!(after, before);
        let wait_now = &after["waits"][round];
        assert_eq!(
            (&wait_now["wait_id"], &wait_now["status"]),
            (&json!(wait), &json!("waiting"))
        );
        told.push(wait_now["expires_at"].clone());
        let (status, first) = process.answer("waits", wait, answer.clone()).await;
        assert_eq!(status, 200, "{first}");
        if round == 0 {
            // acknowledged is kept, whatever the run has made of it by now
            process = process.again(&data, false).await;
            assert_eq!(process.answer("waits", wait, answer).await, (200, first));
        }
    }
    process.stands("waits", "completed").await;
    assert_eq!(lines(&book), ["write", "last"], "each ran once");
    assert_eq!((told[0].is_null(), told[1].is_null()), (true, false));
    let events = process.events("waits").await;
    assert_eq!(of_kind(&events, "waiting").len(), 3);
    assert_eq!(of_kind(&events, "answered").len(), 3);
    let writes = events
        .iter()
        .find(|event| event["event_type"] == "step_complete" && event["step_id"] == "write");
    assert_eq!(
        writes.unwrap()["data"]["output"],
        json!({"draft": "once upon a time", "good": true, "human_input": {"good": true},
            "responded_by": "alice", "timed_out": false})
    );
    process.kill().await;
}

#[tokio::test]
async fn rule_6_a_deadline_that_passed_without_a_server_is_applied_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let config = |default: Value| {
        let mut config =
            json!({"prompt": "?", "choices": ["publish", "reject"], "timeout_seconds": 5});
        if !default.is_null() {
            config["default"] = default;
        }
        crate::human_api::asks(config)
    };
    let process = Process::start(&data, "127.0.0.1:0").await;
    process
        .start_run("default", &config(json!({"decision": "reject"})))
        .await;
    process.start_run("none", &config(Value::Null)).await;
    let mut expires_at = 0;
    for id in ["default", "none"] {
        process.stands(id, "waiting").await;
        let waits = process.get(&format!("/api/executions/{id}/waits")).await;
        let time = waits["waits"][0]["expires_at"].as_str().unwrap();
        let time: Timestamp = serde_json::from_value(time.into()).unwrap();
        expires_at = expires_at.max(time.unix_millis().unwrap());
    }
    let address = process.kill().await;
    while stepcast::clock::unix_millis() <= expires_at {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let process = Process::start(&data, &address).await;
    process.stands("default", "completed").await;
    process.stands("none", "failed").await;
    let events = process.events("default").await;
    assert_eq!(of_kind(&events, "answered")[0]["data"]["source"], "default");
    let (status, _) = process
        .answer("default", "review.1", json!({"decision": "publish"}))
        .await;
    assert_eq!(status, 410);
    process.kill().await;
}

#[tokio::test]
async fn rule_6_beside_a_step_that_was_cut_off_a_question_is_told_again_and_stays_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (data, book) = (directory.path().join("data"), directory.path().join("book"));
    let go = directory.path().join("go");
    let script = format!(
        "echo slow >> '{}'; while [ ! -e '{}' ]; do sleep 0.05; done; echo '{{\"output\":{{}}}}'",
        book.display(),
        go.display()
    );
    let definition = json!({
        "name": "Both",
        "steps": [
            {"id": "fork", "type": "set", "config": {"values": {"n": 1}}},
            program("asks", &book),
            {"id": "slow", "type": "command", "idempotent": true, "config": {"argv": ["sh", "-c", script]}},
            {"id": "join", "type": "set", "config": {"values": {"good": "{{ asks.good }}"}}},
        ],
        "flow": {"start_at": "fork", "paths": [
            {"from": "fork", "to": "asks"}, {"from": "fork", "to": "slow"},
            {"from": "asks", "to": "join"}, {"from": "slow", "to": "join"},
        ]},
    });
    let mut process = Process::start(&data, "127.0.0.1:0").await;
    process.start_run("both", &definition).await;
    let waiting = |events: &[Value]| of_kind(events, "waiting").len();
    let starts = |events: &[Value]| {
        let starts = events
            .iter()
            .filter(|event| event["event_type"] == "step_start");
        starts.filter(|event| event["step_id"] == "slow").count()
    };
    soon(async {
        while waiting(&process.events("both").await) == 0
            || starts(&process.events("both").await) == 0
        {}
    })
    .await;
    assert_eq!(
        process.get("/api/executions/both").await["status"],
        "running"
    );
    process = process.again(&data, false).await;
    soon(async { while starts(&process.events("both").await) < 2 {} }).await;
    let events = process.events("both").await;
    assert_eq!(
        of_kind(&events, "resumed")[0]["data"]["steps"],
        json!(["slow"])
    );
    let told: Vec<&Value> = of_kind(&events, "waiting")
        .iter()
        .map(|event| &event["data"])
        .collect();
    assert_eq!((told.len(), told[0]), (2, told[1]));
    // answered while the other goes on, and killed before the two meet
    assert_eq!(
        process
            .answer("both", "asks.1", json!({"good": true}))
            .await
            .0,
        200
    );
    process = process.again(&data, false).await;
    std::fs::write(&go, "").unwrap();
    process.stands("both", "completed").await;
    let events = process.events("both").await;
    assert_eq!(events.last().unwrap()["data"]["output"]["good"], true);
    assert_eq!(
        lines(&book).iter().filter(|line| *line == "asks").count(),
        1
    );
    process.kill().await;
}
