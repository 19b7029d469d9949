//! The whole way over HTTP on loopback: each producer posts a batch with its headers, and reads the answer.

use std::io;
use std::time::Instant;

use reqwest::Client;
use serde_json::{Value, json};
use stepcast::config::Config;
use stepcast::step::StepRegistry;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{CELLS, HEAD, ROUNDS, bare, percentile, row, text};

/// Lines of the one stream.
const LINES: usize = 100_000;

pub(crate) async fn run() {
    println!("\nover HTTP, durability `process`, median of {ROUNDS} rounds\n\n{HEAD}");
    let _already = rustls::crypto::ring::default_provider().install_default();
    for cell @ (producers, batch, events) in CELLS {
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let directory = tempfile::tempdir().unwrap();
            alone.push(bare::insert(directory.path(), producers, batch, events));
            ours.push(serve(producers, Sending::Batches(batch), events).await);
        }
        row(cell, &mut ours, &mut alone);
    }
    let mut stream = Vec::new();
    for _ in 0..ROUNDS {
        stream.push(serve(1, Sending::Lines, LINES).await);
    }
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = percentile(&mut stream, 0.5) * 1e6 / LINES as f64;
    println!("\none producer, one stream of {LINES} lines: {each:.1} µs an event");
}

/// How a producer sends.
#[derive(Clone, Copy)]
enum Sending {
    /// A request for so many events.
    Batches(usize),
    /// One request, one event a line.
    Lines,
}

async fn serve(producers: usize, sending: Sending, events: usize) -> f64 {
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        listen: ([127, 0, 0, 1], 0).into(),
        data_dir: directory.path().join("data"),
        max_events_per_second: 0,
        ..Config::default()
    };
    let listener = TcpListener::bind(config.listen).await.unwrap();
    let base = format!("http://{}/api/executions", listener.local_addr().unwrap());
    let executions = stepcast::open(config, StepRegistry::builtin())
        .await
        .unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(stepcast::serve(listener, executions, async {
        stopped.await.unwrap_or(());
    }));
    let client = Client::new();
    for n in 0..producers {
        let body = json!({ "mode": "external", "pipeline": "bench", "execution_id": format!("execution-{n:02}") });
        let created = client.post(&base).json(&body).send().await.unwrap();
        assert_eq!(created.status(), 201);
    }
    let start = Instant::now();
    let producing: Vec<_> = (0..producers)
        .map(|n| {
            let address = format!("{base}/execution-{n:02}/events");
            let events = events / producers;
            tokio::spawn(async move {
                match sending {
                    Sending::Batches(batch) => produce(address, batch, events / batch).await,
                    Sending::Lines => stream(address, events).await,
                }
            })
        })
        .collect();
    for producer in producing {
        producer.await.unwrap();
    }
    let seconds = start.elapsed().as_secs_f64();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    seconds
}

fn event() -> Value {
    json!({ "event_type": "step_progress", "step_id": "step", "data": { "kind": "token", "text": text() } })
}

/// The lines leave in pieces of a hundred.
async fn stream(address: String, lines: usize) {
    let piece = bytes::Bytes::from(format!("{}\n", event()).repeat(100));
    let pieces = futures_util::stream::iter(
        (0..lines / 100).map(move |_| Ok::<_, io::Error>(piece.clone())),
    );
    let request = Client::new()
        .post(&address)
        .header("content-type", "application/x-ndjson")
        .header("producer-id", "producer")
        .header("producer-epoch", 0)
        .header("producer-seq", 0)
        .body(reqwest::Body::wrap_stream(pieces));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

async fn produce(address: String, batch: usize, batches: usize) {
    let body = json!(vec![event(); batch]).to_string();
    let client = Client::new();
    for seq in 0..batches {
        let request = client
            .post(&address)
            .header("content-type", "application/json")
            .header("producer-id", "producer")
            .header("producer-epoch", 0)
            .header("producer-seq", seq)
            .body(body.clone());
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap();
    }
}
