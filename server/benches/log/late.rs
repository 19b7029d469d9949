//! A viewer that comes late to a run that goes on: how long until it is live, and what it costs the server.

use std::time::{Duration, Instant};

use crate::recorded::record;
use crate::served::{Served, now_us};
use crate::wire::{Said, Wire};

pub(crate) async fn run() {
    println!("\na late joiner of a run that goes on, one event of 300 bytes every 5 ms\n");
    println!(
        "| events before | transport | until live, s | events/s | memory before, MiB | at peak | more |\n| ---: | --- | ---: | ---: | ---: | ---: | ---: |"
    );
    for backlog in [10_000, 100_000, 1_000_000] {
        let directory = tempfile::tempdir().unwrap();
        record(directory.path(), backlog, false).await;
        for wire in Wire::BOTH {
            // A process that has served nobody yet.
            let mut served = Served::start(directory.path()).await;
            served.emit(1_000_000, 140, 5_000).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
            let before = served.memory();
            let start = Instant::now();
            let (peak, events) = served.peak(join(&served.address, wire)).await;
            let seconds = start.elapsed().as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "a count")]
            let rate = events as f64 / seconds;
            println!(
                "| {backlog} | {} | {seconds:.2} | {rate:.0} | {before:.1} | {peak:.1} | {:+.1} |",
                wire.name(),
                peak - before
            );
            served.stop().await;
        }
    }
}

/// Reads from the first event until one is less than 50 ms old; every event once, in order.
async fn join(address: &str, wire: Wire) -> u64 {
    let mut connection = wire.connect(address, "earliest").await.unwrap();
    let (mut last, mut live) = (0, false);
    while !live {
        let open = connection.read(|said| {
            if let Said::Event { seq, at } = said {
                assert_eq!(seq, last + 1);
                last = seq;
                live |= now_us().saturating_sub(at) < 50_000;
            }
        });
        assert!(open.await.unwrap(), "the run goes on");
    }
    last
}
