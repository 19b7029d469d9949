//! Many clients cut at once while events flow: all catch up by themselves, with nothing lost and nothing doubled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use stepcast::follow::{self, Follower, Notice};
use stepcast::log::Budget;
use stepcast_core::client::{Config, State, Transport};
use stepcast_core::control::EndReason;
use tokio::task::JoinSet;

use crate::harness::{Server, complete, progress};
use crate::relay::Relay;

/// Each has four sockets in this process.
const CLIENTS: usize = 120;

/// How often all are cut.
const CUTS: u64 = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_2_a_crowd_that_is_cut_at_once_catches_up_exactly() {
    let server = Server::with(|config| config.retry_ms = 10).await;
    let context = server.execution("crowd", Budget::default());
    let relay = Relay::start(&server.address).await;
    let target = follow::Server::new(&relay.address).unwrap();
    let mut clients = JoinSet::new();
    let seen: Vec<Arc<AtomicU64>> = (0..CLIENTS).map(|_| Arc::default()).collect();
    for (n, seen) in seen.iter().enumerate() {
        let mut config = Config::new("crowd".parse().unwrap());
        config.transports = vec![Transport::LADDER[n % 3]];
        config.backoff_base = Duration::from_millis(20);
        config.backoff_cap = Duration::from_millis(200);
        config.first_byte_timeout = Duration::from_secs(30);
        config.seed = n as u64;
        // A long poll that is cut may be made again by the HTTP library itself.
        let lost = if n % 3 == 2 { 0 } else { CUTS };
        let follower = Follower::new(target.clone(), config);
        clients.spawn(follow(follower, seen.clone(), lost));
    }
    let mut emitted = 0;
    for round in 0..=CUTS {
        let until = emitted + 20;
        // Each round ends when everybody has seen its first half: then they are cut in the second.
        while emitted < until
            || seen
                .iter()
                .any(|seen| seen.load(Ordering::SeqCst) < until - 10)
        {
            context.emit(progress(1)).await.unwrap();
            emitted += 1;
            assert!(emitted < 10_000, "somebody does not catch up");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if round < CUTS {
            assert!(relay.cut() > CLIENTS / 2, "they are connected");
        }
    }
    context.emit(complete()).await.unwrap();
    let all = tokio::time::timeout(Duration::from_secs(60), clients.join_all());
    all.await.unwrap();
    for seen in &seen {
        assert_eq!(seen.load(Ordering::SeqCst), emitted + 1);
    }
    server.stop().await;
}

/// Follows to the end, every event in its place, over at least so many lost connections.
async fn follow(mut follower: Follower, seen: Arc<AtomicU64>, at_least: u64) {
    let (mut last, mut lost) = (0, 0);
    while let Some(notice) = follower.next().await {
        match notice {
            Notice::Event(event) => {
                assert_eq!(event.seq, last + 1, "lost or doubled");
                last = event.seq;
                seen.store(last, Ordering::SeqCst);
            }
            Notice::State(State::Waiting { .. }) => lost += 1,
            Notice::State(_) => {}
            Notice::Gap { .. }
            | Notice::Reset { .. }
            | Notice::Snapshot(_)
            | Notice::Fidelity(_) => panic!("{notice:?}"),
        }
    }
    let reason = EndReason::Complete;
    assert_eq!(follower.state(), State::Ended { reason });
    assert!(lost >= at_least, "lost its connection {lost} times");
}
