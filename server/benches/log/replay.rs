//! A finished run, streamed to one subscriber, beside reading its rows alone.

use std::path::Path;
use std::time::Instant;

use rusqlite::Connection;
use stepcast::follow::{Follower, Notice, Server};
use stepcast_core::client::{Config, Transport};
use stepcast_core::id::Position;

use crate::percentile;
use crate::recorded::{ID, record};
use crate::served::Served;
use crate::wire::Wire;

const EVENTS: usize = 100_000;

/// Rounds of each row; the median counts.
const ROUNDS: usize = 7;

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    record(directory.path(), EVENTS, true).await;
    let served = Served::start(directory.path()).await;
    println!(
        "\nreplay of {EVENTS} events of 300 bytes to one subscriber, median of {ROUNDS} rounds\n"
    );
    println!("| what | seconds | events/s | of bare rows |\n| --- | ---: | ---: | ---: |");
    let names = [
        "bare rusqlite, the rows alone",
        "SSE, bytes counted",
        "WebSocket, frames counted",
        "SSE, the client of the command line",
        "WebSocket, the client of the command line",
    ];
    let mut times = vec![Vec::new(); names.len()];
    for _ in 0..ROUNDS {
        times[0].push(bare(directory.path()));
        times[1].push(raw(&served.address, Wire::Sse).await);
        times[2].push(raw(&served.address, Wire::WebSocket).await);
        times[3].push(follow(&served.address, Transport::Sse).await);
        times[4].push(follow(&served.address, Transport::WebSocket).await);
    }
    let medians: Vec<f64> = times.iter_mut().map(|it| percentile(it, 0.5)).collect();
    for (name, seconds) in names.iter().zip(&medians) {
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let rate = EVENTS as f64 / seconds;
        println!(
            "| {name} | {seconds:.3} | {rate:.0} | {:.1} % |",
            medians[0] / seconds * 100.0
        );
    }
    served.stop().await;
}

/// What SQLite itself takes: every row stepped to, and its bytes seen.
fn bare(data_dir: &Path) -> f64 {
    let connection = Connection::open(data_dir.join("stepcast.db")).unwrap();
    let start = Instant::now();
    let mut statement = connection
        .prepare("SELECT seq, json FROM events WHERE execution = 1 AND seq > 0 ORDER BY seq")
        .unwrap();
    let mut rows = statement.query([]).unwrap();
    let (mut count, mut bytes) = (0_i64, 0);
    while let Some(row) = rows.next().unwrap() {
        count = row.get(0).unwrap();
        bytes += row.get_ref(1).unwrap().as_bytes().unwrap().len();
    }
    assert_eq!(count, EVENTS as i64);
    assert!(bytes > 250 * EVENTS);
    start.elapsed().as_secs_f64()
}

async fn raw(address: &str, wire: Wire) -> f64 {
    let start = Instant::now();
    let mut connection = wire.connect(address, "earliest").await.unwrap();
    let mut events = 0;
    // Control frames are short.
    let mut count = |text: &[u8]| events += usize::from(text.len() > 250);
    while connection.frames(&mut count).await.unwrap_or(false) {}
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(events + 1, EVENTS, "all but the terminal one");
    seconds
}

async fn follow(address: &str, transport: Transport) -> f64 {
    let mut config = Config::new(ID.parse().unwrap());
    config.after = Position::Earliest;
    config.transports = vec![transport];
    let mut follower = Follower::new(Server::new(address).unwrap(), config);
    let start = Instant::now();
    let mut last = 0;
    while let Some(notice) = follower.next().await {
        if let Notice::Event(event) = notice {
            last = event.seq;
        }
    }
    assert_eq!(last, EVENTS as u64);
    start.elapsed().as_secs_f64()
}
