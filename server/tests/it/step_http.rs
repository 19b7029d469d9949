//! `http` against a server on loopback.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use stepcast::pipeline::{RunOptions, RunStatus};
use stepcast::step::StepRegistry;
use tokio::io::AsyncReadExt as _;

use crate::pipeline_harness::{Ran, pipeline, run_with, start};

async fn serve() -> SocketAddr {
    let echo = |RawQuery(query): RawQuery, headers: HeaderMap, body: String| async move {
        let key = headers
            .get("x-key")
            .map(|value| value.to_str().unwrap().to_owned());
        let kind = headers
            .get("content-type")
            .map(|value| value.to_str().unwrap().to_owned());
        Json(json!({"query": query, "key": key, "kind": kind, "body": body}))
    };
    let status =
        |Path(code): Path<u16>| async move { (StatusCode::from_u16(code).unwrap(), "why") };
    let router = Router::new()
        .route("/echo", post(echo).get(echo))
        .route("/status/{code}", get(status))
        .route(
            "/busy",
            get(|| async { (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0.02")]) }),
        )
        .route("/big", get(|| async { "x".repeat(400_000) }))
        .route("/slow", get(std::future::pending::<String>));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn http(config: Value, input: Value) -> Ran {
    let definition = pipeline(
        json!([{"id": "h", "type": "http", "config": config}]),
        json!([]),
    );
    run_with(&StepRegistry::builtin(), &definition, input).await
}

#[tokio::test]
async fn a_request_carries_method_query_headers_and_body() {
    let address = serve().await;
    let config = json!({
        "method": "post", "url": format!("http://{address}/echo?a=1"),
        "query": {"q": "{{ input.q }}", "many": [1, 2]}, "headers": {"X-Key": "k"}, "json": {"n": 1},
    });
    let ran = http(config, json!({"q": "ü &"})).await;
    let output = &ran.result.output["h"];
    assert_eq!(output["status"], 200);
    assert_eq!(
        output["body"],
        json!({"query": "a=1&q=%C3%BC+%26&many=1&many=2", "key": "k", "kind": "application/json", "body": "{\"n\":1}"})
    );
    assert_eq!(output["headers"]["content-type"], "application/json");
}

#[tokio::test]
async fn a_status_says_what_kind_of_error_it_is() {
    let address = serve().await;
    for (code, category) in [
        (404, "validation"),
        (403, "configuration"),
        (429, "dependency"),
        (503, "dependency"),
        (504, "timeout"),
    ] {
        let ran = http(
            json!({"url": format!("http://{address}/status/{code}")}),
            json!({}),
        )
        .await;
        let error = ran.result.error.unwrap();
        assert_eq!(error.category.as_str(), category, "{error}");
        assert!(
            error
                .message
                .starts_with(&format!("the server answered {code}"))
                && error.message.ends_with(": why")
        );
    }
    let expected =
        json!({"url": format!("http://{address}/status/404"), "expect_status": [200, 404]});
    assert_eq!(
        http(expected, json!({})).await.result.output["h"]["body"],
        "why"
    );
}

#[tokio::test]
async fn a_large_response_is_read_with_progress_up_to_a_limit() {
    let address = serve().await;
    let url = format!("http://{address}/big");
    let ran = http(json!({"url": url}), json!({})).await;
    assert_eq!(
        ran.result.output["h"]["body"].as_str().unwrap().len(),
        400_000
    );
    assert_eq!(ran.progress("h", "").last().unwrap()["progress"], 1.0);
    let ran = http(json!({"url": url, "max_bytes": 1000}), json!({})).await;
    assert_eq!(ran.result.error.unwrap().category.as_str(), "resource");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_network_error_and_a_slow_one_a_timeout() {
    let address = serve().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let ran = http(
        json!({"url": format!("http://{free}/key=secret")}),
        json!({}),
    )
    .await;
    let error = ran.result.error.unwrap();
    assert_eq!(error.category.as_str(), "network");
    assert!(!error.message.contains("secret"), "{error}");
    let slow = json!({"url": format!("http://{address}/slow"), "timeout_seconds": 0.1});
    let ran = http(slow, json!({})).await;
    assert_eq!(ran.result.status, RunStatus::Failed);
    assert_eq!(ran.result.error.unwrap().category.as_str(), "timeout");
}

#[tokio::test]
async fn cancelling_closes_the_connection_of_a_request_within_a_second() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let definition = pipeline(
        json!([{"id": "h", "type": "http", "config": {"url": url}}]),
        json!([]),
    );
    let options = RunOptions::default();
    let running = start(&StepRegistry::builtin(), &definition, json!({}), options);
    let (mut connection, _) = listener.accept().await.unwrap();
    // the request is under way: its first byte is here
    assert_eq!(connection.read_u8().await.unwrap(), b'G');
    let asked = Instant::now();
    running.cancel.cancel();
    let mut rest = Vec::new();
    let _end_or_reset = connection.read_to_end(&mut rest).await;
    let ran = running.end().await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert_eq!(ran.result.status, RunStatus::Cancelled);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_again_when_it_says() {
    let address = serve().await;
    let step = json!({
        "id": "h", "type": "http", "config": {"url": format!("http://{address}/busy")},
        "error_handling": {"retry": {"max_attempts": 2}},
    });
    let ran = run_with(
        &StepRegistry::builtin(),
        &pipeline(json!([step]), json!([])),
        json!({}),
    )
    .await;
    assert_eq!(
        ran.result.error.as_ref().unwrap().category.as_str(),
        "dependency"
    );
    assert_eq!(ran.progress("h", "retry")[0]["delay_ms"], 20.0);
}
