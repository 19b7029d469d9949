//! A subscriber far behind: it costs what is on its way to it, and no more however far behind it is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use stepcast::config::Config;
use stepcast::executions::Executions;
use stepcast::log::{Along, Budget, Log, NewExecution, Stream};
use stepcast::step::StepRegistry;
use stepcast_core::wire::sse::{Item, Reader};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::counted::CountedStore;
use crate::harness::{Server, Ws, progress, soon};
use crate::recorded::record;

/// Events before the joiner comes: 20 MiB and more.
const BACKLOG: u64 = 20_000;

/// What may be read from the store and not have arrived: a page, what an HTTP library gathers, and small sockets.
const AHEAD: usize = 2 << 20;

/// A server whose sockets hold little, and its store.
async fn server(change: impl FnOnce(&mut Config)) -> (Server, Arc<CountedStore>) {
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: directory.path().join("data"),
        ..Config::default()
    };
    change(&mut config);
    let store = Arc::new(CountedStore::open(&config.data_dir));
    let log = Log::new(store.clone());
    let executions = Executions::recover(log, StepRegistry::builtin(), config)
        .await
        .unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(SOCKET).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(16).unwrap();
    (Server::serving(listener, executions, directory), store)
}

/// A connection that holds little.
async fn connect(server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SOCKET).unwrap();
    socket
        .connect(server.address.parse().unwrap())
        .await
        .unwrap()
}

/// An SSE body without chunks.
async fn sse(server: &Server, query: &str) -> TcpStream {
    let mut stream = connect(server).await;
    let request = format!(
        "GET /stream/pipeline/run{query} HTTP/1.0\r\nHost: {}\r\n\r\n",
        server.address
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.0 200"));
    stream
}

/// Waits until the server reads no more from the store.
async fn at_rest(store: &CountedStore) {
    let quiet = async {
        let (mut before, mut looks) = (0, 0);
        while before == 0 || looks < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            looks = if store.events() == before {
                looks + 1
            } else {
                0
            };
            before = store.events();
        }
    };
    soon(quiet).await;
}

/// A run that goes on, far longer than its ring; and its log.
async fn long_run(server: &Server) -> Arc<Stream> {
    let new = NewExecution::named("run".parse().unwrap(), "test", 1);
    let stream = server
        .executions
        .log()
        .create(&new, Budget::default())
        .unwrap();
    let mut large = progress(1);
    large.data = json!({ "text": "x".repeat(1 << 10) });
    let some = vec![large; 1000];
    for _ in 0..BACKLOG / 1000 {
        let last = stream.append_all(&some, Along::default()).await.unwrap();
        stream.settled(last).await.unwrap();
    }
    stream
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_9_a_late_joiner_over_sse_reaches_the_tail_and_costs_one_page() {
    let (server, store) = server(|_| {}).await;
    let log = long_run(&server).await;
    let mut joiner = sse(&server, "").await;
    at_rest(&store).await;
    assert!(store.bytes() < AHEAD, "{} bytes ahead", store.bytes());
    let more = tokio::spawn(async move {
        for _ in 0..500 {
            log.append(&progress(1)).await.unwrap();
            tokio::task::yield_now().await;
        }
        log
    });
    let (mut reader, mut items, mut last, mut received) = (Reader::default(), Vec::new(), 0, 0);
    let mut buffer = vec![0; 64 << 10];
    let mut more = Some(more);
    let mut read_until = BACKLOG + 500;
    while last < read_until {
        let length = soon(joiner.read(&mut buffer)).await.unwrap();
        assert!(length > 0, "ended at {last}");
        received += length;
        assert!(store.bytes() < received + AHEAD, "ahead at {last}");
        reader.push(&buffer[..length], &mut items).unwrap();
        for item in items.drain(..) {
            if let Item::Message(message) = item
                && message.event != "control"
            {
                last += 1;
                assert!(message.last_event_id.ends_with(&format!(".{last}")));
            }
        }
        if last == BACKLOG + 500
            && let Some(more) = more.take()
        {
            // at the tail: the next one is live
            more.await.unwrap().append(&progress(2)).await.unwrap();
            read_until += 1;
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_9_a_late_joiner_over_websocket_reaches_the_tail_and_costs_one_page() {
    let (server, store) = server(|_| {}).await;
    let log = long_run(&server).await;
    let url = format!("ws://{}/ws/pipeline/run", server.address);
    let stream = tokio_tungstenite::MaybeTlsStream::Plain(connect(&server).await);
    let (socket, _) = soon(tokio_tungstenite::client_async(url, stream))
        .await
        .unwrap();
    let mut joiner = Ws(socket);
    at_rest(&store).await;
    assert!(store.bytes() < AHEAD, "{} bytes ahead", store.bytes());
    let (mut last, mut received) = (0, 0);
    while last < BACKLOG + 1 {
        let frame = joiner.frame().await.unwrap();
        let Some(seq) = frame["seq"].as_u64() else {
            continue;
        };
        last += 1;
        assert_eq!(seq, last);
        received += frame.to_string().len();
        assert!(store.bytes() < received + AHEAD, "ahead at {last}");
        if last == BACKLOG {
            log.append(&progress(2)).await.unwrap();
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn rule_9_a_paced_viewer_that_waits_holds_one_page() {
    let (server, store) = server(|config| {
        config.heartbeat_ms = 100;
        let hour = Duration::from_secs(3600);
        record(&config.data_dir, "run", BACKLOG, hour, true);
    })
    .await;
    let mut viewer = sse(&server, "?pace=100").await;
    let (mut reader, mut items, mut pings) = (Reader::default(), Vec::new(), 0);
    let mut buffer = vec![0; 64 << 10];
    while pings < 3 {
        let length = soon(viewer.read(&mut buffer)).await.unwrap();
        reader.push(&buffer[..length], &mut items).unwrap();
        pings += items.drain(..).filter(|it| *it == Item::Comment).count();
    }
    let held = store.events();
    assert!(held > 1 && held <= 1024, "{held} of {BACKLOG} events held");
    server.stop().await;
}

/// Bytes of each socket's buffer, doubled by Linux.
const SOCKET: u32 = 32 << 10;
