//! A stream of lines: seen while it is sent, kept up to the line that breaks it, repeated exactly.

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::harness::{Server, soon};
use crate::ingest_harness::{Answer, announce, end, note, notes, post, post_lines};

fn lines(events: impl IntoIterator<Item = Value>) -> String {
    events
        .into_iter()
        .map(|event| format!("{event}\n"))
        .collect()
}

/// A body that is sent piece by piece, as the test goes on.
struct Sending {
    pieces: mpsc::Sender<Result<Bytes, std::io::Error>>,
    answer: tokio::task::JoinHandle<Answer>,
}

impl Sending {
    fn start(
        server: &'static Server,
        id: &'static str,
        producer: Option<(&'static str, u64, u64)>,
    ) -> Self {
        let (pieces, receiving) = mpsc::channel(16);
        let pieces_of = futures_util::stream::unfold(receiving, |mut receiving| async {
            Some((receiving.recv().await?, receiving))
        });
        let body = reqwest::Body::wrap_stream(pieces_of.boxed());
        let answer = tokio::spawn(post_lines(server, id, producer, body));
        Self { pieces, answer }
    }

    async fn send(&self, text: String) {
        self.pieces.send(Ok(text.into())).await.unwrap();
    }

    async fn finish(self) -> Answer {
        drop(self.pieces);
        soon(self.answer).await.unwrap()
    }
}

/// Lives as long as the process: requests of spawned tasks borrow it.
async fn lasting(change: impl FnOnce(&mut stepcast::config::Config)) -> &'static Server {
    Box::leak(Box::new(Server::with(change).await))
}

#[tokio::test]
async fn a_viewer_sees_a_line_before_the_request_ends() {
    let server = lasting(|_| {}).await;
    announce(server, "e").await;
    let mut viewer = server.ws("/ws/pipeline/e").await;
    assert_eq!(viewer.frame().await.unwrap()["control"], "hello");
    let sending = Sending::start(server, "e", None);
    let whole = note(0).to_string();
    let (half, rest) = whole.split_at(20);
    sending.send(half.to_owned()).await;
    sending.send(format!("{rest}\n")).await;
    assert_eq!(
        viewer.frame().await.unwrap()["event_type"],
        "pipeline_start"
    );
    for n in 1..10 {
        assert_eq!(viewer.frame().await.unwrap()["data"]["n"], n - 1);
        sending.send(lines([note(n)])).await;
    }
    // another request gets in between two lines
    assert_eq!(post(server, "e", None, note(100)).await.status, 200);
    // the last line needs no line break
    sending.send(end().to_string()).await;
    let answer = sending.finish().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(
        (&answer.body["taken"], &answer.body["status"]),
        (&json!(11), &json!("completed"))
    );
    assert_eq!(viewer.rest().await.1, 1000);
}

#[tokio::test]
async fn a_bad_line_is_named_and_those_before_it_are_kept() {
    let server = Server::with(|config| config.max_event_bytes = 1000).await;
    for (n, (bad, status, path)) in [
        ("{\"event_type\":\"x\"".to_owned(), 400, ""),
        ("nonsense".to_owned(), 400, ""),
        ("[]".to_owned(), 422, "$"),
        (
            "{\"event_type\":\"x\",\"data\":1}".to_owned(),
            422,
            "$.data",
        ),
        (
            "{\"event_type\":\"step_start\"}".to_owned(),
            422,
            "$.step_id",
        ),
        (
            format!("{{\"event_type\":\"{}\"}}", "x".repeat(2000)),
            413,
            "",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("e{n}");
        announce(&server, &id).await;
        let body = format!(
            "{}\n\n{bad}\n{}",
            lines([note(0), note(1)]),
            lines([note(2)])
        );
        let answer = post_lines(&server, &id, Some(("p", 0, 0)), body).await;
        assert_eq!(answer.status, status, "{bad}: {}", answer.body);
        assert_eq!(
            (&answer.body["line"], &answer.body["taken"]),
            (&json!(5), &json!(2)),
            "{bad}"
        );
        assert_eq!(
            answer.body["errors"][0]["path"].as_str().unwrap_or(""),
            path
        );
        assert_eq!(notes(&server, &id).await, [0, 1]);
        // mended and sent again from the first line, it is taken from where it broke
        let body = lines([note(0), note(1), note(2), end()]);
        let answer = post_lines(&server, &id, Some(("p", 0, 0)), body).await;
        assert_eq!((answer.status, answer.header("producer-seq")), (200, "3"));
        assert_eq!(
            (&answer.body["taken"], &answer.body["seen"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(notes(&server, &id).await, [0, 1, 2]);
    }
    announce(&server, "empty").await;
    assert_eq!(
        post_lines(&server, "empty", None, "\n \n").await.status,
        400
    );
    server.stop().await;
}

#[tokio::test]
async fn rule_5_a_stream_that_broke_off_is_repeated_without_loss_or_double() {
    let server = lasting(|_| {}).await;
    announce(server, "e").await;
    let sending = Sending::start(server, "e", Some(("p", 3, 0)));
    for n in 0..5 {
        sending.send(lines([note(n)])).await;
    }
    let half = note(5).to_string();
    sending.send(half[..half.len() / 2].to_owned()).await;
    soon(async {
        while notes(server, "e").await.len() < 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // the network breaks: no closing words, and half a line
    sending.answer.abort();
    soon(sending.pieces.closed()).await;
    let all = lines((0..8).map(note));
    let answer = post_lines(server, "e", Some(("p", 3, 0)), all.clone()).await;
    assert_eq!(
        (&answer.body["taken"], &answer.body["seen"]),
        (&json!(3), &json!(5))
    );
    // from where it stood is enough, and all of it again is nothing new
    let answer = post_lines(server, "e", Some(("p", 3, 8)), lines([note(8)])).await;
    assert_eq!((answer.status, answer.header("producer-seq")), (200, "8"));
    assert_eq!(
        post_lines(server, "e", Some(("p", 3, 0)), all).await.status,
        204
    );
    let hole = post_lines(server, "e", Some(("p", 3, 11)), lines([note(11)])).await;
    assert_eq!(
        (hole.status, hole.header("producer-expected-seq")),
        (409, "9")
    );
    assert_eq!(notes(server, "e").await, (0..9).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_newer_producer_cuts_an_older_stream_off() {
    let server = lasting(|_| {}).await;
    announce(server, "e").await;
    let older = Sending::start(server, "e", Some(("p", 0, 0)));
    older.send(lines([note(0)])).await;
    soon(async {
        while notes(server, "e").await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        post(server, "e", Some(("p", 1, 0)), note(1)).await.status,
        200
    );
    older.send(lines([note(2)])).await;
    let answer = older.finish().await;
    assert_eq!((answer.status, answer.header("producer-epoch")), (403, "1"));
    assert_eq!(
        (&answer.body["line"], &answer.body["taken"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(notes(server, "e").await, [0, 1]);
}

#[tokio::test]
async fn nothing_follows_the_end_in_a_stream_either() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    let body = lines([note(0), end(), note(1)]);
    let answer = post_lines(&server, "e", Some(("p", 0, 0)), body.clone()).await;
    assert_eq!(
        (answer.status, answer.header("stream-closed")),
        (409, "true")
    );
    assert_eq!(
        (&answer.body["line"], &answer.body["taken"]),
        (&json!(3), &json!(2))
    );
    let whole = lines([note(0), end()]);
    let again = post_lines(&server, "e", Some(("p", 0, 0)), whole).await;
    assert_eq!((again.status, again.header("stream-closed")), (204, "true"));
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_tells_how_far_a_stream_came() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    let (pieces, receiving) = mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    let pieces_of = futures_util::stream::unfold(receiving, |mut receiving| async {
        Some((receiving.recv().await?, receiving))
    });
    let request = server
        .client
        .post(server.url("/api/executions/e/events"))
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(pieces_of.boxed()));
    let answer = tokio::spawn(request.send());
    pieces.send(Ok(lines([note(0)]).into())).await.unwrap();
    soon(async {
        while notes(&server, "e").await.is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (response, ()) = soon(async { tokio::join!(answer, server.stop()) }).await;
    let response = response.unwrap().unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["taken"], 1);
}
