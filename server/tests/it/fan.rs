//! Connections that are at the tail together: one writer for all, and each as if it were alone.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::Value;
use stepcast::context::StreamingContext;
use stepcast::log::Budget;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, complete, emit, progress, seqs, soon};

const EVENTS: u64 = 3000;

/// The bytes of an event stream whose reader takes little at a time, and rests in between.
pub(crate) async fn slowly(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    address: &str,
    path: &str,
) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let (mut read, mut part) = (Vec::new(), vec![0; 4096]);
    loop {
        // an end without the word of TLS for it is an error
        let taken = soon(stream.read(&mut part)).await.unwrap();
        if taken == 0 {
            return String::from_utf8(read).unwrap();
        }
        read.extend_from_slice(&part[..taken]);
        if read.len() % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// Readers of one execution.
#[derive(Default)]
pub(crate) struct Crowd {
    pub(crate) sockets: Vec<JoinHandle<(Vec<Value>, u16)>>,
    pub(crate) streams: Vec<JoinHandle<String>>,
    pub(crate) slow: Vec<JoinHandle<String>>,
}

impl Crowd {
    /// Emits the rest of so many events, of which there is one, and sees that every reader gets all of them.
    pub(crate) async fn sees(self, context: &StreamingContext, events: u64) {
        for n in 2..usize::try_from(events).unwrap() {
            context.emit(progress(n)).await.unwrap();
            if n % 100 == 0 {
                tokio::task::yield_now().await;
            }
        }
        context.emit(complete()).await.unwrap();
        let all: Vec<u64> = (1..=events).collect();
        for socket in self.sockets {
            let (frames, code) = socket.await.unwrap();
            assert_eq!(code, 1000);
            assert!(seqs(&frames) == all, "a WebSocket: {}", frames.len());
        }
        for stream in self.streams {
            let text = soon(stream).await.unwrap();
            assert!(ids(&text) == all, "an event stream");
            assert!(text.contains("\"control\":\"closed\""));
        }
        for stream in self.slow {
            let text = stream.await.unwrap();
            assert!(ids(&text) == all, "a slow event stream");
            assert!(text.ends_with("\r\n0\r\n\r\n"), "the body has its end");
            assert!(
                text.contains("connection: close\r\n"),
                "a client must not use the connection again"
            );
        }
    }
}

pub(crate) fn ids(stream: &str) -> Vec<u64> {
    let ids = stream.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.rsplit('.').next().unwrap().parse().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_1_and_9_readers_fast_and_slow_of_every_dialect_get_the_same() {
    let server = Server::with(|config| {
        config.buffer_size = 50;
        config.durability = stepcast::log::Durability::Off;
    })
    .await;
    let context = server.execution("many", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut crowd = Crowd::default();
    for query in ["", "?batch=true"].into_iter().cycle().take(20) {
        let ws = server.ws(&format!("/ws/pipeline/many{query}")).await;
        crowd.sockets.push(tokio::spawn(ws.rest()));
    }
    for format in ["full", "short", "message"].into_iter().cycle().take(21) {
        let url = server.url(&format!("/stream/pipeline/many?format={format}"));
        let request = server.client.get(url).send();
        crowd.streams.push(tokio::spawn(async move {
            soon(request).await.unwrap().text().await.unwrap()
        }));
    }
    for _ in 0..4 {
        let address = server.address.clone();
        crowd.slow.push(tokio::spawn(async move {
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_recv_buffer_size(4096).unwrap();
            let stream = socket.connect(address.parse().unwrap()).await.unwrap();
            slowly(stream, &address, "/stream/pipeline/many").await
        }));
    }
    crowd.sees(&context, EVENTS).await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_at_the_tail_is_heard_and_hears_when_nothing_happens() {
    let server = Server::with(|config| config.heartbeat_ms = 200).await;
    let context = server.execution("quiet", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut ws = server.ws("/ws/pipeline/quiet").await;
    assert_eq!(ws.frame().await.unwrap()["control"], "hello");
    assert_eq!(ws.frame().await.unwrap()["seq"], 1);
    for n in 2..6 {
        let next = loop {
            let frame = ws.frame().await.unwrap();
            if frame["control"] == "ping" {
                break frame;
            }
        };
        assert_eq!(next["control"], "ping", "a heartbeat at the tail");
        ws.0.send(Message::text(r#"{"action":"ping"}"#))
            .await
            .unwrap();
        ws.0.send(Message::Ping("are you there".into()))
            .await
            .unwrap();
        context.emit(progress(n)).await.unwrap();
        let (mut pong, mut seen) = (false, false);
        while !(pong && seen) {
            let frame = ws.frame().await.unwrap();
            pong |= frame["control"] == "pong";
            seen |= frame["seq"] == n;
        }
    }
    server.stop().await;
}

/// The first line and the rest of an answer to a request written by hand.
async fn raw(server: &Server, request: &str) -> (String, String) {
    let mut stream = TcpStream::connect(&server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    soon(stream.read_to_string(&mut text)).await.unwrap();
    let (first, rest) = text.split_once("\r\n").unwrap();
    (first.to_owned(), rest.to_owned())
}

#[tokio::test]
async fn who_speaks_http_1_0_or_asks_for_the_head_is_served_too() {
    let server = Server::start().await;
    let context = server.execution("old", Budget::default());
    emit(&context, 3).await;
    let host = format!("Host: {}\r\n\r\n", server.address);
    let (first, rest) = raw(
        &server,
        &format!("GET /stream/pipeline/old HTTP/1.0\r\n{host}"),
    )
    .await;
    assert!(first.ends_with("200 OK"), "{first}");
    assert_eq!(ids(&rest), [1, 2, 3]);
    assert!(!rest.contains("transfer-encoding"), "{rest}");
    let close = format!("Connection: close\r\n{host}");
    let (first, rest) = raw(
        &server,
        &format!("HEAD /stream/pipeline/old HTTP/1.1\r\n{close}"),
    )
    .await;
    assert!(first.ends_with("200 OK"), "{first}");
    assert!(ids(&rest).is_empty(), "{rest}");
    let (first, _) = raw(
        &server,
        &format!("GET /ws/pipeline/old HTTP/1.1\r\n{close}"),
    )
    .await;
    assert!(first.contains("426"), "{first}");
    server.stop().await;
}
