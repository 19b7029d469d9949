//! Whether a live stream notices that retention takes other executions away.

use std::time::{Duration, Instant};

use std::sync::Arc;
use stepcast::log::{Durability, Log, Retention, Stream};

use crate::{acknowledged, create, ended, event, open, spread};

pub(crate) async fn run() {
    println!(
        "\n## retention: one event every 2 ms, each acknowledged, while 400,000 events are taken away\n"
    );
    println!("| level | | median ms | p99 | highest | |");
    println!("| --- | --- | ---: | ---: | ---: | --- |");
    for durability in [Durability::Process, Durability::Power] {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path(), Durability::Off);
        for n in 0..200 {
            ended(&log, &format!("e{n}"), 2000).await;
        }
        log.close();
        drop(log);
        let log = open(directory.path(), durability);
        let live = create(&log, "live");
        let alone = paced(&live, |since| since > Duration::from_secs(5)).await;
        let [median, p99, highest] = spread(alone);
        println!("| {durability:?} | alone | {median:.3} | {p99:.3} | {highest:.1} | |");
        log.set_retention(Retention {
            executions: Some(1),
            interval: Duration::from_secs(1),
            ..Retention::default()
        });
        let begun = Instant::now();
        let during = paced(&live, |_| left(&log) <= 1).await;
        let took = begun.elapsed();
        let [with_median, with_p99, with_highest] = spread(during);
        println!(
            "| {durability:?} | with retention | {with_median:.3} | {with_p99:.3} | {with_highest:.1} | {:.0} events/s taken away |",
            398_000.0 / took.as_secs_f64()
        );
        println!(
            "| {durability:?} | ratio | × {:.2} | × {:.2} | × {:.2} | |",
            with_median / median,
            with_p99 / p99,
            with_highest / highest
        );
    }
}

fn left(log: &Log) -> u64 {
    log.store().shrinks().unwrap().ended_count().unwrap()
}

async fn paced(stream: &Arc<Stream>, is_over: impl Fn(Duration) -> bool) -> Vec<Duration> {
    let (draft, begun) = (event(), Instant::now());
    let mut latencies = Vec::new();
    let mut clock = tokio::time::interval(Duration::from_millis(2));
    while latencies.len() % 100 != 0 || latencies.is_empty() || !is_over(begun.elapsed()) {
        clock.tick().await;
        latencies.push(acknowledged(stream, &draft).await);
    }
    latencies
}
