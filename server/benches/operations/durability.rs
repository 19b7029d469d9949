//! What each durability level costs, beside what the disk itself takes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use stepcast::log::Durability;

use crate::{acknowledged, create, event, open, spread};

pub(crate) async fn run() {
    println!("\n## durability: one event at a time, each acknowledged; and 100,000 in one go\n");
    println!("| level | acknowledged, median ms | p99 | highest | 100,000 events, s | over off |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    let mut off = 0.0;
    for durability in [Durability::Off, Durability::Process, Durability::Power] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), durability);
        let (stream, draft) = (create(&log, "single"), event());
        let mut latencies = Vec::new();
        for _ in 0..1000 {
            latencies.push(acknowledged(&stream, &draft).await);
        }
        let [median, p99, highest] = spread(latencies);
        let stream = create(&log, "many");
        let begun = Instant::now();
        let mut last = 0;
        for _ in 0..100_000 {
            last = stream.append(&draft).await.unwrap();
        }
        stream
            .watch()
            .wait_for(|tail| tail.last_seq == last)
            .await
            .unwrap();
        let many = begun.elapsed().as_secs_f64();
        if durability == Durability::Off {
            off = many;
        }
        println!(
            "| {durability:?} | {median:.3} | {p99:.3} | {highest:.1} | {many:.2} | × {:.2} |",
            many / off
        );
    }
    let directory = tempfile::tempdir().unwrap();
    let [median, p99, highest] = flush(directory.path());
    println!("| one write of 4 KiB and fsync | {median:.3} | {p99:.3} | {highest:.1} | | |");
}

/// What the file system takes for one flush.
fn flush(directory: &Path) -> [f64; 3] {
    let path = directory.join("file");
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    let one = |_| {
        let begun = Instant::now();
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        begun.elapsed()
    };
    spread((0..1000).map(one).collect())
}
