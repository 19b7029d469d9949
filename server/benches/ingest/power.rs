//! One event that survives the loss of power, beside one flush of the same disk.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Instant;

use stepcast::log::{Budget, Durability, Log, NewExecution, SqliteStore};

use crate::log::draft;
use crate::percentile;

/// Events, and flushes.
const TIMES: usize = 1_000;

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Durability::Power).unwrap();
    let log = Log::new(Arc::new(store));
    let new = NewExecution::named("execution-00".parse().unwrap(), "bench", 0);
    let stream = log.create(&new, Budget::default()).unwrap();
    let mut file = File::create(directory.path().join("flushed")).unwrap();
    let (mut events, mut flushes) = (Vec::new(), Vec::new());
    let draft = draft();
    // In turn: what the disk does meanwhile meets both.
    for _ in 0..TIMES {
        let start = Instant::now();
        let seq = stream.append(&draft).await.unwrap();
        stream.settled(seq).await.unwrap();
        events.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_all().unwrap();
        flushes.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("\none acknowledged event, durability `power`, {TIMES} times, ms\n");
    println!("| | one fsync | one event | ratio |\n| --- | ---: | ---: | ---: |");
    for (name, share) in [("median", 0.5), ("p99", 0.99)] {
        let flush = percentile(&mut flushes, share);
        let event = percentile(&mut events, share);
        println!(
            "| {name} | {flush:.3} | {event:.3} | {:.2} |",
            event / flush
        );
    }
}
