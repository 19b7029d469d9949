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

/// What the client has seen of a run.
#[derive(Default)]
struct Seen {
    events: usize,
    bytes: usize,
    first: Vec<f64>,
    later: Vec<f64>,
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
    let executions = stepcast::open(config, registry).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(stepcast::serve(listener, executions.clone(), async {
        stopped.await.unwrap();
    }));
    for interval in [0, 25, 100, 250] {
        let before = processor();
        let seen = follow(&executions, &address, began, interval).await;
        let spent = processor() - before;
        assert_eq!(seen.first.len() + seen.later.len(), STREAMS * TOKENS);
        let name = if interval == 0 {
            "not".to_owned()
        } else {
            format!("{interval} ms")
        };
        println!(
            "| {name} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {spent:.2} |",
            seen.events,
            seen.bytes / 1024,
            percentile(&seen.first, 0.5),
            percentile(&seen.first, 0.99),
            percentile(&seen.later, 0.5),
            percentile(&seen.later, 0.99),
        );
    }
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

async fn follow(executions: &Executions, address: &str, began: Instant, interval: u64) -> Seen {
    let mut steps = vec![json!({"id": "start", "type": "set", "config": {"values": {"x": 1}}})];
    steps.extend((0..STREAMS).map(|n| json!({"id": format!("model_{n}"), "class": "Model"})));
    let paths = (0..STREAMS).map(|n| json!({"from": "start", "to": format!("model_{n}")}));
    let definition = json!({
        "name": "bench", "steps": steps, "streaming": {"flush_interval_ms": interval},
        "flow": {"start_at": "start", "paths": paths.collect::<Vec<_>>()},
    });
    let request = Request {
        pipeline: Definition::Inline(definition),
        input: Map::new(),
        execution_id: Some(format!("bench-{interval}").parse().unwrap()),
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
