//! Many clients cut at once while events flow: how long until all have caught up, and that nothing was lost or
//! came twice.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::percentile;
use crate::served::Served;
use crate::wire::{Said, Wire};

/// Half of them on each transport.
const CLIENTS: usize = 2_000;

/// Events before the cut, and after it.
const EVENTS: (usize, usize) = (60, 200);

/// Microseconds between two events: every one goes to all clients.
const EVERY_US: u64 = 50_000;

/// What one client lived through.
struct Story {
    /// The last event.
    last: u64,
    /// From the cut until it had all there was when it came back, in seconds.
    caught_up: f64,
    /// How often it dialled before it was let in again.
    dials: usize,
}

pub(crate) async fn run() {
    let directory = tempfile::tempdir().unwrap();
    let mut served = Served::start(directory.path()).await;
    let (cut, cutting) = watch::channel(None);
    let mut clients = JoinSet::new();
    for wire in Wire::BOTH.into_iter().cycle().take(CLIENTS) {
        clients.spawn(client(served.address.clone(), wire, cutting.clone()));
        // Arriving is not what is measured.
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    served.emit(EVENTS.0, 140, EVERY_US).await;
    served.done().await;
    served.emit(EVENTS.1, 140, EVERY_US).await;
    cut.send_replace(Some(Instant::now()));
    served.done().await;
    served.end().await;
    let memory = served.memory();
    let stories: Vec<Story> = clients.join_all().await;
    let total = (EVENTS.0 + EVENTS.1 + 1) as u64;
    assert!(stories.iter().all(|story| story.last == total));
    let mut times: Vec<f64> = stories.iter().map(|story| story.caught_up).collect();
    let dials: usize = stories.iter().map(|story| story.dials).sum();
    println!(
        "\n{CLIENTS} clients cut at once, one event every {} ms\n",
        EVERY_US / 1000
    );
    println!(
        "| clients | caught up, median s | p99 | all | dials | lost or doubled | server memory, MiB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    );
    println!(
        "| {CLIENTS} | {:.2} | {:.2} | {:.2} | {dials} | 0 | {memory:.1} |",
        percentile(&mut times, 0.5),
        percentile(&mut times, 0.99),
        percentile(&mut times, 1.0)
    );
    served.stop().await;
}

/// Follows to the end; comes back from its cursor, at once, however often it takes.
async fn client(
    address: String,
    wire: Wire,
    mut cutting: watch::Receiver<Option<Instant>>,
) -> Story {
    let mut story = Story {
        last: 0,
        caught_up: f64::NAN,
        dials: 0,
    };
    let (mut epoch, mut ended) = (0, false);
    while !ended {
        let after = format!("{epoch}.{}", story.last);
        let after = if epoch == 0 { "earliest" } else { &after };
        let mut until = u64::MAX;
        let cut_at = *cutting.borrow_and_update();
        story.dials += usize::from(cut_at.is_some());
        let Ok(mut connection) = wire.connect(&address, after).await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        loop {
            let read = connection.read(|said| match said {
                Said::Hello {
                    epoch: of,
                    last_seq,
                } => (epoch, until) = (of, last_seq),
                Said::Event { seq, .. } => {
                    assert_eq!(seq, story.last + 1, "lost or doubled");
                    story.last = seq;
                }
                Said::Closed { last_seq } => {
                    assert_eq!(last_seq, story.last);
                    ended = true;
                }
                Said::Other => {}
            });
            let open = tokio::select! {
                open = read => open.unwrap_or(false),
                _ = cutting.changed() => false,
            };
            if let Some(at) = cut_at
                && story.last >= until
                && story.caught_up.is_nan()
            {
                story.caught_up = at.elapsed().as_secs_f64();
            }
            if ended || !open {
                break;
            }
        }
    }
    story
}
