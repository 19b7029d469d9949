//! HTTP/1.1 under TLS: pages, streams that leave HTTP, WebSockets and files, and handshakes that go nowhere.

use std::time::Duration;

use futures_util::SinkExt as _;
use reqwest::Version;
use stepcast::config::Config;
use stepcast::log::Budget;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::access_harness::{cookie, refused};
use crate::artifact_stream::{all, numbers};
use crate::cli::{output, stepcast, told};
use crate::fan::{Crowd, ids, slowly};
use crate::harness::{Server, complete, emit, progress, seqs, soon};
use crate::tls_harness::{Authority, Secured};

const EVENTS: u64 = 2000;

#[tokio::test]
async fn a_page_is_served_under_tls_and_not_in_clear() {
    let secured = Secured::start().await;
    let page = secured.old_client.get(secured.server.url("/healthz"));
    let page = soon(page.send()).await.unwrap();
    assert_eq!(
        (page.status().as_u16(), page.version()),
        (200, Version::HTTP_11)
    );
    let clear = secured.server.url("/healthz").replace("https", "http");
    let clear = soon(reqwest::get(clear)).await;
    assert!(clear.is_err(), "in clear");
    let stranger = soon(reqwest::get(secured.server.url("/healthz"))).await;
    assert!(stranger.is_err(), "to who does not know its issuer");
    secured.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_1_and_9_readers_fast_and_slow_under_tls_get_the_same() {
    let secured = Secured::with(|config| {
        config.buffer_size = 50;
        config.durability = stepcast::log::Durability::Off;
    })
    .await;
    let context = secured.server.execution("many", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut crowd = Crowd::default();
    for query in ["", "?batch=true"].into_iter().cycle().take(8) {
        let ws = secured.ws(&format!("/ws/pipeline/many{query}")).await;
        crowd.sockets.push(tokio::spawn(ws.rest()));
    }
    for format in ["full", "short", "message"].into_iter().cycle().take(9) {
        let url = secured
            .server
            .url(&format!("/stream/pipeline/many?format={format}"));
        let response = soon(secured.old_client.get(url).send()).await.unwrap();
        assert_eq!(response.version(), Version::HTTP_11);
        crowd
            .streams
            .push(tokio::spawn(async move { response.text().await.unwrap() }));
    }
    for _ in 0..4 {
        let (stream, address) = (
            secured.connect_narrow().await,
            secured.server.address.clone(),
        );
        crowd.slow.push(tokio::spawn(async move {
            slowly(stream, &address, "/stream/pipeline/many").await
        }));
    }
    crowd.sees(&context, EVENTS).await;
    secured.stop().await;
}

#[tokio::test]
async fn a_client_at_the_tail_under_tls_is_heard_and_hears_when_nothing_happens() {
    let secured = Secured::with(|config| config.heartbeat_ms = 200).await;
    let context = secured.server.execution("quiet", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut ws = secured.ws("/ws/pipeline/quiet").await;
    assert_eq!(ws.frame().await.unwrap()["control"], "hello");
    assert_eq!(ws.frame().await.unwrap()["seq"], 1);
    for n in 2..5 {
        while ws.frame().await.unwrap()["control"] != "ping" {}
        // longer than what the server reads at once, in one record of TLS
        let padding = " ".repeat(9000);
        let ping = format!("{{\"action\":\"ping\"{padding}}}");
        ws.0.send(Message::text(ping)).await.unwrap();
        context.emit(progress(n)).await.unwrap();
        let (mut pong, mut seen) = (false, false);
        while !(pong && seen) {
            let frame = ws.frame().await.unwrap();
            pong |= frame["control"] == "pong";
            seen |= frame["seq"] == n;
        }
    }
    secured.stop().await;
}

#[tokio::test]
async fn a_file_comes_whole_over_a_websocket_under_tls() {
    let secured = Secured::start().await;
    let (hash, content) = numbers(&secured.server, 200_000).await;
    let path = format!("/ws/executions/a/artifacts/{hash}");
    let (_, bytes, code) = all(secured.ws(&path).await).await;
    assert!(bytes == content);
    assert_eq!(code, 1000);
    secured.stop().await;
}

#[tokio::test]
async fn what_a_full_socket_did_not_take_follows_without_another_event() {
    let secured = Secured::with(|config| config.heartbeat_ms = 300_000).await;
    let context = secured.server.execution("e", Budget::default());
    let mut stream = secured.connect_narrow().await;
    let address = &secured.server.address;
    let request = format!("GET /stream/pipeline/e HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut event = progress(1);
    event.data = serde_json::json!({ "text": "x".repeat(100_000) });
    for _ in 0..100 {
        context.emit(event.clone()).await.unwrap();
    }
    // the server has written what there was room for
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut read, mut part) = (Vec::new(), vec![0; 64 << 10]);
    while !read.ends_with(b".100\n\n\r\n") {
        let taken = soon(stream.read(&mut part)).await.unwrap();
        assert!(taken > 0, "cut at {}", read.len());
        read.extend_from_slice(&part[..taken]);
    }
    context.emit(complete()).await.unwrap();
    soon(stream.read_to_end(&mut read)).await.unwrap();
    let text = String::from_utf8(read).unwrap();
    assert!(ids(&text) == (1..=101).collect::<Vec<u64>>());
    assert!(text.ends_with("\r\n0\r\n\r\n"), "the body has its end");
    secured.stop().await;
}

#[tokio::test]
async fn who_stops_reading_under_tls_is_left_and_the_others_go_on() {
    let secured = Secured::with(|config| config.write_deadline_ms = 300).await;
    let context = secured.server.execution("e", Budget::default());
    let mut stalled = secured.connect_narrow().await;
    let address = &secured.server.address;
    let request = format!("GET /stream/pipeline/e HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stalled.write_all(request.as_bytes()).await.unwrap();
    let other = tokio::spawn(secured.ws("/ws/pipeline/e").await.rest());
    let mut event = progress(1);
    event.data = serde_json::json!({ "text": "x".repeat(60_000) });
    for _ in 0..200 {
        context.emit(event.clone()).await.unwrap();
    }
    // much longer than the deadline, and nothing is read
    tokio::time::sleep(Duration::from_millis(1500)).await;
    context.emit(complete()).await.unwrap();
    let (frames, code) = other.await.unwrap();
    assert_eq!((seqs(&frames).len(), code), (201, 1000));
    let mut rest = Vec::new();
    let _cut = soon(stalled.read_to_end(&mut rest)).await;
    let text = String::from_utf8_lossy(&rest);
    assert!(!text.contains("pipeline_complete"), "it was not left");
    secured.stop().await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_closed_and_holds_nobody_up() {
    let secured = Secured::with(|config| config.tls.handshake_deadline_ms = 500).await;
    let mut silent = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(&secured.server.address).await.unwrap();
        // the beginning of a greeting
        stream.write_all(&[0x16, 3, 1, 2, 0, 1]).await.unwrap();
        silent.push(stream);
    }
    let page = secured.server.client.get(secured.server.url("/healthz"));
    assert_eq!(soon(page.send()).await.unwrap().status(), 200);
    for mut stream in silent {
        let mut byte = [0];
        // closed, or broken: what was sent was not read
        assert!(matches!(soon(stream.read(&mut byte)).await, Ok(0) | Err(_)));
    }
    secured.stop().await;
}

#[tokio::test]
async fn a_certificate_that_does_not_serve_is_refused_at_start_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let authority = Authority::new();
    let ((cert, key), (_, other)) = (authority.issue(), authority.issue());
    let (cert, key, other) = (file("c", &cert), file("k", &key), file("o", &other));
    let (empty, missing) = (file("e", "nothing"), folder.path().join("missing"));
    let broken = file(
        "b",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (cert, key, said) in [
        (&cert, &other, "tls.key: "),
        (&cert, &other, "is not the key of the certificate"),
        (&missing, &key, "tls.cert: "),
        (&missing, &key, "cannot be read"),
        (&cert, &missing, "tls.key: "),
        (&cert, &empty, "holds no key"),
        (&empty, &key, "holds no certificate"),
        (&broken, &key, "cannot be used"),
        (&key, &key, "holds no certificate"),
    ] {
        let mut config = Config {
            data_dir: folder.path().join("data"),
            ..Config::default()
        };
        config.tls.cert = Some(cert.clone());
        config.tls.key = Some(key.clone());
        let told = refused(config).await;
        assert!(told.contains(said), "{told}");
    }
    let file = cert.to_str().unwrap();
    let (code, _, err) = output(&["serve", "--tls-cert", file]).await;
    assert!(code != 0 && err.contains("--tls-key"), "{err}");
}

#[tokio::test]
async fn the_command_line_follows_under_tls_by_every_transport() {
    let secured = Secured::start().await;
    emit(&secured.server.execution("e", Budget::default()), 50).await;
    let address = secured.server.url("/ws/pipeline/e");
    for transport in ["ws", "sse", "poll"] {
        let mut command = stepcast(&["tail", &address, "--transport", transport]);
        command.env("SSL_CERT_FILE", secured.authority_file());
        let (code, out, err) = told(soon(command.output()).await.unwrap());
        assert_eq!((code, out.lines().count()), (0, 50), "{transport}: {err}");
    }
    secured.stop().await;
}

#[tokio::test]
async fn cookies_go_over_tls_only_where_it_is_spoken() {
    let secured = Secured::with(|config| config.access.tokens = true).await;
    let token = crate::access_harness::token(&secured.server, "ann", "watch");
    let body = serde_json::json!({ "token": token });
    let request = secured
        .server
        .client
        .post(secured.server.url("/api/session"))
        .json(&body);
    let answer = soon(request.send()).await.unwrap();
    assert_eq!(answer.status(), 201);
    let (_, line) = cookie(&answer, "stepcast_session");
    assert!(line.ends_with("; Secure"), "{line}");
    secured.stop().await;
}

#[tokio::test]
async fn browsers_are_told_to_come_under_tls_only_where_they_did_and_the_operator_says_so() {
    let told = async |server: &Server| {
        let health = server.client.get(server.url("/healthz")).send();
        let health = soon(health).await.unwrap();
        let told = health.headers().get("strict-transport-security");
        told.map(|value| value.to_str().unwrap().to_owned())
    };
    let secured = Secured::with(|config| config.edge.hsts_seconds = 600).await;
    assert_eq!(told(&secured.server).await.as_deref(), Some("max-age=600"));
    secured.stop().await;
    let silent = Secured::start().await;
    assert_eq!(told(&silent.server).await, None);
    silent.stop().await;
    let clear = Server::with(|config| config.edge.hsts_seconds = 600).await;
    assert_eq!(told(&clear).await, None);
    clear.stop().await;
}
