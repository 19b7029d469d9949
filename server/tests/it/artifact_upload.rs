//! Files of programs elsewhere: sent once, checked, announced in order.

use serde_json::{Value, json};
use stepcast::config::Config;

use crate::artifact::{ended, until_files};
use crate::harness::Server;

const HELLO: &str = "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9";

async fn external(server: &Server, id: &str) {
    let body =
        json!({"mode": "external", "pipeline": "Elsewhere", "execution_id": id, "steps": ["work"]});
    let (status, answer) = server.post("/api/executions", body).await;
    assert_eq!(status, 201, "{answer}");
}

async fn send(
    server: &Server,
    id: &str,
    query: &str,
    producer_seq: Option<u64>,
    body: impl Into<reqwest::Body>,
) -> (u16, Value) {
    let url = server.url(&format!("/api/executions/{id}/artifacts?{query}"));
    let mut request = server
        .client
        .post(url)
        .header("content-type", "text/plain")
        .body(body);
    if let Some(seq) = producer_seq {
        request = request
            .header("producer-id", "p")
            .header("producer-epoch", "0")
            .header("producer-seq", seq);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        serde_json::from_str(&response.text().await.unwrap()).unwrap(),
    )
}

#[tokio::test]
async fn a_file_that_is_sent_twice_is_announced_once() {
    let server = Server::with(|_| {}).await;
    external(&server, "a").await;
    let query = format!("name=hello.txt&step=work&sha256={HELLO}");
    let (status, first) = send(&server, "a", &query, Some(0), "hello world").await;
    assert_eq!(status, 201, "{first}");
    assert_eq!(
        (&first["sha256"], &first["size"]),
        (&json!(HELLO), &json!(11))
    );
    let (status, again) = send(&server, "a", &query, Some(0), "hello world").await;
    assert_eq!((status, &again), (200, &first));
    let event = json!([{"event_type": "pipeline_complete", "data": {}}]);
    assert_eq!(server.post("/api/executions/a/events", event).await.0, 200);
    let events = ended(&server, "a").await;
    let announced: Vec<&Value> = events
        .iter()
        .filter(|event| event["data"]["kind"] == "artifact")
        .collect();
    assert_eq!(announced.len(), 1);
    assert_eq!(
        (&announced[0]["seq"], &announced[0]["step_id"]),
        (&first["seq"], &json!("work"))
    );
    let url = server.url(first["href"].as_str().unwrap());
    let response = server.client.get(url).send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "hello world");
    let (status, _) = send(&server, "a", "name=late.txt", None, "x").await;
    assert_eq!(status, 409);
    until_files(&server, 1).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_taken_leaves_nothing_behind() {
    let server = Server::with(|config: &mut Config| {
        config.artifacts.max_bytes = 100;
        config.artifacts.max_execution_bytes = 150;
        config.artifacts.max_execution_files = 2;
    })
    .await;
    external(&server, "a").await;
    let wrong = format!("name=x&sha256={}", "0".repeat(64));
    for (query, size, status, named) in [
        (wrong.as_str(), 10, 422, HELLO_FREE),
        ("name=x&sha256=1", 10, 400, "sha256"),
        ("name=a%2Fb", 10, 400, "name"),
        ("name=", 10, 400, "name"),
        ("", 10, 400, "name"),
        ("name=x", 101, 413, "artifacts.max_bytes"),
    ] {
        let (got, problem) = send(&server, "a", query, None, "x".repeat(size)).await;
        assert_eq!(got, status, "{query}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(named),
            "{problem}"
        );
    }
    until_files(&server, 0).await;
    assert_eq!(server.executions.artifacts().bytes(), 0);
    assert_eq!(
        send(&server, "a", "name=1", None, "1".repeat(100)).await.0,
        201
    );
    let (status, problem) = send(&server, "a", "name=2", None, "2".repeat(51)).await;
    assert_eq!(status, 507, "{problem}");
    assert_eq!(
        send(&server, "a", "name=2", None, "2".repeat(50)).await.0,
        201
    );
    let (status, problem) = send(&server, "a", "name=3", None, "").await;
    assert_eq!(status, 507, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .unwrap()
            .contains("max_execution_files")
    );
    // another run has room of its own
    external(&server, "b").await;
    assert_eq!(
        send(&server, "b", "name=1", None, "1".repeat(100)).await.0,
        201
    );
    until_files(&server, 2).await;
    assert_eq!(server.executions.artifacts().bytes(), 150);
    server.stop().await;
}

/// What a refusal of a wrong hash speaks of.
const HELLO_FREE: &str = "SHA-256";

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_behind() {
    let server = Server::with(|_| {}).await;
    external(&server, "a").await;
    let parts = futures_util::stream::iter([
        Ok(bytes::Bytes::from(vec![1; 100_000])),
        Err(std::io::Error::other("the producer is gone")),
    ]);
    let url = server.url("/api/executions/a/artifacts?name=half");
    let body = reqwest::Body::wrap_stream(parts);
    let sent = server.client.post(url).body(body).send().await;
    assert!(sent.is_err_and(|error| error.is_request() || error.is_body()));
    until_files(&server, 0).await;
    let (_, list) = server.get("/api/executions/a/artifacts").await;
    assert_eq!(list["artifacts"], json!([]));
    server.stop().await;
}

#[tokio::test]
async fn a_run_of_this_server_takes_no_files_from_elsewhere() {
    let server = Server::start().await;
    crate::artifact::run(&server, "a", crate::artifact::program("true")).await;
    assert_eq!(send(&server, "a", "name=x", None, "x").await.0, 409);
    assert_eq!(send(&server, "none", "name=x", None, "x").await.0, 404);
    server.stop().await;
}
