//! Users who ask too often, or for too much at once: they are told when to come back, and nobody else notices.

use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use stepcast::log::Budget;

use crate::access_harness::{ALL, ask, closed_with, get, post, said, start, token, ws};
use crate::harness::{Server, Ws, progress, soon};
use crate::many::subscribe;

const STREAM: &str = "/stream/pipeline/run";

async fn socket(server: &Server, path: &str, token: &str) -> Ws {
    let bearer = format!("Bearer {token}");
    let opened = ws(server, path, &[("authorization", &bearer)]).await;
    opened.unwrap().0
}

/// The status of a request, and what it says of coming back, in seconds.
async fn status(request: reqwest::RequestBuilder) -> (u16, Option<u64>) {
    let response = soon(request.send()).await.unwrap();
    let later = response.headers().get("retry-after");
    let later = later.map(|it| it.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), later)
}

fn open(server: &Server, token: &str) -> reqwest::RequestBuilder {
    ask(server, Method::GET, STREAM, token)
}

/// What the audit log tells of refusals of this user's.
async fn refusals(server: &Server, user: &str) -> usize {
    let admin = token(server, "auditor", "admin");
    let (_, audit) = get(server, "/api/audit?limit=1000", &admin).await;
    let entries = audit["entries"].as_array().unwrap();
    let of_user = |entry: &&Value| entry["user"] == user && entry["status"] == 429;
    entries.iter().filter(of_user).count()
}

#[tokio::test]
async fn opens_past_the_limit_are_told_when_to_come_back_on_every_transport() {
    let server = closed_with(|config| config.limits.opens_per_minute = 4).await;
    let (alice, bob) = (token(&server, "alice", ALL), token(&server, "bob", ALL));
    start(&server, "run", &alice).await;
    start(&server, "bobs", &bob).await;
    for _ in 0..4 {
        assert_eq!(status(open(&server, &alice)).await, (200, None));
    }
    for _ in 0..3 {
        let (status, later) = status(open(&server, &alice)).await;
        assert_eq!(status, 429);
        assert!((1..=16).contains(&later.unwrap()), "{later:?}");
    }
    let (frames, code) = socket(&server, "/ws/pipeline/run", &alice)
        .await
        .rest()
        .await;
    assert_eq!((code, &frames[0]["control"]), (1013, &json!("goaway")));
    let retry = frames[0]["retry_ms"].as_u64().unwrap();
    assert!((1..=15_000).contains(&retry), "{frames:?}");
    assert_eq!(frames[0]["reason"], "busy", "{frames:?}");
    assert_eq!(frames[1]["status"], 429, "{frames:?}");
    let (frames, code) = socket(&server, "/ws/executions", &alice).await.rest().await;
    assert_eq!((code, &frames[0]["control"]), (1013, &json!("goaway")));
    // nobody else is hindered, and what is no stream is still answered
    let bobs = ask(&server, Method::GET, "/stream/pipeline/bobs", &bob);
    assert_eq!(status(bobs).await, (200, None));
    assert_eq!(get(&server, "/api/executions/run", &alice).await.0, 200);
    assert_eq!(refusals(&server, "alice").await, 1, "once in a while");
    server.stop().await;
}

#[tokio::test]
async fn subscriptions_of_a_shared_connection_count_as_opens() {
    let server = closed_with(|config| config.limits.opens_per_minute = 3).await;
    let alice = token(&server, "alice", ALL);
    for id in ["a", "b", "c"] {
        start(&server, id, &alice).await;
    }
    let mut shared = socket(&server, "/ws/executions", &alice).await;
    let mut told = Vec::new();
    for id in ["a", "b", "c"] {
        subscribe(&mut shared, id, json!({})).await;
        let first = loop {
            let frame = shared.but_pings().await;
            if frame["execution_id"] == id {
                break frame;
            }
        };
        told.push((first["control"].clone(), first["status"].clone()));
    }
    let hello = (json!("hello"), Value::Null);
    assert_eq!(told, [hello.clone(), hello, (json!("error"), json!(429))]);
    server.stop().await;
}

#[tokio::test]
async fn runs_that_a_watch_picks_up_are_no_opens_and_none_is_missed() {
    let server = closed_with(|config| config.limits.opens_per_minute = 2).await;
    let alice = token(&server, "alice", ALL);
    for id in ["a", "b", "c", "d"] {
        start(&server, id, &alice).await;
    }
    let mut shared = socket(&server, "/ws/executions", &alice).await;
    let watch = json!({ "action": "watch", "watch": "all", "since": "under_way" });
    let watch = tokio_tungstenite::tungstenite::Message::text(watch.to_string());
    futures_util::SinkExt::send(&mut shared.0, watch)
        .await
        .unwrap();
    let mut picked_up = Vec::new();
    while picked_up.len() < 4 {
        let frame = shared.but_pings().await;
        assert_ne!(frame["control"], "error", "{frame}");
        if frame["control"] == "hello" {
            picked_up.push(frame["execution_id"].as_str().unwrap().to_owned());
        }
    }
    picked_up.sort();
    assert_eq!(picked_up, ["a", "b", "c", "d"]);
    server.stop().await;
}

#[tokio::test]
async fn a_flood_of_subscriptions_does_not_push_others_out_of_the_audit_log() {
    let server = closed_with(|config| config.limits.opens_per_minute = 3).await;
    let alice = token(&server, "alice", ALL);
    let mut shared = socket(&server, "/ws/executions", &alice).await;
    let mut refused = 0;
    for n in 0..50 {
        subscribe(&mut shared, &format!("nothing{n}"), json!({})).await;
        let frame = shared.but_pings().await;
        assert_eq!(frame["control"], "error", "{frame}");
        refused += usize::from(frame["status"] == 429);
    }
    assert!(refused > 40, "{refused}");
    assert_eq!(refusals(&server, "alice").await, 1, "once in a while");
    server.stop().await;
}

#[tokio::test]
async fn streams_past_what_one_user_may_have_wait_for_one_to_end() {
    let server = closed_with(|config| config.limits.streams_per_user = 2).await;
    let (alice, bob) = (token(&server, "alice", ALL), token(&server, "bob", ALL));
    start(&server, "run", &alice).await;
    start(&server, "bobs", &bob).await;
    let sse = soon(open(&server, &alice).send()).await.unwrap();
    let mut held = socket(&server, "/ws/pipeline/run", &alice).await;
    // it sits in a fan soon, where there is no request any more
    while held.but_pings().await["event_type"] != "step_start" {}
    assert_eq!(status(open(&server, &alice)).await, (429, Some(6)));
    let (_, code) = socket(&server, "/ws/pipeline/run", &alice)
        .await
        .rest()
        .await;
    assert_eq!(code, 1013);
    let bobs = ask(&server, Method::GET, "/stream/pipeline/bobs", &bob);
    assert_eq!(status(bobs).await.0, 200);
    drop(sse);
    soon(async {
        while status(open(&server, &alice)).await.0 != 200 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await;
    drop(held);
    server.stop().await;
}

#[tokio::test]
async fn polls_that_wait_and_streams_of_every_dialect_take_the_places_of_streams() {
    let server = closed_with(|config| config.limits.streams_per_user = 1).await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let held = soon(open(&server, &alice).send()).await.unwrap();
    let others = [
        "/api/executions/run/events?after=now&wait_ms=30000",
        "/api/agui/executions/run",
        "/api/aisdk/executions/run",
    ];
    for path in others {
        let refused = status(ask(&server, Method::GET, path, &alice)).await;
        assert_eq!(refused, (429, Some(6)), "{path}");
    }
    // a page that is there holds nothing
    let page = ask(&server, Method::GET, "/api/executions/run/events", &alice);
    assert_eq!(status(page).await.0, 200);
    drop(held);
    for path in &others[1..] {
        soon(async {
            // the response is dropped at once, and its place given back some time after
            while status(ask(&server, Method::GET, path, &alice)).await.0 != 200 {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
    }
    server.stop().await;
}

#[tokio::test]
async fn joins_of_every_dialect_are_opens() {
    let server = closed_with(|config| config.limits.opens_per_minute = 2).await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let mut told = Vec::new();
    for path in [
        "/api/agui/executions/run",
        "/api/aisdk/executions/run",
        "/api/agui/executions/run",
        "/api/aisdk/executions/run",
    ] {
        told.push(status(ask(&server, Method::GET, path, &alice)).await.0);
    }
    assert_eq!(told, [200, 200, 429, 429]);
    server.stop().await;
}

#[tokio::test]
async fn starts_past_the_limit_start_nothing() {
    let server = closed_with(|config| config.limits.starts_per_minute = 2).await;
    let (alice, bob) = (token(&server, "alice", ALL), token(&server, "bob", ALL));
    start(&server, "one", &alice).await;
    start(&server, "two", &alice).await;
    let body = json!({ "execution_id": "three", "definition": {
        "name": "Long",
        "steps": [{ "id": "wait", "type": "delay", "config": { "seconds": 600 } }],
        "flow": { "start_at": "wait", "paths": [] },
    }});
    let third = ask(&server, Method::POST, "/api/executions", &alice).json(&body);
    let (refused, later) = status(third).await;
    assert_eq!(refused, 429);
    assert!((1..=31).contains(&later.unwrap()), "{later:?}");
    assert_eq!(get(&server, "/api/executions/three", &alice).await.0, 404);
    start(&server, "bobs", &bob).await;
    server.stop().await;
}

#[tokio::test]
async fn bytes_of_events_past_the_limit_are_refused_and_lines_are_read_more_slowly() {
    let server = closed_with(|config| {
        config.limits.ingest_bytes_per_second = 20_000;
        config.max_body_bytes = 20_000;
    })
    .await;
    let alice = token(&server, "alice", ALL);
    let body = json!({"mode": "external", "pipeline": "Elsewhere", "execution_id": "e", "steps": ["work"]});
    assert_eq!(post(&server, "/api/executions", &alice, body).await.0, 201);
    let event = |text: &str| json!({"event_type": "step_progress", "step_id": "work", "data": {"text": text}});
    let path = "/api/executions/e/events";
    let large = json!([event(&"x".repeat(15_000))]);
    assert_eq!(post(&server, path, &alice, large.clone()).await.0, 200);
    let again = ask(&server, Method::POST, path, &alice).json(&large);
    let (refused, later) = status(again).await;
    assert_eq!((refused, later), (429, Some(1)));
    // a stream of lines loses nothing, and waits
    let lines: String = (0..3)
        .map(|n| format!("{}\n", event(&format!("{n}{}", "y".repeat(12_000)))))
        .collect();
    let request = ask(&server, Method::POST, path, &alice)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let (status, receipt) = said(request).await;
    assert_eq!((status, &receipt["taken"]), (200, &json!(3)), "{receipt}");
    server.stop().await;
}

#[tokio::test]
async fn events_past_the_limit_are_refused_and_lines_are_read_more_slowly() {
    let server = closed_with(|config| config.limits.ingest_events_per_second = 10).await;
    let (alice, bob) = (token(&server, "alice", ALL), token(&server, "bob", ALL));
    let event = json!({"event_type": "step_progress", "step_id": "work", "data": {}});
    for (id, token) in [("e", &alice), ("bobs", &bob)] {
        let body = json!({"mode": "external", "pipeline": "Elsewhere", "execution_id": id, "steps": ["work"]});
        assert_eq!(post(&server, "/api/executions", token, body).await.0, 201);
    }
    let path = "/api/executions/e/events";
    let many = Value::Array(vec![event.clone(); 100]);
    assert_eq!(post(&server, path, &alice, many.clone()).await.0, 200);
    let again = ask(&server, Method::POST, path, &alice).json(&many);
    let (refused, later) = status(again).await;
    assert_eq!(refused, 429);
    assert!((9..=11).contains(&later.unwrap()), "{later:?}");
    // by whichever protocol they come
    let append = ask(&server, Method::POST, "/v1/stream/e", &alice).json(&many);
    assert_eq!(status(append).await.0, 429);
    let made = ask(&server, Method::PUT, "/v1/stream/made", &alice).json(&many);
    assert_eq!(status(made).await.0, 429);
    assert_eq!(get(&server, "/api/executions/made", &alice).await.0, 404);
    let bobs = "/api/executions/bobs/events";
    assert_eq!(post(&server, bobs, &bob, event.clone()).await.0, 200);
    let lines: String = (0..5).map(|_| format!("{event}\n")).collect();
    let request = ask(&server, Method::POST, path, &alice)
        .header("content-type", "application/x-ndjson")
        .body(lines);
    let (status, receipt) = said(request).await;
    assert_eq!((status, &receipt["taken"]), (200, &json!(5)), "{receipt}");
    server.stop().await;
}

/// Ten thousand opens by one, as fast as they go, while somebody else watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_opens_by_one_user_leave_anothers_stream_healthy() {
    let server = closed_with(|config| config.limits.opens_per_minute = 500).await;
    let (admin, mallory) = (
        token(&server, "root", "admin"),
        token(&server, "mallory", ALL),
    );
    let context = server.execution("watched", Budget::default());
    start(&server, "run", &mallory).await;
    let mut watching = socket(&server, "/ws/pipeline/watched", &admin).await;
    emit_one(&context, 0).await;
    while watching.but_pings().await["seq"] != 1 {}
    let flood = futures_util::stream::iter(0..10_000)
        .map(|_| status(open(&server, &mallory)))
        .buffer_unordered(64)
        .fold(
            (0, 0),
            async |(let_in, refused), (status, later)| match status {
                200 => (let_in + 1, refused),
                429 => {
                    assert!(later.is_some());
                    (let_in, refused + 1)
                }
                other => panic!("{other}"),
            },
        );
    let (done, over) = tokio::sync::oneshot::channel();
    let healthy = async {
        tokio::pin!(over);
        let mut seq = 1;
        // each event arrives before the next one is made
        while over.try_recv().is_err() {
            emit_one(&context, seq).await;
            seq += 1;
            let frame = watching.but_pings().await;
            assert_eq!(frame["seq"], seq, "{frame}");
        }
        seq
    };
    let flooding = async {
        let counts = flood.await;
        done.send(()).unwrap();
        counts
    };
    let (seq, (let_in, refused)) = tokio::join!(healthy, flooding);
    assert!(seq > 20, "only {seq} events came while it went on");
    assert_eq!(let_in + refused, 10_000);
    assert!((500..5_000).contains(&let_in), "{let_in} were let in");
    assert_eq!(refusals(&server, "mallory").await, 1);
    drop(watching);
    server.stop().await;
}

async fn emit_one(context: &stepcast::context::StreamingContext, n: u64) {
    let n = usize::try_from(n).unwrap();
    context.emit(progress(n)).await.unwrap();
}
