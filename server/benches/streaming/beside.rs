//! A quiet run beside a busy one: how long its events are on their way, where both share a connection and where not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::context::StreamingContext;
use stepcast_core::event::EventType;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::percentile;
use crate::served::{Served, say};

/// Events of the quiet run, one every 2 ms.
const EVENTS: usize = 1_000;
/// What the busy run has said before, where its past is read.
const PAST: usize = 1_000_000;
/// What the busy run says in each millisecond, where it is followed live.
const BURST: usize = 20;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What the other run does meanwhile.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Busy {
    Not,
    Live,
    Past,
}

pub(crate) async fn run() {
    println!(
        "\na quiet run, {EVENTS} events, one every 2 ms, beside a busy one: emit to client, milliseconds\n"
    );
    println!(
        "| the other run | connection | median | p99 | highest | of the other, events/s |\n| --- | --- | ---: | ---: | ---: | ---: |"
    );
    let directory = tempfile::tempdir().unwrap();
    let server = Served::start(StoreKind::Sqlite, directory.path()).await;
    let past = server.run("past");
    for at in 0..PAST {
        busy(&past).await;
        if at % 512 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for (round, (what, shared)) in [
        (Busy::Not, false),
        (Busy::Live, false),
        (Busy::Live, true),
        (Busy::Past, false),
        (Busy::Past, true),
    ]
    .into_iter()
    .enumerate()
    {
        measure(&server, round, what, shared).await;
    }
    server.stop().await;
}

async fn measure(server: &Served, round: usize, what: Busy, shared: bool) {
    let (quiet, live) = (format!("quiet-{round}"), format!("live-{round}"));
    let context = server.run(&quiet);
    let other = server.run(&live);
    let start = Instant::now();
    let mut socket = connect(server).await;
    subscribe(&mut socket, &quiet).await;
    // the quiet run is at its tail before the other begins
    while !next(&mut socket).await.contains("hello") {}
    let others = Arc::new(AtomicU32::new(0));
    let mut elsewhere = None;
    if what != Busy::Not {
        let id = if what == Busy::Past { "past" } else { &live };
        if shared {
            subscribe(&mut socket, id).await;
        } else {
            let mut own = connect(server).await;
            subscribe(&mut own, id).await;
            let others = others.clone();
            elsewhere = Some(tokio::spawn(async move {
                while !next(&mut own).await.is_empty() {
                    others.fetch_add(1, Relaxed);
                }
            }));
        }
    }
    let talking = (what == Busy::Live).then(|| talk(other));
    let emitting = tokio::spawn(emit(context, start));
    let mut times = Vec::with_capacity(EVENTS);
    let mine = format!("\"execution_id\":\"{quiet}\"");
    while times.len() < EVENTS {
        let text = next(&mut socket).await;
        if !text.contains(&mine) {
            others.fetch_add(1, Relaxed);
            continue;
        }
        let frame: Value = serde_json::from_str(&text).unwrap();
        if let Some(at) = frame["data"]["at"].as_f64() {
            times.push((start.elapsed().as_secs_f64() - at) * 1e3);
        }
    }
    let took = start.elapsed().as_secs_f64();
    emitting.await.unwrap();
    if let Some(talking) = talking {
        talking.abort();
    }
    if let Some(elsewhere) = elsewhere {
        elsewhere.abort();
    }
    drop(socket);
    times.sort_by(f64::total_cmp);
    let other = match what {
        Busy::Not => "none",
        Busy::Live => "live, 20,000 events/s",
        Busy::Past => "its past is read",
    };
    let connection = match (what, shared) {
        (Busy::Not, _) => "",
        (_, true) => "the same",
        (_, false) => "its own",
    };
    let rate = f64::from(others.load(Relaxed)) / took;
    println!(
        "| {other} | {connection} | {:.3} | {:.3} | {:.3} | {rate:.0} |",
        percentile(&times, 0.5),
        percentile(&times, 0.99),
        percentile(&times, 1.0),
    );
}

async fn emit(context: StreamingContext, start: Instant) {
    let mut ticks = tokio::time::interval(Duration::from_millis(2));
    for _ in 0..EVENTS {
        ticks.tick().await;
        let data = json!({ "at": start.elapsed().as_secs_f64() });
        say(&context, EventType::StepProgress, data).await;
    }
    say(&context, EventType::PipelineComplete, json!({})).await;
}

fn talk(context: StreamingContext) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_millis(1));
        loop {
            ticks.tick().await;
            for _ in 0..BURST {
                busy(&context).await;
            }
        }
    })
}

async fn busy(context: &StreamingContext) {
    let data = json!({ "progress": 0.5, "text": "x".repeat(150) });
    say(context, EventType::StepProgress, data).await;
}

async fn connect(server: &Served) -> Socket {
    let address = format!("ws://{}/ws/executions", server.address);
    tokio_tungstenite::connect_async(address).await.unwrap().0
}

async fn subscribe(socket: &mut Socket, id: &str) {
    let frame = json!({ "action": "subscribe", "execution_id": id, "after": "earliest" });
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// The next text; none where the connection has ended.
async fn next(socket: &mut Socket) -> String {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            return text.as_str().to_owned();
        }
    }
    String::new()
}
