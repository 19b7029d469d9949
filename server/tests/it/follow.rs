//! A native client on real sockets: every transport, a server that dies and comes back, and refusals.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::Config;
use stepcast::context::Draft;
use stepcast::executions::Executions;
use stepcast::follow::{Follower, Notice, Server};
use stepcast::log::{Budget, NewExecution};
use stepcast::step::StepRegistry;
use stepcast_core::client::{self, State, Transport};
use stepcast_core::control::{EndReason, GapReason};
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, Position};
use stepcast_core::view::RunView;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Served {
    address: SocketAddr,
    executions: Executions,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    async fn start(data_dir: &Path, address: Option<SocketAddr>) -> Self {
        let config = Config {
            data_dir: data_dir.to_owned(),
            heartbeat_ms: 200,
            retry_ms: 10,
            shutdown_grace_ms: 200,
            ..Config::default()
        };
        let listener = TcpListener::bind(address.unwrap_or(([127, 0, 0, 1], 0).into()))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let executions = stepcast::open(config, StepRegistry::builtin()).await.unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = executions.clone();
        let task = tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            stepcast::serve(listener, served, shutdown).await.unwrap();
        });
        Self {
            address,
            executions,
            stop,
            task,
        }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    fn create(&self, id: &str) {
        let new = NewExecution {
            id: id.parse().unwrap(),
            pipeline: "test".into(),
            definition: Value::Null,
            input: json!({}),
            created_at: 1,
        };
        self.executions.log().create(&new, Budget::default()).unwrap();
    }

    async fn emit(&self, id: &str, event_type: EventType, data: Value) {
        let stream = self.executions.log().open(&id.parse().unwrap()).unwrap().unwrap();
        let draft = Draft {
            event_type,
            step_id: Some("s".into()),
            data,
            metadata: None,
        };
        stream.append(&draft).await.unwrap();
    }

    async fn tokens(&self, id: &str, n: usize) {
        for _ in 0..n {
            self.emit(id, EventType::StepProgress, json!({"kind": "token", "text": "x"})).await;
        }
    }

    fn follower(&self, id: &str, transports: &[Transport]) -> Follower {
        let mut config = client::Config::new(id.parse().unwrap());
        config.transports = transports.to_vec();
        config.backoff_base = Duration::from_millis(20);
        config.backoff_cap = Duration::from_millis(100);
        config.first_byte_timeout = Duration::from_secs(10);
        Follower::new(Server::new(&self.address.to_string()).unwrap(), config)
    }
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
                let Some(notice) = follower.next().await else { return };
                match notice {
                    Notice::Event(event) => {
                        self.view.apply(&event);
                        self.seqs.push(event.seq);
                    }
                    Notice::Gap { from, to, reason } => self.view.gap(from, to, reason),
                    Notice::Reset { .. } => self.view.reset(),
                    Notice::State(state) => self.states.push(state),
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(60), all).await.expect("the follower came to no end");
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
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), None).await;
    for transport in EACH {
        let id = format!("run_{transport:?}");
        served.create(&id);
        served.tokens(&id, 1500).await;
        let (mut follower, mut told) = (served.follower(&id, &[transport]), Told::default());
        told.listen(&mut follower, |told| told.seqs.len() == 1500).await;
        served.tokens(&id, 100).await;
        told.listen(&mut follower, |told| told.seqs.len() == 1600).await;
        served.emit(&id, EventType::PipelineComplete, json!({"output": 1})).await;
        told.listen(&mut follower, |_| false).await;
        assert!(told.seqs.iter().copied().eq(1..=1601), "{transport:?}");
        assert_eq!(follower.state(), State::Ended { reason: EndReason::Complete }, "{transport:?}");
        assert!(told.came_by(transport), "{transport:?}: {:?}", told.states);
        assert_eq!(told.view.step("s").unwrap().text.len(), 1600);
        assert_eq!(told.view.missing, 0);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_and_comes_back_costs_no_event_by_any_transport() {
    let folder = tempfile::tempdir().unwrap();
    let first = Served::start(folder.path(), None).await;
    let mut followed = Vec::new();
    for transport in EACH {
        let id = format!("run_{transport:?}");
        first.create(&id);
        first.tokens(&id, 50).await;
        let (mut follower, mut told) = (first.follower(&id, &[transport]), Told::default());
        told.listen(&mut follower, |told| told.seqs.len() == 50).await;
        followed.push((id, follower, told));
    }
    let address = first.address;
    first.stop().await;
    for (_, follower, told) in &mut followed {
        told.listen(follower, |told| matches!(told.states.last(), Some(State::Waiting { .. }))).await;
    }
    let second = Served::start(folder.path(), Some(address)).await;
    for (id, follower, told) in &mut followed {
        second.tokens(id, 50).await;
        second.emit(id, EventType::PipelineError, json!({"reason": "cancelled"})).await;
        told.listen(follower, |_| false).await;
        assert!(told.seqs.iter().copied().eq(1..=101), "{id}: {:?}", told.seqs);
        assert_eq!(follower.state(), State::Ended { reason: EndReason::Cancelled }, "{id}");
        assert_eq!(told.view.missing, 0, "{id}");
    }
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_begins_in_the_middle_and_a_foreign_one_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), None).await;
    served.create("run_1");
    served.tokens("run_1", 20).await;
    served.emit("run_1", EventType::PipelineComplete, json!({})).await;
    let epoch = served.executions.log().open(&"run_1".parse().unwrap()).unwrap().unwrap().epoch();
    for transport in EACH {
        for (epoch, first) in [(epoch, 16), (epoch + 1, 1)] {
            let mut config = client::Config::new("run_1".parse().unwrap());
            config.transports = vec![transport];
            config.after = Position::After(Cursor { epoch, seq: 15 });
            let server = Server::new(&served.address.to_string()).unwrap();
            let (mut follower, mut told) = (Follower::new(server, config), Told::default());
            told.listen(&mut follower, |_| false).await;
            assert!(told.seqs.iter().copied().eq(first..=21), "{transport:?}: {:?}", told.seqs);
        }
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_stops_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), None).await;
    for transport in EACH {
        let (mut follower, mut told) = (served.follower("nobody", &[transport]), Told::default());
        told.listen(&mut follower, |_| false).await;
        assert_eq!(follower.state(), State::Refused { status: 404 }, "{transport:?}");
        assert!(told.seqs.is_empty());
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_its_time_is_waited_for_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), None).await;
    served.create("run_1");
    let text = "y".repeat(10_000);
    for transport in EACH {
        let (mut follower, mut told) = (served.follower("run_1", &[transport]), Told::default());
        let seen = usize::try_from(served.executions.log().open(&"run_1".parse().unwrap()).unwrap().unwrap().tail().last_seq).unwrap();
        served.tokens("run_1", 1).await;
        told.listen(&mut follower, |told| told.seqs.len() > seen).await;
        // Ten times what sockets and queues hold, while the follower does nothing.
        for _ in 0..2000 {
            served.emit("run_1", EventType::StepProgress, json!({"kind": "token", "text": text})).await;
        }
        told.listen(&mut follower, |told| told.seqs.len() == seen + 2001).await;
        assert!(told.seqs.iter().copied().eq(1..=seen as u64 + 2001), "{transport:?}");
        assert_eq!(told.view.missing, 0);
    }
    served.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_memory_log_has_dropped_is_told_as_a_gap() {
    let config = Config {
        store: stepcast::config::StoreKind::Memory,
        ..Config::default()
    };
    let executions = stepcast::open(config, StepRegistry::builtin()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = Served {
        address,
        executions: executions.clone(),
        stop,
        task: tokio::spawn(async move {
            let shutdown = async { drop(stopped.await) };
            stepcast::serve(listener, executions, shutdown).await.unwrap();
        }),
    };
    let new = NewExecution {
        id: "run_1".parse().unwrap(),
        pipeline: "test".into(),
        definition: Value::Null,
        input: json!({}),
        created_at: 1,
    };
    let budget = Budget {
        events: 10,
        ..Budget::default()
    };
    let held = served.executions.log().create(&new, budget).unwrap();
    served.tokens("run_1", 99).await;
    served.emit("run_1", EventType::PipelineComplete, json!({})).await;
    for transport in EACH {
        let (mut follower, mut told) = (served.follower("run_1", &[transport]), Told::default());
        told.listen(&mut follower, |_| false).await;
        assert!(told.seqs.iter().copied().eq(91..=100), "{transport:?}: {:?}", told.seqs);
        let gap = told.view.gaps.first().unwrap();
        assert_eq!((gap.from, gap.to, gap.reason), (1, 90, GapReason::Retention), "{transport:?}");
    }
    drop(held);
    served.stop().await;
}
