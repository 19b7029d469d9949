//! What keeping a log costs: `cargo bench -p stepcast-server --bench operations`.
//!
//! Figures are compared within one run; on a shared machine absolute times say little. They are explained in
//! `docs/operations.md`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod check;
mod durability;
mod idle;
mod retention;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use stepcast::context::Draft;
use stepcast::log::{Budget, Durability, Log, NewExecution, SqliteStore, Stream};
use stepcast_core::event::EventType;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("durability") {
        runtime.block_on(durability::run());
    }
    if wanted("retention") {
        runtime.block_on(retention::run());
    }
    if wanted("check") {
        runtime.block_on(check::run());
    }
    if wanted("idle") {
        runtime.block_on(idle::run());
    }
}

fn open(directory: &Path, durability: Durability) -> Log {
    Log::new(Arc::new(SqliteStore::open(directory, durability).unwrap()))
}

fn create(log: &Log, name: &str) -> Arc<Stream> {
    let new = NewExecution::named(name.parse().unwrap(), "bench", 1);
    log.create(&new, Budget::default()).unwrap()
}

/// An event of 300 bytes.
fn event() -> Draft {
    Draft {
        event_type: EventType::StepProgress,
        step_id: Some("step".into()),
        data: json!({ "kind": "custom", "text": "x".repeat(150) }),
        metadata: None,
    }
}

/// An execution with so many events, ended.
async fn ended(log: &Log, name: &str, events: usize) {
    let stream = create(log, name);
    let draft = event();
    for _ in 1..events {
        stream.append(&draft).await.unwrap();
    }
    let mut end = draft;
    end.event_type = EventType::PipelineComplete;
    end.step_id = None;
    let last = stream.append(&end).await.unwrap();
    stream.settled(last).await.unwrap();
}

/// How long one event takes until it is acknowledged.
async fn acknowledged(stream: &Arc<Stream>, draft: &Draft) -> Duration {
    let begun = Instant::now();
    let seq = stream.append(draft).await.unwrap();
    stream.settled(seq).await.unwrap();
    begun.elapsed()
}

/// Median, 99 of 100, and the longest, in milliseconds.
fn spread(mut values: Vec<Duration>) -> [f64; 3] {
    values.sort();
    let at = |share: usize| values.get((values.len() - 1) * share / 100);
    [50, 99, 100].map(|share| at(share).unwrap().as_secs_f64() * 1e3)
}
