//! What streaming adds to a run: the same pipeline without a log, with one, and with readers on it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use stepcast::context::StreamingContext;
use stepcast::log::{Budget, Durability, Log, NewExecution, SqliteStore};
use stepcast::pipeline::{self, Pipeline, RunOptions};
use stepcast::step::{StepContext, StepRegistry};
use stepcast::subscriber::CallbackSubscriber;

use crate::median;

/// Rounds of each row; the median counts.
const ROUNDS: usize = 5;

/// Steps of the long pipeline.
const STEPS: usize = 1_000;

/// Events of the talkative step.
const EVENTS: usize = 100_000;

pub(crate) async fn run() {
    let mut registry = StepRegistry::builtin();
    registry.register_fn("Work", |_: StepContext| async {
        spin(Duration::from_millis(1));
        Ok(json!({}))
    });
    registry.register_fn("Talk", |context: StepContext| async move {
        for n in 0..EVENTS {
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            context
                .emit_progress(n as f64 / EVENTS as f64, "talking")
                .await;
        }
        Ok(json!({}))
    });
    let long = chain(&registry, "Work", STEPS);
    table("a run of 1,000 steps of 1 ms", &long).await;
    let talkative = chain(&registry, "Talk", 1);
    table(
        "a run of one step that emits 100,000 progress events",
        &talkative,
    )
    .await;
}

async fn table(title: &str, pipeline: &Arc<Pipeline>) {
    println!("\n{title}, SQLite, seconds, median of {ROUNDS} rounds\n");
    println!("| streaming | subscribers | seconds | over none |\n| --- | ---: | ---: | ---: |");
    let directory = tempfile::tempdir().unwrap();
    let log = Log::new(Arc::new(
        SqliteStore::open(directory.path(), Durability::Process).unwrap(),
    ));
    let rows = [("off", 0), ("on", 0), ("on", 1), ("on", 100)];
    // Row by row within a round, so that a machine that slows down slows every row.
    let mut times = vec![Vec::new(); rows.len()];
    for round in 0..ROUNDS {
        for (row, times) in rows.iter().zip(&mut times) {
            times.push(
                measure(
                    &log,
                    &format!("{round}-{}-{}", row.0, row.1),
                    pipeline,
                    *row,
                )
                .await,
            );
        }
    }
    let base = median(times[0].clone());
    for (row, times) in rows.iter().zip(times) {
        let seconds = median(times);
        println!(
            "| {} | {} | {seconds:.3} | {:+.2} % |",
            row.0,
            row.1,
            (seconds / base - 1.0) * 100.0
        );
    }
}

async fn measure(
    log: &Log,
    id: &str,
    pipeline: &Arc<Pipeline>,
    (streaming, subscribers): (&str, usize),
) -> f64 {
    let context = if streaming == "off" {
        StreamingContext::disabled(id.parse().unwrap())
    } else {
        let new = NewExecution::named(id.parse().unwrap(), "bench", 0);
        StreamingContext::new(log.create(&new, Budget::default()).unwrap())
    };
    for _ in 0..subscribers {
        context.subscribe(Box::new(CallbackSubscriber::new(|_| Ok(()))));
    }
    let start = Instant::now();
    let result = pipeline::run(
        pipeline.clone(),
        Map::new(),
        context.clone(),
        RunOptions::default(),
    )
    .await;
    let seconds = start.elapsed().as_secs_f64();
    assert!(result.error.is_none(), "{:?}", result.error);
    if let Some(stream) = context.stream() {
        stream
            .watch()
            .wait_for(|tail| tail.ended.is_some())
            .await
            .unwrap();
    }
    while context
        .subscribers()
        .is_some_and(|subscribers| subscribers.attached() > 0)
    {
        tokio::task::yield_now().await;
    }
    seconds
}

fn chain(registry: &StepRegistry, class: &str, count: usize) -> Arc<Pipeline> {
    let steps: Vec<Value> = (0..count).map(|n| json!({ "id": format!("s{n}"), "name": format!("Step {n}"), "step_class": class, "module": "bench" })).collect();
    let paths: Vec<Value> = (1..count)
        .map(|n| json!({ "from": format!("s{}", n - 1), "to": format!("s{n}") }))
        .collect();
    let definition =
        json!({ "name": "bench", "steps": steps, "flow": { "start_at": "s0", "paths": paths } });
    Arc::new(Pipeline::from_json(&definition, registry).unwrap())
}

/// Works, rather than sleeps: a timer's slack would hide what is measured.
fn spin(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
