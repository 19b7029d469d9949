//! Many models at once: what merging their tokens saves, and what it adds to the way of each token.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};
use stepcast::config::{Config, StoreKind};
use stepcast::executions::{Definition, Executions, Request};
use stepcast::step::{StepContext, StepRegistry};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::percentile;

/// Steps that stream at the same time.
const STREAMS: usize = 100;

/// Tokens of each.
const TOKENS: usize = 400;

/// Between two tokens of one step, on average: 50 a second, as a fast model gives.
const APART: Duration = Duration::from_millis(20);

/// Tokens of the step in a hurry.
const AT_ONCE: usize = 100_000;

/// What the client has seen of a run.
#[derive(Default)]
struct Seen {
    events: usize,
    bytes: usize,
    first: Vec<f64>,
    later: Vec<f64>,
    /// How long the last step that ended has taken.
    step_ms: f64,
}

pub(crate) async fn run() {
    println!(
        "\n{STREAMS} steps of one run stream {TOKENS} tokens of 8 bytes each, 50 a second each; SQLite, WebSocket\n"
    );
    println!(
        "| merged for | token events | KiB to a viewer | first token, median ms | p99 | later tokens, median ms | p99 | processor, s |"
    );
    println!("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    let directory = tempfile::tempdir().unwrap();
    let config = Config {
        store: StoreKind::Sqlite,
        data_dir: directory.path().to_owned(),
        ..Config::default()
    };
    let began = Instant::now();
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Model", move |context: StepContext| async move {
        // not all at the same instant, as models do not
        tokio::time::sleep(APART.mul_f64(fastrand::f64() * 10.0)).await;
        for _ in 0..TOKENS {
            let text = format!("{:07} ", began.elapsed().as_micros() / 10);
            context.emit_token(&text).await;
            tokio::time::sleep(APART.mul_f64(0.5 + fastrand::f64())).await;
        }
        Ok(json!({}))
    });
    registry.register_fn("Rush", move |context: StepContext| async move {
        for n in 0..AT_ONCE {
            context.emit_token(&format!("{n:07} ")).await;
        }
        Ok(json!({}))
    });
    let executions = stepcast::open(config, registry).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(stepcast::serve(listener, executions.clone(), async {
        stopped.await.unwrap();
    }));
    for interval in [0, 25, 100, 250] {
        let before = processor();
        let seen = follow(&executions, &address, began, &streaming(interval)).await;
        let spent = processor() - before;
        assert_eq!(seen.first.len() + seen.later.len(), STREAMS * TOKENS);
        println!(
            "| {} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {spent:.2} |",
            named(interval),
            seen.events,
            seen.bytes / 1024,
            percentile(&seen.first, 0.5),
            percentile(&seen.first, 0.99),
            percentile(&seen.later, 0.5),
            percentile(&seen.later, 0.99),
        );
    }
    println!("\none step says {AT_ONCE} tokens of 8 bytes as fast as it can\n");
    println!("| merged for | token events | µs a token |\n| --- | ---: | ---: |");
    for interval in [0, 100] {
        let seen = follow(&executions, &address, began, &rushing(interval)).await;
        assert_eq!(seen.first.len() + seen.later.len(), AT_ONCE);
        let each = seen.step_ms * 1e3 / AT_ONCE as f64;
        println!("| {} | {} | {each:.2} |", named(interval), seen.events);
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

fn named(interval: u64) -> String {
    match interval {
        0 => "not".to_owned(),
        interval => format!("{interval} ms"),
    }
}

/// Many models beside one another.
fn streaming(interval: u64) -> Value {
    let mut steps = vec![json!({"id": "start", "type": "set", "config": {"values": {"x": 1}}})];
    steps.extend((0..STREAMS).map(|n| json!({"id": format!("model_{n}"), "class": "Model"})));
    let paths = (0..STREAMS).map(|n| json!({"from": "start", "to": format!("model_{n}")}));
    json!({
        "name": "streaming", "steps": steps, "streaming": {"flush_interval_ms": interval},
        "flow": {"start_at": "start", "paths": paths.collect::<Vec<_>>()},
    })
}

/// One step in a hurry.
fn rushing(interval: u64) -> Value {
    json!({
        "name": "rushing", "steps": [{"id": "rush", "class": "Rush"}],
        "streaming": {"flush_interval_ms": interval}, "flow": {"start_at": "rush"},
    })
}

async fn follow(
    executions: &Executions,
    address: &str,
    began: Instant,
    definition: &Value,
) -> Seen {
    let request = Request {
        pipeline: Definition::Inline(definition.clone()),
        input: Map::new(),
        execution_id: None,
        owner: None,
        trace: None,
    };
    let id = executions.create(request).await.unwrap();
    let url = format!("ws://{address}/ws/pipeline/{id}");
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    executions.start(&id).await.unwrap();
    let (mut seen, mut met) = (Seen::default(), std::collections::BTreeSet::new());
    while let Some(Ok(message)) = socket.next().await {
        let Ok(frame) = message.to_text() else {
            continue;
        };
        let now = began.elapsed();
        let event: Value = serde_json::from_str(frame).unwrap_or_default();
        if event["control"] == "closed" {
            break;
        }
        if let ("step_complete", Some(took)) = (
            event["event_type"].as_str().unwrap_or_default(),
            event["data"]["duration_ms"].as_f64(),
        ) {
            seen.step_ms = took;
        }
        if event["data"]["kind"] != "token" {
            continue;
        }
        seen.events += 1;
        seen.bytes += frame.len();
        for token in event["data"]["text"].as_str().unwrap().split_whitespace() {
            let said = Duration::from_micros(token.parse::<u64>().unwrap() * 10);
            let late = now.saturating_sub(said).as_secs_f64() * 1e3;
            let first = met.insert(event["step_id"].as_str().unwrap().to_owned());
            if first {
                &mut seen.first
            } else {
                &mut seen.later
            }
            .push(late);
        }
    }
    seen.first.sort_by(f64::total_cmp);
    seen.later.sort_by(f64::total_cmp);
    seen
}

/// Seconds of processor time that this process has used.
fn processor() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "a duration")]
    let seconds = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    seconds
}
