//! `/metrics`: everything that leaves is counted, by how it leaves; and who may read it.

use std::time::Duration;

use serde_json::json;
use stepcast::config::StoreKind;
use stepcast::context::StreamingContext;
use stepcast::log::Budget;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::access_harness::{ALL, closed, get, register, token, ws};
use crate::harness::{Server, Sse, complete, emit, progress, soon};
use crate::many::subscribe;
use crate::scrape::Scrape;
use crate::tls_harness::Secured;

const EVENTS: usize = 50;

/// Emits, a little slower than readers read, so that those at the tail stay there.
async fn tell(context: &StreamingContext) {
    for n in 1..EVENTS {
        context.emit(progress(n)).await.unwrap();
        tokio::task::yield_now().await;
    }
    context.emit(complete()).await.unwrap();
}

fn lane(transport: &str, shared: bool, wire: &str) -> String {
    format!("transport=\"{transport}\",shared=\"{shared}\",wire=\"{wire}\"")
}

/// Every event of one connection was counted, once, with the time that it took.
fn assert_counted(scrape: &Scrape, lane: &str, connections: f64) {
    let events = connections * EVENTS as f64;
    let says = |name: &str, labels: &str| scrape.sum(name, &format!("{lane}{labels}"));
    assert_eq!(says("stepcast_delivery_events_total", ""), events, "{lane}");
    for part in ["_count", "_bucket"] {
        let name = format!("stepcast_delivery_latency_seconds{part}");
        let end = if part == "_bucket" {
            ",le=\"+Inf\""
        } else {
            ""
        };
        assert_eq!(says(&name, end), events, "{lane} {part}");
    }
    let took = says("stepcast_delivery_latency_seconds_sum", "");
    assert!(took > 0.0 && took < 10.0 * events, "{lane}: {took}");
    let bytes = says("stepcast_delivery_sent_bytes_total", "");
    assert!(bytes > 100.0 * events, "{lane}: {bytes}");
    assert_eq!(says("stepcast_connections_opened_total", ""), connections);
    let finished = says("stepcast_connections_ended_total", ",reason=\"finished\"");
    assert_eq!(finished, connections, "{lane}");
    assert_eq!(says("stepcast_connections", ""), 0.0, "{lane}");
}

#[tokio::test]
async fn what_leaves_is_counted_by_how_it_leaves() {
    let server = Server::start().await;
    let context = server.execution("e", Budget::default());
    let mut streams = Vec::new();
    for path in [
        "/stream/pipeline/e",
        "/stream/pipeline/e?format=short",
        "/stream/executions?execution_id=e",
        "/api/agui/executions/e",
        "/stream/pipeline/e?format=cloudevents",
    ] {
        let mut stream = server.sse(path, None).await;
        if path.contains("agui") {
            // its first word comes with the first event
            drop(soon(stream.item()).await);
        } else {
            stream.message().await.unwrap();
        }
        streams.push(stream);
    }
    let follow = "subscription { executionEvents(id: \"e\") { events { seq } end { reason } } }";
    let request = server.client.post(server.url("/graphql"));
    let request = request.header("accept", "text/event-stream");
    let graphql = request.json(&json!({ "query": follow })).send();
    streams.push(Sse::of(soon(graphql).await.unwrap()));
    let mut one = server.ws("/ws/pipeline/e").await;
    let mut many = server.ws("/ws/executions").await;
    subscribe(&mut many, "e", json!({})).await;
    for socket in [&mut one, &mut many] {
        assert_eq!(socket.but_pings().await["control"], "hello");
    }
    Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_connections", "") == 8.0
    })
    .await;
    tell(&context).await;
    for stream in streams {
        stream.rest().await;
    }
    assert_eq!(one.rest().await.1, 1000);
    while many.but_pings().await["control"] != "closed" {}
    drop(many);
    let of_sse = lane("sse", false, "clear");
    let scrape = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_connections", "") == 0.0
    })
    .await;
    assert_counted(&scrape, &of_sse, 2.0);
    assert_counted(&scrape, &lane("sse", true, "clear"), 1.0);
    assert_counted(&scrape, &lane("agui", false, "clear"), 1.0);
    assert_counted(&scrape, &lane("cloudevents", false, "clear"), 1.0);
    assert_counted(&scrape, &lane("graphql", false, "clear"), 1.0);
    assert_counted(&scrape, &lane("websocket", false, "clear"), 1.0);
    // a connection for many stays open after the last of them
    let shared = lane("websocket", true, "clear");
    let delivered = scrape.sum("stepcast_delivery_events_total", &shared);
    assert_eq!(delivered, EVENTS as f64);
    let client = format!("{shared},reason=\"client\"");
    assert_eq!(scrape.sum("stepcast_connections_ended_total", &client), 1.0);
    assert_eq!(scrape.sum("stepcast_reader_lag_events", ""), 0.0);
    assert_eq!(scrape.sum("stepcast_readers_behind", ""), 0.0);
    server.stop().await;
}

#[tokio::test]
async fn tls_and_http2_are_ways_of_their_own() {
    let secured = Secured::with(|config| config.store = StoreKind::Memory).await;
    let context = secured.server.execution("e", Budget::default());
    let url = secured.server.url("/stream/pipeline/e");
    let mut streams = Vec::new();
    for client in [&secured.server.client, &secured.old_client] {
        let response = soon(client.get(&url).send()).await.unwrap();
        let mut stream = Sse::of(response);
        stream.message().await.unwrap();
        streams.push(stream);
    }
    let mut socket = secured.ws("/ws/pipeline/e").await;
    assert_eq!(socket.but_pings().await["control"], "hello");
    tell(&context).await;
    for stream in streams {
        stream.rest().await;
    }
    socket.rest().await;
    let scrape = Scrape::until(&secured.server, |scrape| {
        scrape.sum("stepcast_connections", "") == 0.0
    })
    .await;
    assert_counted(&scrape, &lane("sse", false, "h2"), 1.0);
    assert_counted(&scrape, &lane("sse", false, "tls"), 1.0);
    assert_counted(&scrape, &lane("websocket", false, "tls"), 1.0);
    secured.stop().await;
}

#[tokio::test]
async fn a_replay_is_late_for_nobody_and_a_poll_that_waits_is_measured() {
    let server = Server::start().await;
    let context = server.execution("e", Budget::default());
    for n in 1..=10 {
        context.emit(progress(n)).await.unwrap();
    }
    let (_, page) = server.get("/api/executions/e/events").await;
    let path = format!(
        "/api/executions/e/events?after={}&wait_ms=20000",
        page["next"].as_str().unwrap()
    );
    let mut stream = server.sse("/stream/pipeline/e", None).await;
    for _ in 0..11 {
        stream.message().await.unwrap();
    }
    let (waited, _) = tokio::join!(server.get(&path), async {
        Scrape::until(&server, |scrape| {
            scrape.sum("stepcast_connections", "transport=\"poll\"") == 1.0
        })
        .await;
        emit(&context, 2).await;
    });
    assert_eq!(waited.0, 200);
    stream.rest().await;
    let scrape = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_connections", "") == 0.0
    })
    .await;
    for (transport, events, news) in [("sse", 12.0, 2.0), ("poll", 11.0, 1.0)] {
        let labels = format!("transport=\"{transport}\"");
        let says = |name: &str| scrape.sum(name, &labels);
        let polled = waited.1["events"].as_array().unwrap().len() as f64;
        let extra = if transport == "poll" {
            polled - 1.0
        } else {
            0.0
        };
        assert_eq!(says("stepcast_delivery_events_total"), events + extra);
        let measured = says("stepcast_delivery_latency_seconds_count");
        assert_eq!(measured, news + extra, "{transport}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_comes_back_is_counted_and_so_is_what_they_miss() {
    let server = Server::start().await;
    let budget = Budget {
        events: 5,
        ..Budget::default()
    };
    let context = server.execution("e", budget);
    for n in 1..20 {
        context.emit(progress(n)).await.unwrap();
    }
    let epoch = context.stream().unwrap().epoch();
    context.emit(complete()).await.unwrap();
    let came_back = |cursor: String| {
        let server = &server;
        async move {
            server
                .sse("/stream/pipeline/e", Some(&cursor))
                .await
                .rest()
                .await
        }
    };
    came_back(format!("{epoch}.18")).await;
    came_back(format!("{epoch}.3")).await;
    came_back(format!("{}.3", epoch + 1)).await;
    // from its first event on, and from now on: nobody comes back
    server.sse("/stream/pipeline/e", None).await.rest().await;
    let mut many = server.ws("/ws/executions").await;
    subscribe(&mut many, "e", json!({ "after": format!("{epoch}.17") })).await;
    while many.but_pings().await["control"] != "closed" {}
    drop(many);
    let scrape = Scrape::of(&server).await;
    let says = |name: &str, labels: &str| scrape.sum(name, labels);
    assert_eq!(says("stepcast_resumes_total", "outcome=\"exact\""), 2.0);
    assert_eq!(says("stepcast_resumes_total", "outcome=\"inexact\""), 2.0);
    let shared = "outcome=\"exact\",shared=\"true\"";
    assert_eq!(says("stepcast_resumes_total", shared), 1.0);
    // the ring holds 16 to 20: 4 to 15, then 1 to 3 and 1 to 15, then 1 to 15
    let gaps = |reason: &str| says("stepcast_delivery_gaps_total", reason);
    assert_eq!(gaps("reason=\"epoch\""), 1.0);
    assert_eq!(gaps("reason=\"retention\""), 3.0);
    let missing = says("stepcast_delivery_missing_events_total", "");
    assert_eq!(missing, 12.0 + 3.0 + 15.0 + 15.0);
    server.stop().await;
}

/// A reader that has little room, and reads the head only.
async fn stalled(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let connecting = socket.connect(server.address.parse().unwrap());
    let mut stalled = connecting.await.unwrap();
    let host = &server.address;
    let request = format!("GET /stream/pipeline/e HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stalled.write_all(request.as_bytes()).await.unwrap();
    assert!(stalled.read(&mut [0; 64]).await.unwrap() > 0);
    stalled
}

/// Room for all of a flood.
fn wide() -> Budget {
    Budget {
        bytes: 64 << 20,
        ..Budget::default()
    }
}

/// Much more than a socket takes.
async fn flood(context: &StreamingContext) {
    let mut event = progress(1);
    event.data = json!({ "text": "x".repeat(50_000) });
    for _ in 0..400 {
        context.emit(event.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_told_of_for_as_long_as_it_is_there() {
    let server = Server::start().await;
    let context = server.execution("e", wide());
    let stalled = stalled(&server).await;
    flood(&context).await;
    let lag = |scrape: &Scrape| scrape.sum("stepcast_reader_lag_events", "");
    let behind = Scrape::until(&server, |scrape| lag(scrape) > 50.0).await;
    assert!(lag(&behind) > 50.0, "{}", lag(&behind));
    assert_eq!(behind.sum("stepcast_readers_behind", ""), 1.0);
    drop(stalled);
    let gone = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_connections", "") == 0.0
    })
    .await;
    let client = "reason=\"client\"";
    assert_eq!(gone.sum("stepcast_connections_ended_total", client), 1.0);
    assert_eq!(lag(&gone), 0.0);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_ended_by_the_deadline() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.write_deadline_ms = 300;
    })
    .await;
    let context = server.execution("e", wide());
    let stalled = stalled(&server).await;
    flood(&context).await;
    let cut = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_connections", "") == 0.0
    })
    .await;
    let ended = |reason: &str| {
        let reason = format!("reason=\"{reason}\"");
        cut.sum("stepcast_connections_ended_total", &reason)
    };
    assert_eq!((ended("write_deadline"), ended("client")), (1.0, 0.0));
    drop(stalled);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_http2_that_is_reset_ended_by_the_deadline() {
    let secured = Secured::with(|config| {
        config.store = StoreKind::Memory;
        config.write_deadline_ms = 500;
    })
    .await;
    let context = secured.server.execution("e", Budget::default());
    let builder = secured.authority.client();
    let narrow = builder.http2_initial_stream_window_size(64 << 10);
    let client = narrow.build().unwrap();
    let url = secured.server.url("/stream/pipeline/e");
    let stalled = soon(client.get(url).send()).await.unwrap();
    let mut event = progress(1);
    event.data = json!({ "text": "x".repeat(20_000) });
    for _ in 0..20 {
        context.emit(event.clone()).await.unwrap();
    }
    let labels = "wire=\"h2\",reason=\"write_deadline\"";
    let scrape = Scrape::until(&secured.server, |scrape| {
        scrape.sum("stepcast_connections_ended_total", labels) == 1.0
    })
    .await;
    assert_eq!(scrape.sum("stepcast_connections_ended_total", labels), 1.0);
    drop(stalled);
    secured.stop().await;
}

#[tokio::test]
async fn the_log_and_its_executions_are_counted() {
    let server = Server::with(|config| config.metrics.interval_ms = 100).await;
    let definition = json!({
        "name": "Answers",
        "steps": [
            { "id": "ask", "type": "llm", "config": { "provider": "scripted", "model": "m", "prompt": "Hello" } },
            { "id": "stop", "type": "fail", "config": { "message": "no" } },
        ],
        "flow": { "start_at": "ask", "paths": [{ "from": "ask", "to": "stop" }] },
    });
    let (status, answer) = server
        .post("/api/executions", json!({ "definition": definition }))
        .await;
    assert_eq!(status, 201, "{answer}");
    let held = server.execution("waits", Budget::default());
    held.emit(progress(1)).await.unwrap();
    let scrape = Scrape::until(&server, |scrape| {
        scrape.sum("stepcast_llm_tokens_total", "") > 0.0
            && scrape.sum("stepcast_executions", "state=\"running\"") == 0.0
    })
    .await;
    let says = |name: &str, labels: &str| scrape.sum(name, labels);
    assert_eq!(says("stepcast_executions_created_total", ""), 2.0);
    let failed = "status=\"failed\"";
    assert_eq!(says("stepcast_executions_ended_total", failed), 1.0);
    assert_eq!(says("stepcast_executions_ended_total", ""), 1.0);
    assert_eq!(says("stepcast_executions", "state=\"running\""), 0.0);
    assert!(says("stepcast_llm_tokens_total", "direction=\"output\"") > 0.0);
    let events = says("stepcast_log_events_total", "");
    assert!(events > 5.0, "{events}");
    assert!(says("stepcast_log_event_bytes_total", "") > 100.0 * events);
    assert!(says("stepcast_log_commit_duration_seconds_count", "") >= 1.0);
    assert_eq!(says("stepcast_log_commits_refused_total", ""), 0.0);
    assert_eq!(says("stepcast_log_queue_executions", "queue=\"now\""), 0.0);
    assert!(says("stepcast_log_memory_bytes", "") > 0.0);
    assert!(says("process_resident_memory_bytes", "") > 1e6);
    assert!(says("process_open_fds", "") > 3.0);
    server.stop().await;
}

#[tokio::test]
async fn both_formats_are_written_and_labels_are_few() {
    let server = Server::start().await;
    emit(&server.execution("secret-run", Budget::default()), 3).await;
    server
        .sse("/stream/pipeline/secret-run", None)
        .await
        .rest()
        .await;
    let text = Scrape::of(&server).await;
    assert_eq!(text.media_type, "text/plain; version=0.0.4; charset=utf-8");
    let open = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
    let open = Scrape::with(&server, "", open).await;
    assert!(
        open.media_type
            .starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(open.text.ends_with("# EOF\n") && !text.text.contains("# EOF"));
    for scrape in [&text, &open] {
        assert!(!scrape.text.contains("secret-run"), "{}", scrape.text);
        for (name, labels, _) in scrape.series() {
            let known = [
                "transport",
                "shared",
                "wire",
                "reason",
                "outcome",
                "le",
                "queue",
                "state",
                "status",
                "direction",
                "version",
                "slo",
                "window",
                "severity",
            ];
            let names = labels.split(',').filter(|it| !it.is_empty());
            for label in names.map(|it| it.split('=').next().unwrap()) {
                assert!(known.contains(&label), "{name} has the label {label}");
            }
        }
    }
    for (name, kind) in text.families() {
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_may_observe_reads_it_and_nothing_else() {
    let server = closed().await;
    assert_eq!(get(&server, "/metrics", "").await.0, 401);
    let watcher = token(&server, "watcher", ALL);
    assert_eq!(get(&server, "/metrics", &watcher).await.0, 403);
    let observer = token(&server, "prometheus", "observe");
    let scrape = Scrape::with(&server, &observer, "").await;
    assert!(scrape.text.contains("stepcast_build_info"));
    for closed in [
        "/api/metrics",
        "/api/executions",
        "/api/pipelines",
        "/api/audit",
    ] {
        assert_eq!(get(&server, closed, &observer).await.0, 403, "{closed}");
    }
    let admin = token(&server, "me", "admin");
    assert_eq!(get(&server, "/metrics", &admin).await.0, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_whose_token_is_revoked_ended_so() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    let observer = token(&server, "prometheus", "observe");
    crate::access_harness::start(&server, "run", &alice).await;
    let bearer = format!("Bearer {alice}");
    let path = "/ws/pipeline/run";
    let (mut socket, _) = ws(&server, path, &[("authorization", &bearer)])
        .await
        .unwrap();
    assert_eq!(socket.but_pings().await["control"], "hello");
    assert!(register(&server).revoke_token("alice").unwrap());
    assert_eq!(socket.rest().await.1, 3001);
    let mut ended = 0.0;
    for _ in 0..200 {
        let scrape = Scrape::with(&server, &observer, "").await;
        ended = scrape.sum("stepcast_connections_ended_total", "reason=\"expired\"");
        if ended > 0.0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert_eq!(ended, 1.0);
    server.stop().await;
}
