//! A producer elsewhere, as plain as HTTP allows.

use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use stepcast::config::Config;

use crate::harness::Server;

/// What the server said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// A header's text; empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

impl From<Answer> for (u16, Value) {
    fn from(answer: Answer) -> Self {
        (answer.status, answer.body)
    }
}

/// A server whose folder outlives it.
pub(crate) async fn server_on(directory: &std::path::Path) -> Server {
    server_with(directory, |_| {}).await
}

pub(crate) async fn server_with(
    directory: &std::path::Path,
    change: impl FnOnce(&mut Config),
) -> Server {
    Server::with(|config| {
        config.data_dir = directory.join("data");
        change(config);
    })
    .await
}

pub(crate) async fn announce(server: &Server, id: &str) -> Answer {
    let body = json!({ "mode": "external", "pipeline": "Elsewhere", "execution_id": id, "steps": ["a", "b"] });
    send(server, "/api/executions", &[], body.to_string()).await
}

/// Sends JSON, as the producer of these numbers where there are any.
pub(crate) async fn post(
    server: &Server,
    id: &str,
    producer: Option<(&str, u64, u64)>,
    events: Value,
) -> Answer {
    let path = format!("/api/executions/{id}/events");
    send(server, &path, &numbers(producer), events.to_string()).await
}

/// Sends lines.
pub(crate) async fn post_lines(
    server: &Server,
    id: &str,
    producer: Option<(&str, u64, u64)>,
    lines: impl Into<reqwest::Body>,
) -> Answer {
    let mut headers = numbers(producer);
    headers.push(("content-type", "application/x-ndjson".into()));
    let path = format!("/api/executions/{id}/events");
    send(server, &path, &headers, lines).await
}

fn numbers(producer: Option<(&str, u64, u64)>) -> Vec<(&'static str, String)> {
    let Some((id, epoch, seq)) = producer else {
        return Vec::new();
    };
    vec![
        ("producer-id", id.to_owned()),
        ("producer-epoch", epoch.to_string()),
        ("producer-seq", seq.to_string()),
    ]
}

/// A POST of JSON, or of what the headers say.
pub(crate) async fn send(
    server: &Server,
    path: &str,
    headers: &[(&'static str, String)],
    body: impl Into<reqwest::Body>,
) -> Answer {
    let mut request = server.client.post(server.url(path)).body(body);
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer {
        status,
        headers,
        body,
    }
}

pub(crate) fn note(n: usize) -> Value {
    json!({ "event_type": "step_progress", "step_id": "a", "data": { "kind": "custom", "n": n } })
}

pub(crate) fn end() -> Value {
    json!({ "event_type": "pipeline_complete", "data": { "output": { "ok": true } } })
}

/// Every event that is stored.
pub(crate) async fn stored(server: &Server, id: &str) -> Vec<Value> {
    let (mut events, mut after) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/executions/{id}/events?after={after}");
        let (status, page) = server.get(&path).await;
        assert_eq!(status, 200, "{page}");
        let read = page["events"].as_array().unwrap();
        if read.is_empty() {
            return events;
        }
        events.extend(read.iter().cloned());
        after = page["next"].as_str().unwrap().to_owned();
    }
}

/// The `n` of the notes that are stored.
pub(crate) async fn notes(server: &Server, id: &str) -> Vec<u64> {
    let events = stored(server, id).await;
    let numbers = events
        .iter()
        .filter_map(|event| event["data"]["n"].as_u64());
    numbers.collect()
}
