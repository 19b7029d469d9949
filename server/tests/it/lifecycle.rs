//! Executions from their creation to their end: who may start them, how many, and what a stopping server says.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::log::{Budget, NewExecution, Reader};
use stepcast::step::StepRegistry;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::harness::{Server, Ws, progress, soon};

fn waits(seconds: f64) -> Value {
    json!({
        "name": "Waits",
        "steps": [{ "id": "wait", "type": "delay", "config": { "seconds": seconds } }],
        "flow": { "start_at": "wait", "paths": [] }
    })
}

fn body(seconds: f64, mode: &str, id: &str) -> Value {
    json!({ "definition": waits(seconds), "mode": mode, "execution_id": id })
}

/// Another process writes to the database: no commit gets through until the connection is dropped.
fn occupied(directory: &Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(directory.join("data/stepcast.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_6_an_execution_that_was_cancelled_is_not_started_and_ends_once() {
    let server = Server::with(|_| {}).await;
    server
        .post("/api/executions", body(0.0, "create", "c"))
        .await;
    let other = occupied(server.directory.path());
    assert_eq!(
        server.post("/api/executions/c/cancel", json!({})).await.0,
        202
    );
    let (started, _) = server.post("/api/executions/c/start", json!({})).await;
    drop(other);
    assert_eq!(started, 409, "its end is in the log, though not committed");
    let (frames, _) = server.ws("/ws/pipeline/c").await.rest().await;
    let terminal = frames
        .iter()
        .filter(|frame| frame["event_type"] == "pipeline_error");
    assert_eq!(terminal.count(), 1);
    assert_eq!(
        server.get("/api/executions/c").await.1["status"],
        "cancelled"
    );
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_11_an_execution_created_first_keeps_the_buffer_size_of_its_pipeline() {
    let server = Server::with(|_| {}).await;
    let mut definition = waits(0.0);
    definition["streaming"] = json!({ "buffer_size": 2 });
    let body = json!({ "definition": definition, "mode": "create", "execution_id": "small" });
    server.post("/api/executions", body).await;
    let id = "small".parse().unwrap();
    let stream = server.executions.log().open(&id).unwrap().unwrap();
    server.post("/api/executions/small/start", json!({})).await;
    let tail = *soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    // what the database has no more can come from memory only
    rusqlite::Connection::open(server.directory.path().join("data/stepcast.db"))
        .unwrap()
        .execute("DELETE FROM events", [])
        .unwrap();
    let page = Reader::new(stream, 0).read(100).await.unwrap();
    assert_eq!(page.gap, Some((1, tail.last_seq - 2)));
    server.stop().await;
}

#[tokio::test]
async fn rule_11_a_blocking_run_counts_as_one_under_way() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.max_running = 1;
    })
    .await;
    let request = server
        .client
        .post(server.url("/api/executions"))
        .json(&body(600.0, "blocking", "b"));
    let blocking = tokio::spawn(request.send());
    soon(async {
        while server.get("/readyz").await.1["running"] != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    for mode in ["blocking", "stream"] {
        assert_eq!(
            server
                .post("/api/executions", body(0.0, mode, "second"))
                .await
                .0,
            429,
            "{mode}"
        );
    }
    blocking.abort();
    soon(async {
        while server
            .post("/api/executions", body(0.0, "blocking", "third"))
            .await
            .0
            != 200
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.stop().await;
}

#[tokio::test]
async fn rule_8_making_an_execution_known_holds_up_nothing_else() {
    let server = Server::with(|_| {}).await;
    let other = occupied(server.directory.path());
    let create = server
        .client
        .post(server.url("/api/executions"))
        .json(&body(0.0, "stream", "e"));
    let create = tokio::spawn(create.send());
    // One thread serves all: had the creation blocked it, it would have failed before the answers came.
    for _ in 0..20 {
        assert_eq!(server.get("/healthz").await.0, 200);
    }
    assert!(!create.is_finished(), "it waits for the database");
    drop(other);
    assert_eq!(create.await.unwrap().unwrap().status(), 201);
    server.stop().await;
}

#[test]
fn a_server_that_stops_tells_a_websocket_that_is_behind_before_it_returns() {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        data_dir: directory.path().join("data"),
        ..Config::default()
    };
    let (told, address) = std::sync::mpsc::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap()).unwrap();
            let executions = stepcast::open(config, StepRegistry::builtin())
                .await
                .unwrap();
            let new = NewExecution::named("e".parse().unwrap(), "test", 1);
            let stream = executions.log().create(&new, Budget::default()).unwrap();
            for n in 0..64 {
                let mut draft = progress(n);
                draft.data = json!({ "text": "x".repeat(256 << 10) });
                stream.append(&draft).await.unwrap();
            }
            let shutdown = async { drop(stopped.await) };
            stepcast::serve(listener, executions, shutdown)
                .await
                .unwrap();
        });
        runtime.shutdown_background();
    });
    let address = address.recv().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let code = runtime.block_on(async move {
        let url = format!("ws://{address}/ws/pipeline/e");
        let (socket, _) = soon(tokio_tungstenite::connect_async(url)).await.unwrap();
        let mut socket = Ws(socket);
        assert_eq!(socket.frame().await.unwrap()["control"], "hello");
        stop.send(()).unwrap();
        // It has begun to stop when it takes nobody in any more.
        soon(async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        socket.rest().await.1
    });
    server.join().unwrap();
    assert_eq!(code, 1001);
}
