//! The HTTP API: start, watch, cancel, and errors that say where.

use std::path::Path;

use serde_json::{Value, json};
use stepcast::config::StoreKind;

use crate::harness::{Server, seqs};

/// Waits for two seconds between two quick steps; `name` is greeted.
fn greeting(seconds: f64) -> Value {
    json!({
        "name": "Greeting",
        "parameters": [{ "name": "name", "schema": { "type": "string" }, "required": true }],
        "steps": [
            { "id": "wait", "type": "delay", "config": { "seconds": seconds } },
            { "id": "greet", "type": "set", "config": { "values": { "text": "Hello, {{ parameters.name }}!" } } }
        ],
        "flow": { "start_at": "wait", "paths": [{ "from": "wait", "to": "greet" }] },
        "outputs": { "text": "{{ greet.text }}" }
    })
}

fn start(seconds: f64, id: &str) -> Value {
    json!({ "definition": greeting(seconds), "input": { "name": "you" }, "execution_id": id })
}

#[tokio::test]
async fn a_run_is_started_watched_and_found_again() {
    let server = Server::with(|_| {}).await;
    let (status, started) = server.post("/api/executions", start(0.05, "run")).await;
    assert_eq!(
        (status, started["links"]["websocket"].as_str()),
        (201, Some("/ws/pipeline/run"))
    );
    let (frames, code) = server.ws("/ws/pipeline/run").await.rest().await;
    let events: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame["event_type"].as_str())
        .collect();
    assert_eq!(
        (events.first(), events.last(), code),
        (Some(&"pipeline_start"), Some(&"pipeline_complete"), 1000)
    );
    assert_eq!(seqs(&frames), (1..=events.len() as u64).collect::<Vec<_>>());
    let (_, shown) = server.get("/api/executions/run?view=true").await;
    assert_eq!(
        (shown["status"].as_str(), shown["progress"].as_f64()),
        (Some("completed"), Some(1.0))
    );
    assert_eq!(shown["view"]["output"], json!({ "text": "Hello, you!" }));
    let (_, list) = server.get("/api/executions?status=completed,failed").await;
    assert_eq!(list["executions"][0]["execution_id"], "run");
    assert_eq!(
        server.get("/api/executions?status=running").await.1["executions"],
        json!([])
    );
    server.stop().await;
}

#[tokio::test]
async fn a_viewer_can_be_there_before_the_run_starts() {
    let server = Server::with(|_| {}).await;
    let mut body = start(0.0, "early");
    body["mode"] = "create".into();
    assert_eq!(
        server.post("/api/executions", body).await.1["status"],
        "pending"
    );
    let mut viewer = server.ws("/ws/pipeline/early").await;
    assert_eq!(viewer.frame().await.unwrap()["last_seq"], 0);
    assert_eq!(
        server
            .post("/api/executions/early/start", json!({}))
            .await
            .0,
        202
    );
    assert_eq!(
        viewer.frame().await.unwrap()["event_type"],
        "pipeline_start"
    );
    assert_eq!(viewer.rest().await.1, 1000);
    assert_eq!(
        server
            .post("/api/executions/early/start", json!({}))
            .await
            .0,
        409
    );
    server.stop().await;
}

#[tokio::test]
async fn a_pipeline_that_turns_streaming_off_keeps_its_start_its_checkpoints_and_its_end() {
    let server = Server::with(|_| {}).await;
    let mut body = start(0.0, "quiet");
    body["definition"]["streaming"] = json!({ "enabled": false });
    assert_eq!(server.post("/api/executions", body).await.0, 201);
    let (frames, _) = server.ws("/ws/pipeline/quiet").await.rest().await;
    let events: Vec<&str> = frames
        .iter()
        .filter_map(|frame| frame["event_type"].as_str())
        .collect();
    assert_eq!(
        events,
        [
            "pipeline_start",
            "checkpoint_saved",
            "checkpoint_saved",
            "pipeline_complete"
        ]
    );
    server.stop().await;
}

#[tokio::test]
async fn blocking_execution_takes_the_same_path_and_keeps_no_log() {
    let server = Server::start().await;
    let mut body = start(0.0, "blocking");
    body["mode"] = "blocking".into();
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(
        (status, &answer["result"]["output"]),
        (200, &json!({ "text": "Hello, you!" }))
    );
    assert_eq!(answer["result"]["steps"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/api/executions/blocking").await.0, 404);
    server.stop().await;
}

#[tokio::test]
async fn rule_7_leaving_is_not_cancelling_and_cancelling_is_seen_by_all() {
    let server = Server::with(|_| {}).await;
    server.post("/api/executions", start(600.0, "cancel")).await;
    let mut leaves = server.ws("/ws/pipeline/cancel").await;
    leaves.frame().await.unwrap();
    drop(leaves);
    let stays = server.sse("/stream/pipeline/cancel", None).await;
    assert_eq!(
        server.get("/api/executions/cancel").await.1["status"],
        "running"
    );
    assert_eq!(
        server
            .post("/api/executions/cancel/cancel", json!({}))
            .await
            .0,
        202
    );
    let messages = stays.rest().await;
    let last =
        |n: usize| serde_json::from_str::<Value>(&messages[messages.len() - n].data).unwrap();
    assert_eq!(
        (
            last(2)["event_type"].as_str(),
            last(2)["data"]["reason"].as_str()
        ),
        (Some("pipeline_error"), Some("cancelled"))
    );
    assert_eq!(
        (last(1)["control"].as_str(), last(1)["reason"].as_str()),
        (Some("closed"), Some("cancelled"))
    );
    assert_eq!(
        server
            .post("/api/executions/cancel/cancel", json!({}))
            .await
            .0,
        409
    );
    assert_eq!(
        server.get("/api/executions/cancel").await.1["status"],
        "cancelled"
    );
    server.stop().await;
}

#[tokio::test]
async fn every_refusal_is_a_problem_document_that_says_what_to_do() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.max_body_bytes = 4_000;
        config.max_running = 1;
    })
    .await;
    let mut misspelt = greeting(0.0);
    misspelt["flow"]["paths"][0]["to"] = "gret".into();
    let cases = [
        (json!({}), 400),
        (json!({ "pipeline": "a", "definition": {} }), 400),
        (json!({ "pipelines": "a" }), 400),
        (json!({ "pipeline": "absent" }), 404),
        (json!({ "definition": greeting(0.0), "input": {} }), 422),
        (
            json!({ "definition": misspelt, "input": { "name": "x" } }),
            422,
        ),
        (
            json!({ "definition": greeting(0.0), "input": { "name": "x" }, "execution_id": "a b" }),
            400,
        ),
        (json!({ "definition": { "name": "x".repeat(5_000) } }), 413),
    ];
    for (body, expected) in cases {
        let (status, problem) = server.post("/api/executions", body.clone()).await;
        assert_eq!(
            (status, problem["status"].as_u64()),
            (expected, Some(u64::from(expected))),
            "{body} gave {problem}"
        );
        assert!(problem["detail"].as_str().unwrap().len() > 10);
        if expected == 422 {
            let flaw = &problem["errors"][0];
            assert!(flaw["path"].as_str().unwrap().starts_with('$'), "{flaw}");
        }
    }
    let misspelt = server
        .post("/api/pipelines/validate", misspelt_path())
        .await;
    assert_eq!(misspelt.1["errors"][0]["path"], "$.flow.paths[0].to");
    assert!(
        misspelt.1["errors"][0]["suggestion"]
            .as_str()
            .unwrap()
            .contains("greet")
    );
    let plain = server
        .client
        .post(server.url("/api/executions"))
        .body("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(
        plain.status(),
        415,
        "a form of another origin cannot start a run"
    );
    assert_eq!(plain.headers()["content-type"], "application/problem+json");
    assert_eq!(
        server.post("/api/executions", start(600.0, "one")).await.0,
        201
    );
    let full = server
        .client
        .post(server.url("/api/executions"))
        .json(&start(0.0, "two"))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            full.status().as_u16(),
            full.headers().contains_key("retry-after")
        ),
        (429, true)
    );
    server.post("/api/executions/one/cancel", json!({})).await;
    assert_eq!(server.ws("/ws/pipeline/one").await.rest().await.1, 1000);
    assert_eq!(
        server.post("/api/executions", start(0.0, "one")).await.0,
        409
    );
    for path in [
        "/api/executions/absent",
        "/api/executions/absent/events",
        "/stream/pipeline/absent",
        "/api/pipelines/absent",
    ] {
        assert_eq!(server.get(path).await.0, 404, "{path}");
    }
    assert_eq!(server.get("/api/executions/%3Cimg%3E").await.0, 400);
    server.stop().await;
}

fn misspelt_path() -> Value {
    let mut definition = greeting(0.0);
    definition["flow"]["paths"][0]["to"] = "gret".into();
    definition
}

fn store(folder: &Path, name: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(name), text).unwrap();
}

#[tokio::test]
async fn stored_pipelines_are_listed_with_what_is_wrong_and_started_by_name() {
    let server = Server::start().await;
    let folder = server.directory.path().join("pipelines");
    assert_eq!(server.get("/api/pipelines").await.1["pipelines"], json!([]));
    store(&folder, "good.json", &greeting(0.0).to_string());
    store(&folder, "broken.json", "{");
    store(
        &folder,
        "wrong.json",
        r#"{"name":"Wrong","steps":[],"flow":{"start_at":"a"}}"#,
    );
    let (_, list) = server.get("/api/pipelines").await;
    let named = |name: &str| {
        list["pipelines"]
            .as_array()
            .unwrap()
            .iter()
            .find(|pipeline| pipeline["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (
            named("good")["title"].as_str(),
            named("good")["steps"].as_u64()
        ),
        (Some("Greeting"), Some(2))
    );
    assert_eq!(named("good")["parameters"][0]["name"], "name");
    assert!(!named("broken")["errors"].as_array().unwrap().is_empty());
    assert!(!named("wrong")["errors"].as_array().unwrap().is_empty());
    let (status, started) = server
        .post(
            "/api/executions",
            json!({ "pipeline": "good", "input": { "name": "x" } }),
        )
        .await;
    assert_eq!(status, 201);
    assert!(
        started["execution_id"].as_str().unwrap().len() > 30,
        "an id nobody can guess"
    );
    assert_eq!(
        server.get("/api/pipelines/good").await.1["definition"],
        greeting(0.0)
    );
    server.stop().await;
}

#[tokio::test]
async fn health_and_readiness() {
    let server = Server::start().await;
    assert_eq!(server.get("/healthz").await.1["status"], "ok");
    assert_eq!(server.get("/readyz").await.1["status"], "ready");
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_reaches_nothing() {
    let server = Server::start().await;
    let port = server.address.rsplit(':').next().unwrap();
    let send = |path: &str, name: &str, value: String| {
        server
            .client
            .get(server.url(path))
            .header(name, value)
            .send()
    };
    for path in [
        "/api/executions",
        "/stream/pipeline/a",
        "/ws/pipeline/a",
        "/",
    ] {
        for (name, value) in [
            ("host", format!("rebound.example:{port}")),
            ("origin", "https://evil.example".to_owned()),
            ("origin", "null".to_owned()),
        ] {
            assert_eq!(
                send(path, name, value).await.unwrap().status(),
                403,
                "{path} {name}"
            );
        }
    }
    let own = send(
        "/api/executions",
        "origin",
        format!("http://localhost:{port}"),
    )
    .await
    .unwrap();
    assert_eq!(own.status(), 200);
    server.stop().await;
}
