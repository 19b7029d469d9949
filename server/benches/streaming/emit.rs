//! `emit` alone: how long the pipeline is held up by one event.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::{Budget, Durability, Log, MemoryStore, NewExecution, SqliteStore, Store};
use stepcast::subscriber::CallbackSubscriber;
use stepcast_core::event::EventType;

use crate::percentile;

/// Events in one round: 300 bytes of JSON each.
const EVENTS: usize = 100_000;

pub(crate) async fn run() {
    println!("\nemit, {EVENTS} events of 300 bytes, µs each\n");
    println!("| store | subscribers | median | p99 | mean |\n| --- | ---: | ---: | ---: | ---: |");
    let directory = tempfile::tempdir().unwrap();
    let sqlite: Arc<dyn Store> =
        Arc::new(SqliteStore::open(directory.path(), Durability::Process).unwrap());
    for (name, store) in [
        ("memory", Arc::new(MemoryStore::new()) as Arc<dyn Store>),
        ("sqlite", sqlite),
    ] {
        let log = Log::new(store);
        for subscribers in [0, 1, 100] {
            let times = round(&log, &format!("{name}-{subscribers}"), subscribers).await;
            let mean = times.iter().sum::<f64>() / EVENTS as f64;
            println!(
                "| {name} | {subscribers} | {:.2} | {:.2} | {mean:.2} |",
                percentile(&times, 0.5),
                percentile(&times, 0.99)
            );
        }
    }
}

/// Microseconds of each call, sorted. The producer pauses now and then, as one that does work would.
async fn round(log: &Log, id: &str, subscribers: usize) -> Vec<f64> {
    let new = NewExecution::named(id.parse().unwrap(), "bench", 0);
    let context = StreamingContext::new(
        log.create(
            &new,
            Budget {
                uncommitted_bytes: 256 << 20,
                ..Budget::default()
            },
        )
        .unwrap(),
    );
    for _ in 0..subscribers {
        context.subscribe(Box::new(CallbackSubscriber::new(|_| Ok(()))));
    }
    let data = json!({ "kind": "token", "text": "x".repeat(140) });
    let draft = Draft {
        event_type: EventType::StepProgress,
        step_id: Some("step".into()),
        data,
        metadata: None,
    };
    let mut times = Vec::with_capacity(EVENTS);
    for n in 0..EVENTS {
        let draft = draft.clone();
        let start = Instant::now();
        context.emit(draft).await.unwrap();
        times.push(start.elapsed().as_secs_f64() * 1e6);
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    context
        .emit(Draft {
            event_type: EventType::PipelineComplete,
            step_id: None,
            data: json!({}),
            metadata: None,
        })
        .await
        .unwrap();
    let stream = context.stream().unwrap().clone();
    stream
        .watch()
        .wait_for(|tail| tail.ended.is_some())
        .await
        .unwrap();
    while context.subscribers().unwrap().attached() > 0 {
        tokio::task::yield_now().await;
    }
    times.sort_by(f64::total_cmp);
    times
}
