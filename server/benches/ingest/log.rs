//! The log by itself: each producer appends a batch with its mark, and waits until it is kept.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;
use stepcast::context::Draft;
use stepcast::log::{
    Along, Budget, Durability, Log, NewExecution, ProducerMark, SqliteStore, Stream,
};
use stepcast_core::event::EventType;

use crate::{CELLS, HEAD, ROUNDS, bare, row, text};

pub(crate) async fn run() {
    println!("\nthe log, durability `process`, median of {ROUNDS} rounds\n\n{HEAD}");
    for cell @ (producers, batch, events) in CELLS {
        let (mut ours, mut alone) = (Vec::new(), Vec::new());
        // Turn by turn: a machine that slows down slows both.
        for _ in 0..ROUNDS {
            let directory = tempfile::tempdir().unwrap();
            alone.push(bare::insert(directory.path(), producers, batch, events));
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(directory.path(), Durability::Process).unwrap();
            let log = Log::new(Arc::new(store));
            ours.push(append(&log, producers, batch, events).await);
        }
        row(cell, &mut ours, &mut alone);
    }
}

async fn append(log: &Log, producers: usize, batch: usize, events: usize) -> f64 {
    let streams: Vec<Arc<Stream>> = (0..producers)
        .map(|n| {
            let id = format!("execution-{n:02}").parse().unwrap();
            log.create(&NewExecution::named(id, "bench", 0), Budget::default())
                .unwrap()
        })
        .collect();
    let batches = events / batch / producers;
    let start = Instant::now();
    let producing = streams
        .into_iter()
        .map(|stream| tokio::spawn(produce(stream, batch, batches)));
    for producer in producing.collect::<Vec<_>>() {
        producer.await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

async fn produce(stream: Arc<Stream>, batch: usize, batches: usize) {
    let drafts = vec![draft(); batch];
    for seq in 0..batches as u64 {
        let mark = ProducerMark {
            producer: "producer".into(),
            epoch: 0,
            seq,
        };
        let along = Along {
            producer: Some(mark),
            ..Along::default()
        };
        let last = stream.append_all(&drafts, along).await.unwrap();
        stream.settled(last).await.unwrap();
    }
}

pub(crate) fn draft() -> Draft {
    Draft {
        event_type: EventType::StepProgress,
        step_id: Some("step".into()),
        data: json!({ "kind": "token", "text": text() }),
        metadata: None,
    }
}
