//! The trace that a run belongs to: taken from who starts it, kept, and passed on by its steps.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::llm::ProviderKind;

use crate::harness::{Server, soon};
use crate::llm_openai::{DONE, chunk, finish};
use crate::llm_upstream::Upstream;
use crate::scrape::Scrape;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const STATE: &str = "congo=t61rcWkgMzE";

/// `traceparent` and `tracestate` of each request, in order.
type Heard = Arc<Mutex<Vec<[Option<String>; 2]>>>;

/// A server elsewhere that notes what it is asked with.
async fn elsewhere() -> (String, Heard) {
    let heard = Heard::default();
    let notes = heard.clone();
    let note = |headers: HeaderMap| async move {
        let header = |name: &str| Some(headers.get(name)?.to_str().unwrap().to_owned());
        let said = ["traceparent", "tracestate"].map(header);
        notes.lock().unwrap().push(said);
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let router = Router::new().route("/", get(note));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, heard)
}

fn asks(url: &str, headers: &Value) -> Value {
    json!({
        "name": "Asks",
        "steps": [{ "id": "ask", "type": "http", "config": { "url": url, "headers": headers } }],
        "flow": { "start_at": "ask" },
    })
}

fn both() -> [Option<String>; 2] {
    [Some(PARENT.to_owned()), Some(STATE.to_owned())]
}

async fn post(server: &Server, path: &str, parent: &str, body: &Value) -> (u16, Value) {
    let request = server.client.post(server.url(path)).json(body);
    let request = request.header("traceparent", parent);
    let answer = request.header("tracestate", STATE).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

async fn completed(server: &Server, id: &str) {
    let path = format!("/api/executions/{id}");
    soon(async {
        loop {
            let (_, shown) = server.get(&path).await;
            match shown["status"].as_str().unwrap() {
                "completed" => return,
                "pending" | "running" => tokio::task::yield_now().await,
                other => panic!("{other}: {shown}"),
            }
        }
    })
    .await
}

fn durable(config: &mut Config) {
    config.store = StoreKind::Sqlite;
}

#[tokio::test]
async fn every_kind_of_step_passes_on_what_the_run_was_given_after_a_restart_too() {
    let (url, heard) = elsewhere().await;
    let words = [
        chunk(json!({ "content": "hi" })),
        finish("stop"),
        DONE.to_owned(),
    ];
    let upstream = Upstream::saying(&words).await;
    let models = format!("http://{}/v1", upstream.address);
    let settings = move |config: &mut Config| {
        durable(config);
        let local =
            json!({ "kind": ProviderKind::OpenAiCompatible, "base_url": models, "model": "m" });
        let local = serde_json::from_value(local).unwrap();
        config.llm.providers.insert("local".to_owned(), local);
    };
    let script = r#"read -r given
printf '{"output":{"parent":"%s","state":"%s","given":%s}}\n' "$TRACEPARENT" "$TRACESTATE" "$given""#;
    let code = "import os\nclass S:\n    def run(self, data):\n        return {'p': os.environ['TRACEPARENT'], 's': os.environ['TRACESTATE']}\n";
    let definition = json!({
        "name": "All",
        "steps": [
            { "id": "ask", "type": "http", "config": { "url": url } },
            { "id": "run", "type": "command", "config": { "command": ["sh", "-c", script] } },
            { "id": "class", "step_class": "S", "module": "traced_steps", "config": {} },
            { "id": "model", "type": "llm", "config": { "provider": "local", "prompt": "Say hi." } },
        ],
        "flow": { "start_at": "ask", "paths": [
            { "from": "ask", "to": "run" }, { "from": "run", "to": "class" }, { "from": "class", "to": "model" },
        ] },
    });
    let first = Server::with(settings.clone()).await;
    let pipelines = first.directory.path().join("pipelines");
    std::fs::create_dir_all(&pipelines).unwrap();
    std::fs::write(pipelines.join("traced_steps.py"), code).unwrap();
    let body = json!({ "execution_id": "all", "definition": definition, "mode": "create" });
    assert_eq!(post(&first, "/api/executions", PARENT, &body).await.0, 201);
    let directory = first.stop_and_keep().await;

    let second = Server::again(directory, settings).await;
    let (status, _) = second.post("/api/executions/all/start", json!({})).await;
    assert_eq!(status, 202);
    completed(&second, "all").await;
    assert_eq!(*heard.lock().unwrap(), [both()]);
    let (_, page) = second.get("/api/executions/all/events").await;
    let events = page["events"].as_array().unwrap();
    let of = |step: &str| {
        let mut ends = events
            .iter()
            .filter(|event| event["event_type"] == "step_complete");
        &ends.find(|event| event["step_id"] == step).unwrap()["data"]["output"]
    };
    let (run, class) = (of("run"), of("class"));
    assert_eq!(
        (&run["parent"], &run["state"]),
        (&json!(PARENT), &json!(STATE))
    );
    assert_eq!(
        run["given"]["trace"],
        json!({ "traceparent": PARENT, "tracestate": STATE })
    );
    assert_eq!(class, &json!({ "p": PARENT, "s": STATE }));
    let asked = &upstream.asked()[0].head;
    assert!(
        asked.contains(&format!("traceparent: {PARENT}\r\ntracestate: {STATE}\r\n")),
        "{asked}"
    );
    second.stop().await;
}

#[tokio::test]
async fn what_is_no_trace_is_not_passed_on_and_a_step_may_have_its_own() {
    let (url, heard) = elsewhere().await;
    let server = Server::start().await;
    for (parent, headers) in [
        ("00-nonsense-01", json!({})),
        (PARENT, json!({ "Traceparent": "mine" })),
    ] {
        let body = json!({ "definition": asks(&url, &headers) });
        let (_, started) = post(&server, "/api/executions", parent, &body).await;
        completed(&server, started["execution_id"].as_str().unwrap()).await;
    }
    let mine = [Some("mine".to_owned()), None];
    assert_eq!(*heard.lock().unwrap(), [[None, None], mine]);
    server.stop().await;
}

#[tokio::test]
async fn every_way_to_start_a_run_takes_the_trace_along() {
    let (url, heard) = elsewhere().await;
    let server = Server::start().await;
    let folder = server.directory.path().join("pipelines");
    std::fs::create_dir_all(&folder).unwrap();
    let stored = asks(&url, &json!({})).to_string();
    std::fs::write(folder.join("asks.json"), stored).unwrap();
    let message = json!({ "id": "m", "role": "user", "parts": [{ "type": "text", "text": "hi" }] });
    let agent = json!({
        "threadId": "t", "runId": "agui", "state": {}, "messages": [], "tools": [], "context": [], "forwardedProps": {},
    });
    let mutation = "mutation { startExecution(pipeline: \"asks\") { id } }";
    let ways = [
        ("/api/executions", json!({ "pipeline": "asks" })),
        (
            "/api/executions",
            json!({ "pipeline": "asks", "mode": "blocking" }),
        ),
        ("/graphql", json!({ "query": mutation })),
        ("/api/agui/asks", agent),
        (
            "/api/aisdk/asks",
            json!({ "id": "c", "messages": [message], "trigger": "submit-message" }),
        ),
    ];
    for (n, (path, body)) in (1..).zip(ways) {
        let (status, answer) = post(&server, path, PARENT, &body).await;
        assert!(status < 300, "{path}: {status} {answer}");
        soon(async {
            while heard.lock().unwrap().len() < n {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert_eq!(
        *heard.lock().unwrap(),
        [both(), both(), both(), both(), both()]
    );
    server.stop().await;
}

/// The trace and the span of a `traceparent`.
fn ids(parent: &str) -> (&str, &str) {
    let mut parts = parent.split('-').skip(1);
    (parts.next().unwrap(), parts.next().unwrap())
}

#[tokio::test]
async fn where_spans_are_told_steps_pass_on_their_own_and_a_dead_collector_costs_a_bounded_queue() {
    let (url, heard) = elsewhere().await;
    // nothing listens there: it was free a moment ago, and is below what the system gives away
    let settings = |config: &mut Config| {
        config.metrics.interval_ms = 20;
        config.otlp.endpoint = Some("http://127.0.0.1:1".to_owned());
        config.otlp.queue_spans = 2;
    };
    let server = Server::with(settings).await;
    for n in 1..=3 {
        let body = json!({ "execution_id": format!("r{n}"), "definition": asks(&url, &json!({})) });
        post(&server, "/api/executions", PARENT, &body).await;
        completed(&server, &format!("r{n}")).await;
    }
    let heard: Vec<String> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|it| it[0].clone().unwrap())
        .collect();
    let spans: std::collections::BTreeSet<&str> =
        heard.iter().map(|parent| ids(parent).1).collect();
    assert!(
        heard.iter().all(|parent| ids(parent).0 == ids(PARENT).0),
        "{heard:?}"
    );
    assert_eq!(spans.len(), 3, "each run and attempt its own: {heard:?}");
    assert!(!spans.contains(ids(PARENT).1));
    // three spans a run, and a batch of at most two is on its way while two more wait
    let dropped = r#"outcome="dropped""#;
    let scrape = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_otlp_spans_total", dropped) >= 5.0
    })
    .await;
    assert!(scrape.sum("stepcast_otlp_spans_total", dropped) <= 7.0);
    assert!(scrape.sum("stepcast_otlp_spans_total", r#"outcome="sent""#) < 1.0);
    // it does not wait for the collector
    server.stop().await;
}
