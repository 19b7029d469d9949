//! Peers that have stopped reading: what they cost the one that reads on, and what they cost in memory.

use std::time::Duration;

use crate::percentile;
use crate::served::{Served, now_us};
use crate::wire::{Connection, Said, Wire};

/// Half of them on each transport.
const STALLED: usize = 100;

/// Events in one measurement, one every 2 ms.
const EVENTS: usize = 2_000;

/// What the stalled ones have before them: more than any socket takes.
const BACKLOG: (usize, usize) = (4_000, 16 << 10);

/// Times of each transport: with and without take turns.
const ROUNDS: usize = 3;

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::start(directory.path()).await;
    served.emit(BACKLOG.0, BACKLOG.1, 0).await;
    served.done().await;
    println!(
        "\n{STALLED} peers that stopped reading, and one that reads: its latency in ms, SQLite\n"
    );
    println!(
        "| transport | stalled | median | p99 | memory, MiB |\n| --- | ---: | ---: | ---: | ---: |"
    );
    let mut rows = Vec::new();
    for _ in 0..ROUNDS {
        for stalled in [0, STALLED] {
            let peers = stall(&served.address, stalled).await;
            for (index, wire) in Wire::BOTH.into_iter().enumerate() {
                let (memory, mut times) = measure(&mut served, wire).await;
                rows.push((
                    (index, stalled),
                    [
                        percentile(&mut times, 0.5),
                        percentile(&mut times, 0.99),
                        memory,
                    ],
                ));
            }
            drop(peers);
            // The server notices with its next write to each.
            served.emit(1, 16, 0).await;
            served.done().await;
        }
    }
    for (index, wire) in Wire::BOTH.into_iter().enumerate() {
        let median = |stalled: usize, column: usize| {
            let of = rows.iter().filter(|row| row.0 == (index, stalled));
            percentile(&mut of.map(|row| row.1[column]).collect::<Vec<_>>(), 0.5)
        };
        for stalled in [0, STALLED] {
            let [middle, p99, memory] = [0, 1, 2].map(|column| median(stalled, column));
            println!(
                "| {} | {stalled} | {middle:.3} | {p99:.3} | {memory:.1} |",
                wire.name()
            );
        }
        let [middle, p99, memory] =
            [0, 1, 2].map(|column| median(STALLED, column) / median(0, column));
        println!(
            "| {} | ratio | {middle:.2} | {p99:.2} | {memory:.2} |",
            wire.name()
        );
    }
    served.stop().await;
}

async fn stall(address: &str, count: usize) -> Vec<Connection> {
    let mut peers = Vec::new();
    for wire in Wire::BOTH.into_iter().cycle().take(count) {
        let mut peer = wire.connect(address, "earliest").await.unwrap();
        peer.stall().await;
        peers.push(peer);
    }
    // Until every socket is full: nothing tells from outside.
    tokio::time::sleep(Duration::from_secs(2)).await;
    peers
}

/// The highest memory meanwhile, and each event's way from `emit` to the one that reads, in ms.
async fn measure(served: &mut Served, wire: Wire) -> (f64, Vec<f64>) {
    let mut connection = wire.connect(&served.address, "now").await.unwrap();
    let mut open = false;
    while !open {
        let hello = connection.read(|said| open |= matches!(said, Said::Hello { .. }));
        assert!(hello.await.unwrap());
    }
    served.emit(EVENTS, 140, 2_000).await;
    let mut times = Vec::with_capacity(EVENTS);
    let reading = async {
        while times.len() < EVENTS {
            let read = connection.read(|said| {
                if let Said::Event { at, .. } = said {
                    #[expect(clippy::cast_precision_loss, reason = "microseconds")]
                    times.push(now_us().saturating_sub(at) as f64 / 1e3);
                }
            });
            assert!(read.await.unwrap());
        }
    };
    let (peak, ()) = served.peak(reading).await;
    served.done().await;
    (peak, times)
}
