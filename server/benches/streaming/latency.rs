//! From `emit` to a client on loopback, over each transport, through the whole server.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::context::StreamingContext;
use stepcast_core::event::EventType;
use stepcast_core::wire::sse::{Item, Reader};
use tokio::sync::oneshot;

use crate::percentile;
use crate::served::{Served, say};

/// Events a run, one every 2 ms.
const EVENTS: usize = 2_000;

pub(crate) async fn run() {
    println!("\nemit to client on loopback, {EVENTS} events, one every 2 ms, milliseconds\n");
    println!("| store | transport | median | p99 | highest |\n| --- | --- | ---: | ---: | ---: |");
    for (name, store) in [("memory", StoreKind::Memory), ("sqlite", StoreKind::Sqlite)] {
        let directory = tempfile::tempdir().unwrap();
        let server = Served::start(store, directory.path()).await;
        for transport in ["websocket", "sse"] {
            let id = format!("latency-{transport}");
            let context = server.run(&id);
            let start = Instant::now();
            let (ready, open) = oneshot::channel();
            let client = match transport {
                "websocket" => tokio::spawn(websocket(server.address.clone(), id, start, ready)),
                _ => tokio::spawn(sse(server.address.clone(), id, start, ready)),
            };
            open.await.unwrap();
            emit(&context, start).await;
            let times = client.await.unwrap();
            assert_eq!(times.len(), EVENTS);
            let (median, p99, highest) = (
                percentile(&times, 0.5),
                percentile(&times, 0.99),
                percentile(&times, 1.0),
            );
            println!("| {name} | {transport} | {median:.3} | {p99:.3} | {highest:.3} |");
        }
        server.stop().await;
    }
}

async fn emit(context: &StreamingContext, start: Instant) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..EVENTS {
        ticks.tick().await;
        let data = json!({ "at": start.elapsed().as_secs_f64() });
        say(context, EventType::StepProgress, data).await;
    }
    say(context, EventType::PipelineComplete, json!({})).await;
}

/// Takes one text; whether the stream is over.
fn take(
    text: &str,
    start: Instant,
    ready: &mut Option<oneshot::Sender<()>>,
    times: &mut Vec<f64>,
) -> bool {
    let frame: Value = serde_json::from_str(text).unwrap();
    if frame["control"] == "hello" {
        ready.take().unwrap().send(()).unwrap();
    }
    if let Some(at) = frame["data"]["at"].as_f64() {
        times.push((start.elapsed().as_secs_f64() - at) * 1e3);
    }
    frame["control"] == "closed"
}

async fn websocket(
    address: String,
    id: String,
    start: Instant,
    ready: oneshot::Sender<()>,
) -> Vec<f64> {
    let (mut socket, _) =
        tokio_tungstenite::connect_async(format!("ws://{address}/ws/pipeline/{id}"))
            .await
            .unwrap();
    let (mut ready, mut times) = (Some(ready), Vec::new());
    while let Some(Ok(message)) = socket.next().await {
        if message
            .to_text()
            .is_ok_and(|text| text.starts_with('{') && take(text, start, &mut ready, &mut times))
        {
            break;
        }
    }
    times.sort_by(f64::total_cmp);
    times
}

async fn sse(address: String, id: String, start: Instant, ready: oneshot::Sender<()>) -> Vec<f64> {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let response = reqwest::get(format!("http://{address}/stream/pipeline/{id}"))
        .await
        .unwrap();
    let (mut ready, mut times, mut reader, mut items) =
        (Some(ready), Vec::new(), Reader::default(), Vec::new());
    let mut body = response.bytes_stream();
    while let Some(Ok(chunk)) = body.next().await {
        reader.push(&chunk, &mut items).unwrap();
        for item in items.drain(..) {
            if let Item::Message(message) = item {
                take(&message.data, start, &mut ready, &mut times);
            }
        }
    }
    times.sort_by(f64::total_cmp);
    times
}
