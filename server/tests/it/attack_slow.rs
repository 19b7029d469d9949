//! Clients that take their time: heads and bodies that never end, connections on which nothing is asked.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use serde_json::json;
use stepcast::config::Config;
use stepcast::log::Budget;
use tokio::time::{Instant, sleep};

use crate::attack_harness::{Raw, external, lives, posts, reads_json, responses};
use crate::harness::{Server, complete, progress, seqs, soon};
use crate::tls_harness::Secured;

const HEAD: Duration = Duration::from_millis(400);
const IDLE: Duration = Duration::from_millis(1_200);
const BODY: Duration = Duration::from_millis(400);

/// A machine under load may be late by this much.
const LATE: Duration = Duration::from_secs(4);

fn short(config: &mut Config) {
    config.limits.head_deadline_ms = 400;
    config.limits.idle_deadline_ms = 1_200;
    config.limits.body_deadline_ms = 400;
}

async fn impatient() -> Server {
    Server::with(short).await
}

#[tokio::test]
async fn slowloris_heads_that_trickle_are_cut_off_while_a_stream_goes_on() {
    let server = impatient().await;
    let context = server.execution("e", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let watching = server.ws("/ws/pipeline/e").await;
    let begin = "GET /api/executions HTTP/1.1\r\nHost: localhost\r\nX-Long: ";
    let attack = |_| async {
        let mut raw = Raw::sent(&server, begin).await;
        raw.trickle(b"x", Duration::from_millis(50)).await
    };
    for (took, said) in join_all((0..100).map(attack)).await {
        assert!(took >= HEAD && took < HEAD + LATE, "{took:?}");
        assert!(said.is_empty() || responses(&said) == (408, 1), "{said}");
    }
    context.emit(complete()).await.unwrap();
    let (frames, code) = watching.rest().await;
    assert_eq!((seqs(&frames), code), (vec![1, 2], 1000));
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn slowloris_a_head_that_stops_is_told_so_and_closed() {
    let server = impatient().await;
    for begun in [
        "G",
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n",
    ] {
        let since = Instant::now();
        let said = Raw::sent(&server, begun).await.rest().await;
        assert!(since.elapsed() < HEAD + LATE);
        assert_eq!(responses(&said), (408, 1), "{begun}: {said}");
    }
    server.stop().await;
}

#[tokio::test]
async fn idle_connections_rest_longer_than_a_head_may_take_and_are_closed_then() {
    let server = impatient().await;
    let mut raw = Raw::connect(&server).await;
    // longer than a head may take: it has not begun
    for _ in 0..2 {
        sleep(HEAD + Duration::from_millis(200)).await;
        raw.send("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await;
        let said = raw.until("\r\n\r\n").await;
        assert_eq!(responses(&said), (200, 1));
    }
    let since = Instant::now();
    let rest = raw.rest().await;
    assert!(!rest.contains("HTTP/1.1"), "{rest}");
    assert!(since.elapsed() > IDLE - HEAD && since.elapsed() < IDLE + LATE);
    // a connection on which nothing was ever asked
    assert_eq!(Raw::connect(&server).await.rest().await, "");
    server.stop().await;
}

#[tokio::test]
async fn a_response_that_takes_longer_than_any_of_that_is_not_cut_off() {
    let server = impatient().await;
    let context = server.execution("e", Budget::default());
    let url = server.url("/api/executions/e/events?wait_ms=20000&after=now");
    let polling = tokio::spawn(server.client.get(url).send());
    sleep(IDLE + HEAD).await;
    context.emit(progress(1)).await.unwrap();
    let page: serde_json::Value = soon(polling).await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(page["last_seq"], 1);
    server.stop().await;
}

#[tokio::test]
async fn slow_bodies_to_every_endpoint_are_answered_and_closed() {
    let server = impatient().await;
    external(&server, "x", 60_000).await;
    let attack = |path: String| {
        let server = &server;
        async move {
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{{"
            );
            let (took, said) = Raw::sent(server, head)
                .await
                .trickle(b" ", Duration::from_millis(50))
                .await;
            assert!(took < BODY + LATE, "{path}: {took:?}");
            (path, responses(&said))
        }
    };
    let mut timed_out = 0;
    for (path, (status, count)) in join_all(posts().into_iter().map(attack)).await {
        assert!(status >= 200 && count == 1, "{path}: {status}");
        timed_out += usize::from(status == 408);
        // who has no use for a body does not wait for one
        let waits = reads_json(&path) || path.contains("artifacts");
        assert_eq!(status == 408, waits, "{path}: {status}");
    }
    assert!(timed_out >= 8, "{timed_out}");
    lives(&server).await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_at_an_honest_pace_is_taken_however_long_it_takes() {
    let server = Server::with(|config| {
        short(config);
        config.limits.body_bytes_per_second = 10;
    })
    .await;
    let body = json!({ "mode": "external", "pipeline": "x".repeat(60), "execution_id": "slow" })
        .to_string();
    let mut raw = Raw::sent(
        &server,
        format!(
            "POST /api/executions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        ),
    )
    .await;
    for piece in body.as_bytes().chunks(5) {
        raw.send(piece).await;
        sleep(Duration::from_millis(50)).await;
    }
    let said = raw.until("\r\n\r\n").await;
    assert_eq!(responses(&said), (201, 1), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_lines_may_pause_but_ends_with_its_run() {
    let server = impatient().await;
    external(&server, "lines", 1_500).await;
    let head = "POST /api/executions/lines/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut raw = Raw::sent(&server, head).await;
    // longer than a body may pause
    sleep(BODY * 2).await;
    let line = "{\"event_type\":\"step_start\",\"step_id\":\"s\"}\n";
    raw.send(format!("{:x}\r\n{line}\r\n", line.len())).await;
    let said = raw.rest().await;
    assert_eq!(responses(&said), (408, 1), "{said}");
    let (_, shown) = server.get("/api/executions/lines").await;
    assert_eq!(shown["status"], "producer_lost", "{shown}");
    assert!(said.contains("\"taken\":1"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn slow_heads_and_bodies_are_cut_off_under_tls_too() {
    let secured = Secured::with(short).await;
    let mut raw = Raw(secured.connect(&[b"http/1.1"]).await);
    raw.send("GET / HTTP/1.1\r\n").await;
    let (took, said) = raw.trickle(b"x", Duration::from_millis(50)).await;
    assert!(took < HEAD + LATE && (said.is_empty() || responses(&said) == (408, 1)));
    let mut raw = Raw(secured.connect(&[b"http/1.1"]).await);
    raw.send("POST /api/executions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{").await;
    let said = raw.rest().await;
    assert_eq!(responses(&said), (408, 1), "{said}");
    secured.stop().await;
}

/// What a client of HTTP/2 says first: the preface and its settings.
pub(crate) const PREFACE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// The fields of `GET / HTTP/2` for this machine, without Huffman.
pub(crate) const FIELDS: &[u8] = b"\x82\x87\x84\x41\x09localhost";

#[tokio::test]
async fn slowloris_over_http2_ends_without_a_preface_without_a_request_and_in_the_middle_of_a_head()
{
    let secured = Secured::with(|config| {
        short(config);
        config.write_deadline_ms = 2_000;
    })
    .await;
    let half = [
        PREFACE,
        // a head that is to go on, and does not
        &[0, 0, 3, 1, 0, 0, 0, 0, 1],
        &FIELDS[..3],
    ]
    .concat();
    for begun in [b"" as &[u8], &PREFACE[..10], PREFACE, &half] {
        let mut raw = Raw(secured.connect(&[b"h2"]).await);
        raw.send(begun).await;
        let since = Instant::now();
        raw.rest().await;
        let took = since.elapsed();
        // a farewell may take five seconds
        assert!(took < HEAD + Duration::from_secs(6) + LATE, "{took:?}");
    }
    secured.stop().await;
}

#[tokio::test]
async fn slow_bodies_over_http2_are_answered_and_other_streams_go_on() {
    let secured = Secured::with(short).await;
    let server = &secured.server;
    let endless = futures_util::stream::once(async { Ok::<_, std::io::Error>("{") })
        .chain(futures_util::stream::pending());
    let request = server
        .client
        .post(server.url("/api/executions"))
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(endless));
    let response = soon(request.send()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (408, reqwest::Version::HTTP_2)
    );
    lives(server).await;
    // it rests, and is closed; the next request makes another
    sleep(IDLE + HEAD).await;
    lives(server).await;
    secured.stop().await;
}
