//! A native client on real sockets: every transport, a server that dies and comes back, and refusals.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::Config;
use stepcast::context::Draft;
use stepcast::follow::{self, Follower, Notice};
use stepcast::log::{Budget, Stream};
use stepcast_core::client::{self, State, Transport};
use stepcast_core::control::{EndReason, GapReason};
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, Position};
use stepcast_core::view::RunView;

use crate::harness::Server;
use crate::relay::Relay;

fn stream(server: &Server, id: &str) -> Arc<Stream> {
    let id = id.parse().unwrap();
    server.executions.log().open(&id).unwrap().unwrap()
}

async fn emit(server: &Server, id: &str, event_type: EventType, data: Value) {
    let draft = Draft {
        event_type,
        step_id: Some("s".into()),
        data,
        metadata: None,
    };
    stream(server, id).append(&draft).await.unwrap();
}

async fn tokens(server: &Server, id: &str, n: usize, text: &str) {
    for _ in 0..n {
        let data = json!({"kind": "token", "text": text});
        emit(server, id, EventType::StepProgress, data).await;
    }
}

fn follow(server: &Server, id: &str, transport: Transport, after: Position) -> Follower {
    let mut config = client::Config::new(id.parse().unwrap());
    config.after = after;
    config.transports = vec![transport];
    config.backoff_base = Duration::from_millis(20);
    config.backoff_cap = Duration::from_millis(100);
    config.first_byte_timeout = Duration::from_secs(10);
    Follower::new(follow::Server::new(&server.address).unwrap(), config)
}

/// What a follower told until it had nothing more to tell, or `enough` said so.
#[derive(Default)]
struct Told {
    seqs: Vec<u64>,
    states: Vec<State>,
    view: RunView,
}

impl Told {
    async fn listen(&mut self, follower: &mut Follower, enough: impl Fn(&Self) -> bool) {
        let all = async {
            while !enough(self) {
                let Some(notice) = follower.next().await else {
                    return;
                };
                match notice {
                    Notice::Event(event) => {
                        self.view.apply(&event);
                        self.seqs.push(event.seq);
                    }
                    Notice::Gap { from, to, reason } => self.view.gap(from, to, reason),
                    Notice::Reset { .. } => self.view.reset(),
                    Notice::Snapshot(_) | Notice::Fidelity(_) => panic!("not asked for"),
                    Notice::State(state) => self.states.push(state),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all)
            .await
            .expect("the follower came to no end");
    }

    fn came_by(&self, transport: Transport) -> bool {
        self.states
            .iter()
            .any(|state| matches!(state, State::Live { transport: by } | State::CatchingUp { transport: by, .. } if *by == transport))
    }
}

const EACH: [Transport; 3] = Transport::LADDER;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_followed_from_its_past_through_its_present_to_its_end_by_every_transport() {
    let server = Server::with(|_| {}).await;
    for transport in EACH {
        let id = format!("run_{transport:?}");
        server.execution(&id, Budget::default());
        tokens(&server, &id, 1500, "x").await;
        let mut told = Told::default();
        let mut follower = follow(&server, &id, transport, Position::Earliest);
        told.listen(&mut follower, |told| told.seqs.len() == 1500)
            .await;
        tokens(&server, &id, 100, "x").await;
        told.listen(&mut follower, |told| told.seqs.len() == 1600)
            .await;
        emit(
            &server,
            &id,
            EventType::PipelineComplete,
            json!({"output": 1}),
        )
        .await;
        told.listen(&mut follower, |_| false).await;
        assert!(told.seqs.iter().copied().eq(1..=1601), "{transport:?}");
        let ended = State::Ended {
            reason: EndReason::Complete,
        };
        assert_eq!(follower.state(), ended, "{transport:?}");
        assert!(told.came_by(transport), "{transport:?}: {:?}", told.states);
        assert_eq!(told.view.step("s").unwrap().text.len(), 1600);
        assert_eq!(told.view.missing, 0);
    }
    server.stop().await;
}

/// The ladder's own times are those of core's simulation; here a real network breaks streams, and mends.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_falls_back_to_polling_by_itself_and_climbs_back_to_a_stream() {
    let server = Server::with(|_| {}).await;
    server.execution("run", Budget::default());
    let relay = Relay::start(&server.address).await;
    let mut config = client::Config::new("run".parse().unwrap());
    config.backoff_base = Duration::from_millis(20);
    config.backoff_cap = Duration::from_millis(100);
    config.first_byte_timeout = Duration::from_secs(2);
    config.poll_wait = Duration::from_secs(1);
    let address = follow::Server::new(&relay.address).unwrap();
    let (mut follower, mut told) = (Follower::new(address, config), Told::default());
    tokens(&server, "run", 10, "x").await;
    told.listen(&mut follower, |told| told.seqs.len() == 10)
        .await;
    assert!(told.came_by(Transport::WebSocket), "{:?}", told.states);
    // neither kind of stream gets a byte through; pages do
    relay.hold(&["/ws/", "/stream/"]);
    told.states.clear();
    assert!(relay.cut() > 0);
    tokens(&server, "run", 10, "x").await;
    told.listen(&mut follower, |told| {
        told.seqs.len() == 20 && told.came_by(Transport::LongPoll)
    })
    .await;
    assert!(
        relay
            .requests()
            .iter()
            .any(|line| line.contains("/events?"))
    );
    // it comes back to the top without being told
    relay.hold(&[]);
    told.states.clear();
    told.listen(&mut follower, |told| told.came_by(Transport::WebSocket))
        .await;
    tokens(&server, "run", 10, "x").await;
    emit(
        &server,
        "run",
        EventType::PipelineComplete,
        json!({"output": 1}),
    )
    .await;
    told.listen(&mut follower, |_| false).await;
    assert!(told.seqs.iter().copied().eq(1..=31), "{:?}", told.seqs);
    assert_eq!(told.view.missing, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_costs_no_event_by_any_transport() {
    let folder = tempfile::tempdir().unwrap();
    let settings = |config: &mut Config| {
        folder.path().clone_into(&mut config.data_dir);
        config.heartbeat_ms = 200;
        config.retry_ms = 10;
        config.shutdown_grace_ms = 200;
    };
    let first = Server::with(settings).await;
    let mut followed = Vec::new();
    for transport in EACH {
        let id = format!("run_{transport:?}");
        first.execution(&id, Budget::default());
        tokens(&first, &id, 50, "x").await;
        let mut told = Told::default();
        let mut follower = follow(&first, &id, transport, Position::Earliest);
        told.listen(&mut follower, |told| told.seqs.len() == 50)
            .await;
        followed.push((id, follower, told));
    }
    let address = first.address.parse().unwrap();
    first.stop().await;
    for (_, follower, told) in &mut followed {
        let waits = |told: &Told| matches!(told.states.last(), Some(State::Waiting { .. }));
        told.listen(follower, waits).await;
    }
    let second = Server::with(|config| {
        settings(config);
        config.listen = address;
    })
    .await;
    for (id, follower, told) in &mut followed {
        tokens(&second, id, 50, "x").await;
        emit(
            &second,
            id,
            EventType::PipelineError,
            json!({"reason": "cancelled"}),
        )
        .await;
        told.listen(follower, |_| false).await;
        assert!(
            told.seqs.iter().copied().eq(1..=101),
            "{id}: {:?}",
            told.seqs
        );
        let ended = State::Ended {
            reason: EndReason::Cancelled,
        };
        assert_eq!(follower.state(), ended, "{id}");
        assert_eq!(told.view.missing, 0, "{id}");
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_begins_in_the_middle_and_a_foreign_one_begins_anew() {
    let server = Server::with(|_| {}).await;
    server.execution("run_1", Budget::default());
    tokens(&server, "run_1", 20, "x").await;
    emit(&server, "run_1", EventType::PipelineComplete, json!({})).await;
    let epoch = stream(&server, "run_1").epoch();
    for transport in EACH {
        for (epoch, first) in [(epoch, 16), (epoch + 1, 1)] {
            let after = Position::After(Cursor { epoch, seq: 15 });
            let mut told = Told::default();
            let mut follower = follow(&server, "run_1", transport, after);
            told.listen(&mut follower, |_| false).await;
            let all = told.seqs.iter().copied().eq(first..=21);
            assert!(all, "{transport:?}: {:?}", told.seqs);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_stops_and_says_why() {
    let server = Server::start().await;
    for transport in EACH {
        let mut told = Told::default();
        let mut follower = follow(&server, "nobody", transport, Position::Earliest);
        told.listen(&mut follower, |_| false).await;
        let refused = State::Refused { status: 404 };
        assert_eq!(follower.state(), refused, "{transport:?}");
        assert!(told.seqs.is_empty());
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_server_is_told_why_and_tries_again() {
    let server = Server::start().await;
    let mut followers =
        EACH.map(|transport| follow(&server, "run_1", transport, Position::Earliest));
    server.stop().await;
    for follower in &mut followers {
        let mut told = Told::default();
        let third_wait = |told: &Told| {
            let waits = told
                .states
                .iter()
                .filter(|state| matches!(state, State::Waiting { .. }));
            waits.count() == 3
        };
        told.listen(follower, third_wait).await;
        let why = follower.trouble().unwrap().to_lowercase();
        assert!(why.contains("refused"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_its_time_is_waited_for_and_loses_nothing() {
    let server = Server::with(|_| {}).await;
    let text = "y".repeat(10_000);
    for transport in EACH {
        let id = format!("run_{transport:?}");
        server.execution(&id, Budget::default());
        tokens(&server, &id, 1, &text).await;
        let mut told = Told::default();
        let mut follower = follow(&server, &id, transport, Position::Earliest);
        told.listen(&mut follower, |told| told.seqs.len() == 1)
            .await;
        // Many times what sockets and queues hold, while the follower does nothing.
        tokens(&server, &id, 2000, &text).await;
        told.listen(&mut follower, |told| told.seqs.len() == 2001)
            .await;
        assert!(told.seqs.iter().copied().eq(1..=2001), "{transport:?}");
        assert_eq!(told.view.missing, 0);
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_memory_log_has_dropped_is_told_as_a_gap() {
    let server = Server::start().await;
    let budget = Budget {
        events: 10,
        ..Budget::default()
    };
    server.execution("run_1", budget);
    tokens(&server, "run_1", 99, "x").await;
    emit(&server, "run_1", EventType::PipelineComplete, json!({})).await;
    for transport in EACH {
        let mut told = Told::default();
        let mut follower = follow(&server, "run_1", transport, Position::Earliest);
        told.listen(&mut follower, |_| false).await;
        let rest = told.seqs.iter().copied().eq(91..=100);
        assert!(rest, "{transport:?}: {:?}", told.seqs);
        let gap = told.view.gaps.first().unwrap();
        let given = (gap.from, gap.to, gap.reason);
        assert_eq!(given, (1, 90, GapReason::Retention), "{transport:?}");
    }
    server.stop().await;
}
