//! What a producer may send, and where each refusal points.

use serde_json::{Value, json};

use crate::harness::Server;
use crate::ingest_harness::{announce, note, post, post_lines, send, stored};

#[tokio::test]
async fn every_flaw_of_an_event_is_told_with_its_place() {
    let server = Server::with(|config| config.max_event_bytes = 1000).await;
    announce(&server, "e").await;
    let event = |member: &str, value: Value| {
        let mut event = note(1);
        event[member] = value;
        event
    };
    let rows: Vec<(Value, u16, &str)> = vec![
        (json!(7), 422, "$"),
        (json!({}), 422, "$.event_type"),
        (json!({ "data": {} }), 422, "$.event_type"),
        (event("event_type", json!("")), 422, "$.event_type"),
        (
            event("event_type", json!("Step Start")),
            422,
            "$.event_type",
        ),
        (event("event_type", json!(null)), 422, "$.event_type"),
        (
            event("event_type", json!("x".repeat(65))),
            422,
            "$.event_type",
        ),
        (event("step_id", json!(5)), 422, "$.step_id"),
        (event("step_id", json!("")), 422, "$.step_id"),
        (event("step_id", json!(null)), 422, "$.step_id"),
        (event("data", json!("text")), 422, "$.data"),
        (event("data", json!([1])), 422, "$.data"),
        (event("metadata", json!(1)), 422, "$.metadata"),
        (event("seq", json!(1)), 422, "$.seq"),
        (
            event("timestamp", json!("2025-10-22T10:30:00Z")),
            422,
            "$.timestamp",
        ),
        (event("execution_id", json!("other")), 422, "$.execution_id"),
        (event("type", json!("x")), 422, "$"),
        (
            json!([note(1), note(2), event("data", json!(1))]),
            422,
            "$[2].data",
        ),
        (json!([note(1), 5]), 422, "$[1]"),
        (json!([]), 400, ""),
        (event("data", json!({ "text": "x".repeat(1000) })), 413, ""),
        (
            json!([note(1), event("data", json!({ "text": "x".repeat(1000) }))]),
            413,
            "",
        ),
    ];
    for (body, status, path) in rows {
        let answer = post(&server, "e", None, body.clone()).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert_eq!(
            answer.body["errors"][0]["path"].as_str().unwrap_or(""),
            path,
            "{body}"
        );
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    let large = json!([note(1), event("data", json!({ "text": "x".repeat(1000) }))]);
    assert_eq!(post(&server, "e", None, large).await.body["path"], "$[1]");
    let misspelt = post(&server, "e", None, event("stepid", json!("a"))).await;
    assert_eq!(misspelt.body["errors"][0]["suggestion"], "step_id");
    for (text, place) in [
        ("{\"event_type\": \"x\",}", "column 20"),
        ("[{\"event_type\": \"x\"}, {\"event", "column 29"),
        ("", "line 1"),
    ] {
        let path = "/api/executions/e/events";
        let answer = send(&server, path, &[], text).await;
        assert_eq!(answer.status, 400, "{text}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(place), "{text}: {detail}");
    }
    assert_eq!(
        stored(&server, "e").await.len(),
        0,
        "nothing of all this was taken"
    );
    let fits = event("execution_id", json!("e"));
    assert_eq!(post(&server, "e", None, fits).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused_before_anything_is_taken() {
    let server = Server::with(|config| config.max_body_bytes = 4000).await;
    announce(&server, "e").await;
    let all = |id: &str, epoch: &str, seq: &str| {
        vec![
            ("producer-id", id.to_owned()),
            ("producer-epoch", epoch.to_owned()),
            ("producer-seq", seq.to_owned()),
        ]
    };
    let one = |name, value: &str| vec![(name, value.to_owned())];
    for (headers, status) in [
        (all("", "0", "0"), 400),
        (all(&"x".repeat(257), "0", "0"), 400),
        (all("p", "-1", "0"), 400),
        (all("p", "0", "1.5"), 400),
        (all("p", "0", "9007199254740992"), 400),
        (all("p", "+1", "0"), 400),
        (one("producer-id", "p"), 400),
        (one("producer-seq", "0"), 400),
        (all("p", "0", "0")[..2].to_vec(), 400),
        (one("content-type", "text/plain"), 415),
        (one("content-type", "application/xml"), 415),
    ] {
        let body = note(1).to_string();
        let answer = send(&server, "/api/executions/e/events", &headers, body).await;
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
    let large = json!([{ "event_type": "x", "data": { "text": "x".repeat(5000) } }]);
    assert_eq!(post(&server, "e", None, large).await.status, 413);
    assert_eq!(post(&server, "no-such", None, note(1)).await.status, 404);
    assert_eq!(post(&server, "a%20b", None, note(1)).await.status, 400);
    let own = server.execution("own", stepcast::log::Budget::default());
    assert_eq!(post(&server, "own", None, note(1)).await.status, 409);
    assert_eq!(post_lines(&server, "own", None, "{}").await.status, 409);
    drop(own);
    assert_eq!(stored(&server, "e").await.len(), 0);
    assert_eq!(
        post(&server, "e", Some(("p", 9_007_199_254_740_991, 0)), note(1))
            .await
            .status,
        200
    );
    server.stop().await;
}

#[tokio::test]
async fn an_execution_is_announced_in_words_that_can_be_shown() {
    let server = Server::with(|config| config.max_event_bytes = 1000).await;
    let rows = [
        (json!({ "pipeline": "" }), 422, "$.pipeline"),
        (json!({ "pipeline": "p", "lease_ms": 5 }), 422, "$.lease_ms"),
        (json!({ "pipeline": "p", "steps": "a" }), 422, "$.steps"),
        (
            json!({ "pipeline": "p", "steps": ["a", 5] }),
            422,
            "$.steps[1]",
        ),
        (
            json!({ "pipeline": "p", "steps": [{ "name": "a" }] }),
            422,
            "$.steps[0]",
        ),
        (
            json!({ "pipeline": "p", "steps": [{ "id": "a", "color": "red" }] }),
            422,
            "$.steps[0]",
        ),
        (
            json!({ "pipeline": "p", "paths": [{ "from": "a" }] }),
            422,
            "$.paths[0]",
        ),
        (json!({ "pipeline": "p", "execution_id": "a b" }), 400, ""),
        (json!({ "pipeline": "p", "definition": {} }), 400, ""),
        (json!({ "steps": [] }), 400, ""),
        (
            json!({ "pipeline": "p", "input": { "text": "x".repeat(1000) } }),
            413,
            "",
        ),
        (json!({ "pipeline": "p", "colour": 1 }), 400, ""),
    ];
    for (mut body, status, path) in rows {
        body["mode"] = "external".into();
        let (told, problem) = server.post("/api/executions", body.clone()).await;
        assert_eq!(told, status, "{body}: {problem}");
        assert_eq!(
            problem["errors"][0]["path"].as_str().unwrap_or(""),
            path,
            "{body}"
        );
    }
    // what belongs to this mode is not silently ignored in another
    let body = json!({ "pipeline": "p", "steps": ["a"] });
    assert_eq!(server.post("/api/executions", body).await.0, 400);
    assert_eq!(announce(&server, "e").await.status, 201);
    assert_eq!(
        server.post("/api/executions/e/start", json!({})).await.0,
        409
    );
    server.stop().await;
}
