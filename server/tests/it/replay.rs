//! A run that is stored streams again, at full speed or at a pace; the events here happened an hour apart, so that
//! what comes at all has not waited, and what waits does not come.

use std::time::Duration;

use serde_json::Value;
use stepcast::follow::{self, Follower, Notice};
use stepcast_core::client::{Config, State, Transport};

use crate::harness::{Server, Sse, Ws, complete, progress, seqs, soon};
use crate::recorded::record;
use crate::relay::Relay;

const HOUR: Duration = Duration::from_secs(3600);

/// A server that has this run in its log; and the run's epoch.
async fn server(count: u64, apart: Duration, ended: bool) -> (Server, u64) {
    let mut epoch = 0;
    let server = Server::with(|config| {
        config.heartbeat_ms = 100;
        epoch = record(&config.data_dir, "run", count, apart, ended);
    })
    .await;
    (server, epoch)
}

/// Either stream, read frame by frame.
enum Stream {
    Sse(Sse),
    Ws(Ws),
}

impl Stream {
    async fn both(server: &Server, query: &str) -> [Self; 2] {
        [
            Self::Sse(
                server
                    .sse(&format!("/stream/pipeline/run{query}"), None)
                    .await,
            ),
            Self::Ws(server.ws(&format!("/ws/pipeline/run{query}")).await),
        ]
    }

    /// The next frame; none at the end.
    async fn frame(&mut self) -> Option<Value> {
        match self {
            Self::Sse(sse) => {
                let message = sse.message().await?;
                Some(serde_json::from_str(&message.data).unwrap())
            }
            Self::Ws(ws) => ws.frame().await.ok(),
        }
    }

    /// The next so many frames, in short.
    async fn some(&mut self, count: usize) -> Vec<String> {
        let mut said = Vec::new();
        while said.len() < count {
            let frame = self.frame().await.unwrap();
            said.push(match frame.get("seq") {
                Some(seq) => seq.to_string(),
                None => frame["control"].as_str().unwrap().to_owned(),
            });
        }
        said
    }

    /// Reads on to this frame, past pings and all else.
    async fn until(&mut self, wanted: &str) {
        soon(async { while self.some(1).await != [wanted] {} }).await;
    }
}

#[tokio::test]
async fn a_finished_run_streams_again_at_full_speed_where_no_pace_is_asked_for() {
    let (server, _) = server(2_500, HOUR, true).await;
    for mut stream in Stream::both(&server, "").await {
        let mut frames = Vec::new();
        while let Some(frame) = stream.frame().await {
            frames.push(frame);
        }
        assert!(seqs(&frames).into_iter().eq(1..=2_500));
        assert_eq!(frames.last().unwrap()["control"], "closed");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_paced_event_waits_for_its_time_and_the_heart_beats_on() {
    let (server, epoch) = server(3, HOUR, true).await;
    for pace in ["0.5", "1", "100"] {
        for mut stream in Stream::both(&server, &format!("?pace={pace}")).await {
            let said = stream.some(5).await;
            assert_eq!(said, ["hello", "1", "ping", "ping", "ping"], "{pace}");
        }
    }
    let resumed = format!("?pace=1&after={epoch}.1");
    for mut stream in Stream::both(&server, &resumed).await {
        let said = stream.some(4).await;
        assert_eq!(
            said,
            ["hello", "2", "ping", "ping"],
            "the clock starts anew"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_paced_replay_ends_like_any_other() {
    let (server, _) = server(20, Duration::from_millis(500), true).await;
    for mut stream in Stream::both(&server, "?pace=100").await {
        let mut frames = Vec::new();
        while let Some(frame) = stream.frame().await {
            frames.push(frame);
        }
        assert!(seqs(&frames).into_iter().eq(1..=20));
        assert_eq!(frames.last().unwrap()["control"], "closed");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_paced_viewer_reaches_the_tail_of_a_run_that_goes_on_and_is_live_from_then_on() {
    let (server, _) = server(3, Duration::from_millis(500), false).await;
    let streams = Stream::both(&server, "?pace=100").await;
    let id = "run".parse().unwrap();
    let log = server.executions.log().open(&id).unwrap().unwrap();
    let mut live = Vec::new();
    for mut stream in streams {
        stream.until("3").await;
        // silence: nothing waits for its time any more
        stream.until("ping").await;
        live.push(stream);
    }
    // stamped months after the one before: at any pace it would not come today
    log.append(&progress(4)).await.unwrap();
    for stream in &mut live {
        stream.until("4").await;
    }
    log.append(&complete()).await.unwrap();
    for stream in &mut live {
        stream.until("closed").await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_pace_outside_its_range_is_refused_and_so_is_one_of_pages() {
    let (server, _) = server(3, HOUR, true).await;
    for pace in ["", "0", "0.49", "100.01", "-1", "NaN", "inf", "fast", "1,5"] {
        for path in ["/stream/pipeline/run", "/ws/pipeline/run"] {
            let (status, problem) = server.get(&format!("{path}?pace={pace}")).await;
            assert_eq!(status, 400, "{path} {pace}");
            let detail = problem["detail"].as_str().unwrap();
            assert!(detail.contains("from 0.5 to 100"), "{detail}");
        }
    }
    for query in ["?pace=1", "?wait_ms=1000&pace=2"] {
        let path = format!("/api/executions/run/events{query}");
        let (status, problem) = server.get(&path).await;
        assert_eq!(status, 400, "{query}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("/stream/pipeline/{id}"), "{detail}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_is_cut_comes_back_with_its_pace() {
    let (server, _) = server(9, HOUR, true).await;
    for transport in [Transport::WebSocket, Transport::Sse] {
        let relay = Relay::start(&server.address).await;
        let mut config = Config::new("run".parse().unwrap());
        config.pace = Some("100".parse().unwrap());
        config.transports = vec![transport, Transport::LongPoll];
        config.backoff_base = Duration::from_millis(10);
        let mut follower = Follower::new(follow::Server::new(&relay.address).unwrap(), config);
        for expected in 1..=4 {
            loop {
                match soon(follower.next()).await.unwrap() {
                    Notice::Event(event) => {
                        assert_eq!(
                            event.seq, expected,
                            "the next one waits for more than half a minute"
                        );
                        break;
                    }
                    Notice::State(State::Live { .. }) => panic!("live before the tail"),
                    Notice::State(_) => {}
                    notice @ (Notice::Gap { .. }
                    | Notice::Reset { .. }
                    | Notice::Snapshot(_)
                    | Notice::Fidelity(_)) => panic!("{notice:?}"),
                }
            }
            assert_eq!(relay.cut(), 1);
        }
        let requests = relay.requests();
        assert_eq!(requests.len(), 4);
        assert!(requests.iter().all(|line| line.contains("pace=100")));
        assert!(requests[3].contains(".3&"), "{requests:?}");
    }
    server.stop().await;
}
