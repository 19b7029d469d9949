//! The transports: the same bytes everywhere, exact resume on whichever, and manners towards the network.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::log::Budget;
use stepcast_core::wire::sse::Item;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, emit, progress, seqs, soon};

#[tokio::test]
async fn an_event_has_the_same_bytes_on_every_transport() {
    let server = Server::with(|_| {}).await;
    let context = server.execution(
        "bytes",
        Budget {
            events: 5,
            ..Budget::default()
        },
    );
    emit(&context, 12).await;
    let sse: Vec<String> = server
        .sse("/stream/pipeline/bytes", None)
        .await
        .rest()
        .await
        .into_iter()
        .filter(|m| m.event != "control")
        .map(|m| m.data)
        .collect();
    let page = server
        .client
        .get(server.url("/api/executions/bytes/events"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(sse.len(), 12);
    for event in &sse {
        assert!(page.contains(event), "{event}");
    }
    let (frames, code) = server.ws("/ws/pipeline/bytes").await.rest().await;
    let ws: Vec<Value> = frames
        .into_iter()
        .filter(|frame| frame.get("seq").is_some())
        .collect();
    assert_eq!(
        (ws, code),
        (
            sse.iter()
                .map(|text| serde_json::from_str(text).unwrap())
                .collect(),
            1000
        )
    );
    server.stop().await;
}

#[tokio::test]
async fn a_message_of_a_batch_holds_the_same_bytes_on_a_line_each() {
    let server = Server::with(|_| {}).await;
    let context = server.execution("batch", Budget::default());
    emit(&context, 300).await;
    let page = server
        .client
        .get(server.url("/api/executions/batch/events?limit=1000"));
    let page = page.send().await.unwrap().text().await.unwrap();
    for path in [
        "/ws/pipeline/batch?batch=true",
        "/ws/pipeline/batch?after=earliest&batch=true",
    ] {
        let mut ws = server.ws(path).await;
        let (mut messages, mut seqs) = (0, Vec::new());
        let code = loop {
            match ws.message().await {
                Ok(message) => {
                    messages += 1;
                    for line in message.split('\n') {
                        let frame: Value = serde_json::from_str(line).unwrap();
                        let Some(seq) = frame["seq"].as_u64() else {
                            assert_eq!(message, line, "a control frame is a message of its own");
                            continue;
                        };
                        assert!(page.contains(line), "{line}");
                        seqs.push(seq);
                    }
                }
                Err(code) => break code,
            }
        };
        assert_eq!((seqs, code), ((1..=300).collect(), 1000));
        assert!(messages < 20, "{messages} messages for 300 events");
    }
    let (status, problem) = server.get("/ws/pipeline/batch?batch=perhaps").await;
    assert_eq!(status, 400, "{problem}");
    server.stop().await;
}

#[tokio::test]
async fn rule_2_a_cursor_of_one_transport_resumes_on_every_other_at_every_place() {
    let server = Server::with(|_| {}).await;
    let context = server.execution(
        "resume",
        Budget {
            events: 7,
            ..Budget::default()
        },
    );
    emit(&context, 20).await;
    let epoch = context.stream().unwrap().epoch();
    for cut in 0..20_u64 {
        let cursor = format!("{epoch}.{cut}");
        let expected: Vec<u64> = (cut + 1..=20).collect();
        let sse = server
            .sse("/stream/pipeline/resume", Some(&cursor))
            .await
            .rest()
            .await;
        let ids: Vec<String> = sse
            .iter()
            .filter(|m| m.event != "control")
            .map(|m| m.last_event_id.to_string())
            .collect();
        assert_eq!(
            ids,
            expected
                .iter()
                .map(|seq| format!("{epoch}.{seq}"))
                .collect::<Vec<_>>()
        );
        let (frames, _) = server
            .ws(&format!("/ws/pipeline/resume?after={cursor}"))
            .await
            .rest()
            .await;
        assert_eq!(seqs(&frames), expected);
        let mut polled = Vec::new();
        let mut next = cursor;
        loop {
            let (_, page) = server
                .get(&format!(
                    "/api/executions/resume/events?after={next}&limit=6&wait_ms=1000"
                ))
                .await;
            polled.extend(seqs(page["events"].as_array().unwrap()));
            next = page["next"].as_str().unwrap().to_owned();
            if page.get("closed").is_some() {
                break;
            }
        }
        assert_eq!(polled, expected);
    }
    server.stop().await;
}

#[tokio::test]
async fn rule_3_a_foreign_cursor_is_an_error_or_a_gap_and_never_ignored() {
    let server = Server::with(|_| {}).await;
    let context = server.execution("foreign", Budget::default());
    emit(&context, 4).await;
    let epoch = context.stream().unwrap().epoch();
    let beyond = format!("{epoch}.9");
    for path in ["/stream/pipeline/foreign", "/api/executions/foreign/events"] {
        let (status, problem) = server.get(&format!("{path}?after={beyond}")).await;
        assert_eq!(
            (status, problem["status"].as_u64()),
            (400, Some(400)),
            "{path}"
        );
        assert_eq!(server.get(&format!("{path}?after=yesterday")).await.0, 400);
    }
    let (frames, code) = server
        .ws(&format!("/ws/pipeline/foreign?after={beyond}"))
        .await
        .rest()
        .await;
    assert_eq!(
        (frames.first().unwrap()["control"].as_str(), code),
        (Some("error"), 3500)
    );
    let other = format!("{}.3", epoch + 1);
    let (frames, _) = server
        .ws(&format!("/ws/pipeline/foreign?after={other}"))
        .await
        .rest()
        .await;
    assert_eq!(
        frames[1],
        json!({"control":"gap","execution_id":"foreign","from":1,"to":3,"reason":"epoch","epoch":epoch})
    );
    assert_eq!(seqs(&frames), [1, 2, 3, 4]);
    server.stop().await;
}

#[tokio::test]
async fn sse_has_the_manners_that_proxies_and_browsers_need() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.heartbeat_ms = 100;
    })
    .await;
    let context = server.execution("manners", Budget::default());
    let response = server
        .client
        .get(server.url("/stream/pipeline/manners"))
        .send()
        .await
        .unwrap();
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    drop(response);
    let mut sse = server.sse("/stream/pipeline/manners", None).await;
    assert!(matches!(sse.item().await, Some(Item::Retry(_))));
    assert_eq!(
        serde_json::from_str::<Value>(&sse.message().await.unwrap().data).unwrap()["control"],
        "hello"
    );
    context.emit(progress(1)).await.unwrap();
    let event = sse.message().await.unwrap();
    assert_eq!(event.event, "step_progress");
    let id = event.last_event_id;
    assert!(id.ends_with(".1"));
    assert_eq!(
        sse.item().await,
        Some(Item::Comment),
        "a comment for those who know no ping"
    );
    let ping = sse.message().await.unwrap();
    assert_eq!(
        (ping.event.as_str(), ping.data.as_str(), ping.last_event_id),
        ("control", r#"{"control":"ping"}"#, id.clone())
    );
    context.emit(crate::harness::complete()).await.unwrap();
    let rest = sse.rest().await;
    assert_eq!(
        serde_json::from_str::<Value>(&rest.last().unwrap().data).unwrap(),
        json!({"control":"closed","execution_id":"manners","last_seq":2,"reason":"complete"})
    );
    let tail = id.replace(".1", ".2");
    let at_tail = server
        .client
        .get(server.url("/stream/pipeline/manners"))
        .header("Last-Event-ID", &tail)
        .send()
        .await
        .unwrap();
    assert_eq!(
        at_tail.status(),
        204,
        "rule 6: a client at the tail of a closed stream is told that there is no more"
    );
    let header_wins = server
        .sse(
            &format!("/stream/pipeline/manners?last_event_id={tail}"),
            Some(&id),
        )
        .await
        .rest()
        .await;
    assert_eq!(
        header_wins.iter().filter(|m| m.event != "control").count(),
        1
    );
    server.stop().await;
}

#[tokio::test]
async fn sse_writes_the_short_form_and_one_name_for_all_on_request() {
    let server = Server::start().await;
    let context = server.execution("forms", Budget::default());
    emit(&context, 2).await;
    let short = server
        .sse("/stream/pipeline/forms?format=short", None)
        .await
        .rest()
        .await;
    assert_eq!(
        (short[1].event.as_str(), short[1].data.as_str()),
        ("step_progress", r#"{"step_id":"s","n":1}"#)
    );
    let message = server
        .sse("/stream/pipeline/forms?format=message", None)
        .await
        .rest()
        .await;
    assert_eq!(message[1].event, "message");
    assert_eq!(server.get("/stream/pipeline/forms?format=xml").await.0, 400);
    server.stop().await;
}

#[tokio::test]
async fn a_filtered_stream_is_exact_and_ends_like_any_other() {
    let server = Server::start().await;
    let context = server.execution("filter", Budget::default());
    for step in ["a", "b", "a", "b"] {
        let mut draft = progress(1);
        draft.step_id = Some(step.into());
        context.emit(draft).await.unwrap();
    }
    context.emit(crate::harness::complete()).await.unwrap();
    let (frames, code) = server.ws("/ws/pipeline/filter?step=b").await.rest().await;
    assert_eq!((seqs(&frames), code), (vec![2, 4, 5], 1000));
    assert!(frames.iter().all(|frame| frame["control"] != "gap"));
    let (_, page) = server.get("/api/executions/filter/events?step=a").await;
    assert_eq!(seqs(page["events"].as_array().unwrap()), [1, 3, 5]);
    server.stop().await;
}

#[tokio::test]
async fn a_websocket_says_why_it_closes() {
    let server = Server::with(|config| config.heartbeat_ms = 100).await;
    let (frames, code) = server.ws("/ws/pipeline/never").await.rest().await;
    assert_eq!(
        (
            frames[0]["control"].as_str(),
            frames[0]["status"].as_u64(),
            code
        ),
        (Some("error"), Some(404), 3501)
    );
    assert_eq!(server.get("/ws/pipeline/a%20b").await.0, 400);
    let context = server.execution("ws", Budget::default());
    assert!(
        server.get("/ws/pipeline/ws").await.0 >= 400,
        "plain HTTP is not upgraded"
    );
    let mut ws = server.ws("/ws/pipeline/ws").await;
    assert_eq!(ws.frame().await.unwrap()["control"], "hello");
    assert_eq!(ws.frame().await.unwrap()["control"], "ping");
    ws.0.send(Message::text(r#"{"action":"ping"}"#))
        .await
        .unwrap();
    assert_eq!(ws.but_pings().await["control"], "pong");
    ws.0.send(Message::text("nonsense")).await.unwrap();
    assert_eq!(ws.but_pings().await["control"], "error");
    context.emit(progress(1)).await.unwrap();
    assert_eq!(ws.but_pings().await["seq"], 1);
    server.stop().await;
    let (frames, code) = ws.rest().await;
    assert!(
        frames
            .iter()
            .any(|frame| frame["control"] == "goaway" && frame["retry_ms"].is_u64()),
        "{frames:?}"
    );
    assert!(code == 1001 || code == 1012, "{code}");
}

#[tokio::test]
async fn a_long_poll_waits_for_the_next_event() {
    let server = Server::start().await;
    let context = server.execution("poll", Budget::default());
    let (_, empty) = server.get("/api/executions/poll/events?wait_ms=20").await;
    assert_eq!(
        (empty["events"].clone(), empty["last_seq"].as_u64()),
        (json!([]), Some(0))
    );
    let url = server.url("/api/executions/poll/events?wait_ms=20000");
    let waiting = tokio::spawn(server.client.get(url).send());
    tokio::task::yield_now().await;
    context.emit(progress(1)).await.unwrap();
    let page: Value = soon(waiting).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(seqs(page["events"].as_array().unwrap()), [1]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_a_peer_that_stops_reading_is_cut_by_a_deadline_and_others_notice_nothing() {
    let server = Server::with(|config| config.write_deadline_ms = 300).await;
    let context = server.execution("stalled", Budget::default());
    let mut stalled = tokio::net::TcpStream::connect(&server.address)
        .await
        .unwrap();
    let request = format!(
        "GET /stream/pipeline/stalled HTTP/1.1\r\nHost: {}\r\n\r\n",
        server.address
    );
    stalled.write_all(request.as_bytes()).await.unwrap();
    stalled.read_exact(&mut [0; 16]).await.unwrap();
    let mut healthy = server.ws("/ws/pipeline/stalled").await;
    assert_eq!(healthy.frame().await.unwrap()["control"], "hello");
    let connections = || server.executions.connections();
    assert!(connections() >= 2, "both are there");
    let healthy = tokio::spawn(healthy.rest());
    let mut large = progress(1);
    large.data = json!({ "text": "x".repeat(64 << 10) });
    for _ in 0..400 {
        context.emit(large.clone()).await.unwrap();
    }
    soon(async {
        while connections() > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    emit(&context, 1).await;
    let (frames, code) = healthy.await.unwrap();
    assert_eq!((seqs(&frames), code), ((1..=401).collect(), 1000));
    let mut received = Vec::new();
    let end = soon(stalled.read_to_end(&mut received)).await;
    assert!(
        end.is_err() || received.len() < 401 * (64 << 10),
        "the stalled peer was not cut: {} bytes",
        received.len()
    );
    server.stop().await;
}
