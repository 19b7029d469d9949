//! Streams and the credentials that they were opened with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use reqwest::Method;
use serde_json::json;
use stepcast::access::{NewToken, Scopes};
use stepcast::follow::{Follower, Notice, Server as Followed};
use stepcast::log::Budget;
use stepcast_core::client::{Config, State, Transport};

use crate::access_harness::{ALL, ask, closed, post, register, said, start, token, ws};
use crate::harness::{Server, complete, progress, soon};

fn in_milliseconds(ms: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() + ms
}

/// A token that expires soon.
fn brief(server: &Server, name: &str, scopes: &str, ms: u64) -> String {
    let new = NewToken {
        name: name.into(),
        user: "alice".into(),
        scopes: Scopes::parse(scopes).unwrap(),
        expires: Some(in_milliseconds(ms)),
    };
    register(server)
        .make_token(&new)
        .unwrap()
        .reveal()
        .to_owned()
}

#[tokio::test]
async fn an_expired_stream_is_told_to_come_back_and_is_not_let_in_again() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let brief = brief(&server, "brief", "watch", 1_500);
    let header = format!("Bearer {brief}");
    let (socket, _) = ws(&server, "/ws/pipeline/run", &[("authorization", &header)])
        .await
        .unwrap();
    let stream = ask(&server, Method::GET, "/stream/pipeline/run", &brief);
    let stream = soon(stream.send()).await.unwrap();
    let (frames, code) = socket.rest().await;
    let last = frames.last().unwrap();
    assert_eq!((code, &last["control"]), (3001, &json!("goaway")), "{last}");
    assert_eq!(last["reason"], "expired", "{last}");
    let text = soon(stream.text()).await.unwrap();
    assert!(
        text.trim_end().lines().last().unwrap().contains("goaway"),
        "{text}"
    );
    let (socket, _) = ws(&server, "/ws/pipeline/run", &[("authorization", &header)])
        .await
        .unwrap();
    assert_eq!(socket.rest().await.1, 3502);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_of_a_revoked_token_ends_at_once() {
    let server = closed().await;
    let alice = token(&server, "alice", ALL);
    start(&server, "run", &alice).await;
    let viewer = token(&server, "viewer", "admin");
    let header = format!("Bearer {viewer}");
    let (mut socket, _) = ws(&server, "/ws/pipeline/run", &[("authorization", &header)])
        .await
        .unwrap();
    assert_eq!(socket.frame().await.unwrap()["control"], "hello");
    register(&server).revoke_token("viewer").unwrap();
    assert_eq!(socket.rest().await.1, 3001);
    server.stop().await;
}

/// What a follower sees of a run of twenty events while its token is renewed in the middle.
async fn renewed(transport: Transport) {
    let server = closed().await;
    let context = server.execution("run", Budget::default());
    let mut followed = Followed::new(&server.url("")).unwrap();
    followed
        .show(Some(&brief(&server, "first", "admin", 1_000)))
        .unwrap();
    let mut config = Config::new("run".parse().unwrap());
    config.transports = vec![transport];
    let mut follower = Follower::new(followed, config);
    let mut seen = Vec::new();
    let second = brief(&server, "second", "admin", 60_000);
    let mut renewed = false;
    for n in 1..10 {
        context.emit(progress(n)).await.unwrap();
    }
    loop {
        match soon(follower.next()).await {
            Some(Notice::Event(event)) => seen.push(event.seq),
            Some(Notice::State(State::Waiting { .. })) if !renewed => {
                renewed = true;
                follower.show(Some(&second)).unwrap();
                for n in 10..20 {
                    context.emit(progress(n)).await.unwrap();
                }
                context.emit(complete()).await.unwrap();
            }
            Some(Notice::State(_) | Notice::Snapshot(_) | Notice::Fidelity(_)) => {}
            Some(Notice::Gap { from, to, .. }) => panic!("gap from {from} to {to}"),
            Some(Notice::Reset { .. }) => panic!("reset"),
            None => break,
        }
    }
    assert!(renewed, "the first token expired");
    assert_eq!(seen, (1..=20).collect::<Vec<u64>>(), "{transport:?}");
    assert!(
        matches!(follower.state(), State::Ended { .. }),
        "{:?}",
        follower.state()
    );
    server.stop().await;
}

#[tokio::test]
async fn a_client_that_renews_goes_on_without_a_gap() {
    tokio::join!(renewed(Transport::WebSocket), renewed(Transport::Sse));
}

#[tokio::test]
async fn a_client_that_does_not_renew_stops_with_401() {
    let server = closed().await;
    let context = server.execution("run", Budget::default());
    context.emit(progress(1)).await.unwrap();
    for (n, transport) in [Transport::WebSocket, Transport::Sse, Transport::LongPoll]
        .into_iter()
        .enumerate()
    {
        let mut followed = Followed::new(&server.url("")).unwrap();
        let brief = brief(&server, &format!("brief{n}"), "admin", 800);
        followed.show(Some(&brief)).unwrap();
        let mut config = Config::new("run".parse().unwrap());
        config.transports = vec![transport];
        config.poll_wait = Duration::from_millis(1_100);
        let mut follower = Follower::new(followed, config);
        while soon(follower.next()).await.is_some() {}
        assert_eq!(
            follower.state(),
            State::Refused { status: 401 },
            "{transport:?}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_producers_lines_end_with_its_token() {
    let server = closed().await;
    let body = json!({ "mode": "external", "pipeline": "Work", "execution_id": "work" });
    let alice = token(&server, "alice", ALL);
    assert_eq!(post(&server, "/api/executions", &alice, body).await.0, 201);
    let brief = brief(&server, "brief", "ingest", 1_000);
    let line =
        Bytes::from_static(b"{\"event_type\":\"step_progress\",\"step_id\":\"a\",\"data\":{}}\n");
    // the body goes on for as long as it is read
    let endless = futures_util::stream::unfold(Some(line), |line| async move {
        match line {
            Some(line) => Some((Ok::<_, std::io::Error>(line), None)),
            None => std::future::pending().await,
        }
    });
    let request = ask(&server, Method::POST, "/api/executions/work/events", &brief)
        .header("content-type", "application/x-ndjson")
        .body(reqwest::Body::wrap_stream(endless));
    let (status, problem) = said(request).await;
    assert_eq!((status, &problem["taken"]), (401, &json!(1)), "{problem}");
    server.stop().await;
}
