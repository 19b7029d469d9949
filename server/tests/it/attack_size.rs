//! More than there is room for: heads, bodies, messages, and nesting without end.

use axum::http::StatusCode;
use futures_util::SinkExt as _;
use serde_json::json;
use stepcast::log::Budget;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::access_harness::closed_with;
use crate::attack_harness::{Raw, external, lives, posts, reads_json, responses};
use crate::attack_slow::{FIELDS, PREFACE};
use crate::harness::{Server, soon};
use crate::tls_harness::Secured;

#[tokio::test]
async fn oversized_heads_are_refused_and_closed() {
    let server = Server::start().await;
    let head = |fields: String| format!("GET / HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    for (name, bytes) in [
        (
            "one long field",
            head(format!("X: {}\r\n", "x".repeat(70_000))),
        ),
        ("many fields", head(many)),
        (
            "a long address",
            format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(70_000)),
        ),
    ] {
        let mut raw = Raw::connect(&server).await;
        // it may be closed before all of it is sent
        let _closed = tokio::io::AsyncWriteExt::write_all(&mut raw.0, bytes.as_bytes()).await;
        let said = raw.rest().await;
        let (status, count) = responses(&said);
        assert!(matches!(status, 431 | 414) && count == 1, "{name}: {said}");
    }
    let mut raw = Raw::connect(&server).await;
    let mut sent = 0;
    while sent < 64 << 20
        && tokio::io::AsyncWriteExt::write_all(&mut raw.0, &[b'x'; 4096])
            .await
            .is_ok()
    {
        sent += 4096;
    }
    assert!(sent < 64 << 20, "a head without end is read without end");
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn oversized_heads_over_http2_are_refused() {
    let secured = Secured::start().await;
    let server = &secured.server;
    let request = server.client.get(server.url("/healthz"));
    let request = request.header("x", "x".repeat(100_000));
    match soon(request.send()).await {
        Ok(response) => assert_eq!(response.status().as_u16(), 431),
        Err(error) => assert!(error.is_request(), "{error}"),
    }
    lives(server).await;
    secured.stop().await;
}

#[tokio::test]
async fn rapid_resets_over_http2_end_the_connection_and_no_other() {
    let secured = Secured::start().await;
    let mut raw = Raw(secured.connect(&[b"h2"]).await);
    raw.send(PREFACE).await;
    let length = u8::try_from(FIELDS.len()).unwrap();
    let mut refused = false;
    let mut stream = 1_u32;
    // opened and reset in one write, so that none of them is looked at before
    for _ in 0..200 {
        let mut flood = Vec::new();
        for _ in 0..100 {
            let id = stream.to_be_bytes();
            flood.extend([0, 0, length, 1, 0x5]);
            flood.extend(id);
            flood.extend(FIELDS);
            flood.extend([0, 0, 4, 3, 0]);
            flood.extend(id);
            flood.extend(8_u32.to_be_bytes());
            stream += 2;
        }
        if tokio::io::AsyncWriteExt::write_all(&mut raw.0, &flood)
            .await
            .is_err()
        {
            refused = true;
            break;
        }
    }
    if !refused {
        raw.rest().await;
    }
    lives(&secured.server).await;
    secured.stop().await;
}

#[tokio::test]
async fn oversized_bodies_to_every_endpoint_are_refused() {
    let server = Server::with(|config| {
        config.max_body_bytes = 20_000;
        config.artifacts.max_bytes = 20_000;
    })
    .await;
    external(&server, "x", 60_000).await;
    let large = format!("{{\"input\":{{\"x\":\"{}\"}}}}", "x".repeat(40_000));
    for path in posts() {
        let length = format!("Content-Length: {}", large.len());
        let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
        for (how, body) in [
            (length.as_str(), &large),
            ("Transfer-Encoding: chunked", &chunked),
        ] {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\n{how}\r\n\r\n"
            );
            let mut raw = Raw::sent(&server, head).await;
            let _closed = tokio::io::AsyncWriteExt::write_all(&mut raw.0, body.as_bytes()).await;
            let said = raw.rest().await;
            let (status, _) = responses(&said);
            if reads_json(&path) || path.contains("artifacts") {
                assert_eq!(status, 413, "{path}: {said}");
            } else {
                assert!((200..500).contains(&status), "{path}: {said}");
            }
        }
    }
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn deeply_nested_json_to_every_endpoint_is_refused() {
    let server = Server::start().await;
    external(&server, "x", 60_000).await;
    let nested = |depth: usize| format!("{{\"input\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    let mut refused = 0;
    for path in posts() {
        for text in [
            nested(64),
            nested(100),
            nested(200_000),
            "[".repeat(2_000_000),
            "{\"a\":".repeat(500_000),
        ] {
            let request = server.client.post(server.url(&path));
            let request = request
                .header("content-type", "application/json")
                .body(text);
            let response = soon(request.send()).await.unwrap();
            let status = response.status();
            let said = response.text().await.unwrap();
            assert!(!status.is_server_error(), "{path}: {said}");
            if reads_json(&path) {
                assert_eq!(status, StatusCode::BAD_REQUEST, "{path}: {said}");
                refused += 1;
            }
        }
    }
    assert!(refused >= 40, "{refused}");
    // as deep as is allowed is no attack
    external(&server, "y", 60_000).await;
    let event = json!({ "event_type": "step_output", "step_id": "s", "data": { "output": serde_json::from_str::<serde_json::Value>(&format!("{}{}", "[".repeat(62), "]".repeat(62))).unwrap() } });
    let (status, said) = server.post("/api/executions/y/events", event).await;
    assert_eq!(status, 200, "{said}");
    let (status, page) = server.get("/api/executions/y/events").await;
    assert_eq!((status, page["last_seq"].as_u64()), (200, Some(2)));
    server.stop().await;
}

#[tokio::test]
async fn signing_in_is_bounded_like_the_rest() {
    let server = closed_with(|config| {
        config.max_body_bytes = 20_000;
        config.limits.body_deadline_ms = 400;
    })
    .await;
    let nested = format!("{{\"token\":{}{}}}", "[".repeat(80), "]".repeat(80));
    let large = format!("{{\"token\":\"{}\"}}", "x".repeat(30_000));
    for (text, expected) in [(nested, 400), (large, 413)] {
        let request = server.client.post(server.url("/api/session"));
        let request = request
            .header("content-type", "application/json")
            .body(text);
        assert_eq!(
            soon(request.send()).await.unwrap().status().as_u16(),
            expected
        );
    }
    let slow = "POST /api/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    let said = Raw::sent(&server, slow).await.rest().await;
    assert_eq!(responses(&said), (408, 1), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn oversized_and_nested_websocket_messages_are_refused() {
    let server = Server::start().await;
    server.execution("e", Budget::default());
    let fragment = |first: bool, last: bool, size: usize| {
        let kind = if first { Data::Text } else { Data::Continue };
        Message::Frame(Frame::message(vec![b'x'; size], OpCode::Data(kind), last))
    };
    for path in ["/ws/pipeline/e", "/ws/executions"] {
        for attack in [
            vec![Message::text("x".repeat((64 << 10) + 1))],
            vec![Message::binary(vec![0; (64 << 10) + 1])],
            vec![fragment(true, false, 40_000), fragment(false, true, 40_000)],
        ] {
            let mut ws = server.ws(path).await;
            for message in attack {
                ws.0.send(message).await.unwrap();
            }
            let (_, code) = ws.rest().await;
            assert_eq!(code, 1009, "{path}");
        }
        let mut ws = server.ws(path).await;
        if path == "/ws/pipeline/e" {
            assert_eq!(ws.frame().await.unwrap()["control"], "hello");
        }
        for text in ["[".repeat(60_000), "{\"action\":".repeat(6_000)] {
            ws.0.send(Message::text(text)).await.unwrap();
            let error = ws.frame().await.unwrap();
            assert_eq!(
                (&error["control"], &error["status"]),
                (&json!("error"), &json!(400))
            );
        }
        ws.0.send(Message::text("{\"action\":\"ping\"}"))
            .await
            .unwrap();
        assert_eq!(ws.frame().await.unwrap()["control"], "pong");
    }
    server.stop().await;
}

#[tokio::test]
async fn more_subscriptions_than_a_connection_has_are_refused() {
    let server = Server::with(|config| config.limits.subscriptions_per_connection = 3).await;
    let mut ws = server.ws("/ws/executions").await;
    for n in 0..5 {
        let id = format!("e{n}");
        server.execution(&id, Budget::default());
        let subscribe = json!({ "action": "subscribe", "execution_id": id }).to_string();
        ws.0.send(Message::text(subscribe)).await.unwrap();
        let frame = ws.frame().await.unwrap();
        let expected = if n < 3 {
            json!("hello")
        } else {
            json!("error")
        };
        assert_eq!(frame["control"], expected, "{frame}");
        assert!(n < 3 || frame["status"] == 429);
    }
    let many = "/stream/executions?execution_id=e0&execution_id=e1&execution_id=e2&execution_id=e3";
    assert_eq!(server.get(many).await.0, 400);
    server.stop().await;
}
