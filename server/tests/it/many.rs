//! Many executions on one connection: each begun, filtered, resumed, held up and ended by itself.

use std::collections::BTreeMap;

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use stepcast::log::Budget;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, Sse, Ws, complete, emit, progress, seqs, soon};

pub(crate) async fn say(ws: &mut Ws, frame: Value) {
    ws.0.send(Message::text(frame.to_string())).await.unwrap();
}

pub(crate) async fn subscribe(ws: &mut Ws, id: &str, more: Value) {
    let mut frame = json!({"action": "subscribe", "execution_id": id});
    frame
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    say(ws, frame).await;
}

/// Frames until as many executions have said that they are closed.
async fn until_closed(ws: &mut Ws, count: usize) -> Vec<Value> {
    let mut frames = Vec::new();
    let mut closed = 0;
    while closed < count {
        let frame = ws.but_pings().await;
        closed += usize::from(frame["control"] == "closed");
        frames.push(frame);
    }
    frames
}

fn of<'a>(frames: &'a [Value], id: &str) -> Vec<&'a Value> {
    frames
        .iter()
        .filter(|frame| frame["execution_id"] == id)
        .collect()
}

fn seqs_of(frames: &[Value], id: &str) -> Vec<u64> {
    seqs(&of(frames, id).into_iter().cloned().collect::<Vec<_>>())
}

#[tokio::test]
async fn each_execution_comes_whole_in_order_and_under_its_own_name() {
    let server = Server::start().await;
    let mut ws = server.ws("/ws/executions").await;
    let runs: Vec<_> = ["a", "b", "c"]
        .map(|id| server.execution(id, Budget::default()))
        .into();
    for id in ["a", "b", "c"] {
        subscribe(&mut ws, id, json!({})).await;
    }
    for n in 0..50 {
        for run in &runs {
            run.emit(progress(n)).await.unwrap();
        }
    }
    for run in &runs {
        run.emit(complete()).await.unwrap();
    }
    let frames = until_closed(&mut ws, 3).await;
    for id in ["a", "b", "c"] {
        assert_eq!(seqs_of(&frames, id), (1..=51).collect::<Vec<_>>(), "{id}");
        let of = of(&frames, id);
        assert_eq!(of[0]["control"], "hello");
        assert_eq!(of.last().unwrap()["control"], "closed");
    }
    // the connection is there for more
    subscribe(
        &mut ws,
        "a",
        json!({"after": format!("{}.50", frames[0]["epoch"])}),
    )
    .await;
    assert_eq!(seqs(&until_closed(&mut ws, 1).await), [51]);
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_filter_a_cursor_and_an_end_concern_their_own_execution_only() {
    let server = Server::start().await;
    for id in ["a", "b"] {
        emit(&server.execution(id, Budget::default()), 6).await;
    }
    let open = server.execution("open", Budget::default());
    let mut ws = server.ws("/ws/executions").await;
    subscribe(&mut ws, "open", json!({"after": "now"})).await;
    subscribe(&mut ws, "a", json!({"filter": {"steps": ["none"]}})).await;
    subscribe(&mut ws, "unknown", json!({})).await;
    subscribe(&mut ws, "b", json!({"after": "earliest"})).await;
    let frames = until_closed(&mut ws, 2).await;
    assert_eq!(seqs_of(&frames, "a"), [6], "the end always passes");
    assert_eq!(seqs_of(&frames, "b"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(of(&frames, "unknown")[0]["status"], 404);
    open.emit(progress(1)).await.unwrap();
    assert_eq!(ws.but_pings().await["seq"], 1);
    say(
        &mut ws,
        json!({"action": "unsubscribe", "execution_id": "open"}),
    )
    .await;
    say(&mut ws, json!({"action": "ping"})).await;
    assert_eq!(ws.but_pings().await, json!({"control": "pong"}));
    open.emit(progress(2)).await.unwrap();
    say(&mut ws, json!({"action": "ping"})).await;
    assert_eq!(
        ws.but_pings().await,
        json!({"control": "pong"}),
        "and nothing between"
    );
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_busy_execution_does_not_hold_up_a_quiet_one() {
    let server = Server::start().await;
    let budget = Budget {
        events: 100_000,
        ..Budget::default()
    };
    let busy = server.execution("busy", budget);
    emit(&busy, 20_000).await;
    let quiet = server.execution("quiet", Budget::default());
    let mut ws = server.ws("/ws/executions").await;
    subscribe(&mut ws, "quiet", json!({})).await;
    assert_eq!(ws.but_pings().await["control"], "hello");
    subscribe(&mut ws, "busy", json!({})).await;
    assert_eq!(ws.but_pings().await["control"], "hello");
    quiet.emit(progress(1)).await.unwrap();
    let mut before = 0;
    while ws.but_pings().await["execution_id"] != "quiet" {
        before += 1;
    }
    // what lies in the sockets' buffers is past help; the rest of the log is not before it
    assert!(before < 19_000, "{before} events came first");
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn no_more_comes_than_a_window_has_room_for_and_others_go_on() {
    let server = Server::start().await;
    emit(&server.execution("slow", Budget::default()), 10).await;
    emit(&server.execution("other", Budget::default()), 10).await;
    let mut ws = server.ws("/ws/executions").await;
    subscribe(&mut ws, "slow", json!({"window": 3})).await;
    subscribe(&mut ws, "other", json!({})).await;
    let frames = until_closed(&mut ws, 1).await;
    assert_eq!(seqs_of(&frames, "slow"), [1, 2, 3]);
    assert_eq!(seqs_of(&frames, "other").len(), 10);
    say(
        &mut ws,
        json!({"action": "ack", "execution_id": "slow", "seq": 2}),
    )
    .await;
    for seq in [4, 5] {
        assert_eq!(ws.but_pings().await["seq"], seq);
    }
    say(&mut ws, json!({"action": "ping"})).await;
    assert_eq!(ws.but_pings().await, json!({"control": "pong"}));
    for seq in 5..=10 {
        say(
            &mut ws,
            json!({"action": "ack", "execution_id": "slow", "seq": seq}),
        )
        .await;
    }
    assert_eq!(seqs(&until_closed(&mut ws, 1).await), [6, 7, 8, 9, 10]);
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_watch_picks_up_what_is_made_later_and_after_a_cut_misses_nothing() {
    let server = Server::start().await;
    emit(&server.execution("before", Budget::default()), 2).await;
    let mut ws = server.ws("/ws/executions").await;
    say(
        &mut ws,
        json!({"action": "watch", "watch": "w", "pattern": {"pipelines": ["test"]}}),
    )
    .await;
    let watching = ws.but_pings().await;
    assert_eq!(watching["control"], "watching");
    emit(&server.execution("one", Budget::default()), 3).await;
    let frames = until_closed(&mut ws, 1).await;
    assert_eq!(frames[0]["control"], "matched");
    assert_eq!(frames[0]["execution_id"], "one");
    assert_eq!(seqs_of(&frames, "one"), [1, 2, 3]);
    drop(ws);

    emit(&server.execution("two", Budget::default()), 2).await;
    let three = server.execution("three", Budget::default());
    three.emit(progress(1)).await.unwrap();
    let mut ws = server.ws("/ws/executions").await;
    let since = &frames[0]["mark"];
    say(
        &mut ws,
        json!({"action": "watch", "watch": "w", "since": since}),
    )
    .await;
    let frames = until_closed(&mut ws, 1).await;
    assert_eq!(seqs_of(&frames, "two"), [1, 2]);
    assert!(of(&frames, "one").is_empty() && of(&frames, "before").is_empty());
    three.emit(complete()).await.unwrap();
    let more = until_closed(&mut ws, 1).await;
    assert_eq!(seqs_of(&[frames, more].concat(), "three"), [1, 2]);

    // of those that are there, what is under way; and another pipeline's are none of its business
    let four = server.execution("four", Budget::default());
    let mut ws = server.ws("/ws/executions").await;
    say(
        &mut ws,
        json!({"action": "watch", "watch": "w", "since": "under_way"}),
    )
    .await;
    say(
        &mut ws,
        json!({"action": "watch", "watch": "x", "pattern": {"pipelines": ["x"]}, "since": "m0.0"}),
    )
    .await;
    for _ in ["w", "x"] {
        while ws.but_pings().await["control"] != "watching" {}
    }
    four.emit(complete()).await.unwrap();
    let frames = until_closed(&mut ws, 1).await;
    assert_eq!(seqs_of(&frames, "four"), [1]);
    let only_four = frames.iter().all(|frame| frame["execution_id"] == "four");
    assert!(only_four, "{frames:?}");
    drop(ws);
    server.stop().await;
}

#[tokio::test]
async fn a_mark_of_another_log_is_refused_and_not_ignored() {
    let server = Server::start().await;
    for id in ["a", "b"] {
        emit(&server.execution(id, Budget::default()), 1).await;
    }
    let mut ws = server.ws("/ws/executions").await;
    for since in ["m1.1", "m1.99", "m99999999999999.1"] {
        say(
            &mut ws,
            json!({"action": "watch", "watch": "w", "since": since}),
        )
        .await;
        let frame = ws.but_pings().await;
        assert_eq!(
            (&frame["control"], &frame["status"]),
            (&json!("error"), &json!(400)),
            "{since}"
        );
    }
    drop(ws);
    server.stop().await;
}

/// Adds the events of a message to what was seen of each execution; whether it says that one is closed.
fn take(seen: &mut BTreeMap<String, Vec<u64>>, data: &str) -> bool {
    let frame: Value = serde_json::from_str(data).unwrap();
    if let Some(seq) = frame["seq"].as_u64() {
        let id = frame["execution_id"].as_str().unwrap().to_owned();
        seen.entry(id).or_default().push(seq);
    }
    frame["control"] == "closed"
}

/// What a stream gives up to the end of an execution, after each message that carries an id.
async fn up_to(sse: &mut Sse, last: &str) -> Vec<(String, BTreeMap<String, Vec<u64>>)> {
    let (mut seen, mut states) = (BTreeMap::new(), Vec::new());
    loop {
        let message = sse.message().await.unwrap();
        take(&mut seen, &message.data);
        if message.event != "control" {
            states.push((message.last_event_id.to_string(), seen.clone()));
        } else if message.data.contains("\"closed\"")
            && message.data.contains(&format!("\"{last}\""))
        {
            return states;
        }
    }
}

#[tokio::test]
async fn an_event_stream_of_named_executions_resumes_exactly_wherever_it_was_cut() {
    let server = Server::start().await;
    for id in ["a", "b", "c"] {
        emit(&server.execution(id, Budget::default()), 4).await;
    }
    let path = "/stream/executions?execution_id=a&execution_id=b&execution_id=c";
    let whole: Vec<_> = server.sse(path, None).await.rest().await;
    let ids: Vec<_> = whole
        .iter()
        .filter(|it| it.event != "control")
        .map(|it| it.last_event_id.clone())
        .collect();
    assert_eq!(ids.len(), 12);
    for (cut, id) in ids.iter().take(ids.len() - 1).enumerate() {
        let mut seen = BTreeMap::new();
        let mut events = 0;
        for message in &whole {
            if message.event != "control" && events <= cut {
                take(&mut seen, &message.data);
                events += 1;
            }
        }
        for message in server.sse(path, Some(id)).await.rest().await {
            take(&mut seen, &message.data);
        }
        assert_eq!(seen.len(), 3);
        assert!(
            seen.values().all(|seqs| *seqs == [1, 2, 3, 4]),
            "cut at {cut}: {seen:?}"
        );
    }
    // there is no more
    let request = server
        .client
        .get(server.url(path))
        .header("Last-Event-ID", &**ids.last().unwrap());
    assert_eq!(request.send().await.unwrap().status().as_u16(), 204);
    server.stop().await;
}

#[tokio::test]
async fn an_event_stream_of_what_is_to_come_resumes_exactly_wherever_it_was_cut() {
    let server = Server::start().await;
    let path = "/stream/executions?pipeline=test&since=now";
    let mut sse = server.sse(path, None).await;
    assert!(soon(sse.message()).await.unwrap().data.contains("watching"));
    let (one, two) = (
        server.execution("one", Budget::default()),
        server.execution("two", Budget::default()),
    );
    for n in 0..3 {
        one.emit(progress(n)).await.unwrap();
        two.emit(progress(n)).await.unwrap();
    }
    for run in [&one, &two] {
        run.emit(complete()).await.unwrap();
    }
    emit(&server.execution("last", Budget::default()), 1).await;
    let states = up_to(&mut sse, "last").await;
    assert_eq!(states.len(), 9);
    // what comes later ends each of the streams below
    emit(&server.execution("verylast", Budget::default()), 1).await;
    for (id, seen) in states {
        let mut seen = seen;
        let mut sse = server.sse(path, Some(&id)).await;
        let states = up_to(&mut sse, "verylast").await;
        for (id, seqs) in states
            .last()
            .map(|(_, seen)| seen.clone())
            .unwrap_or_default()
        {
            seen.entry(id).or_default().extend(seqs);
        }
        seen.remove("verylast");
        assert_eq!(seen["one"], [1, 2, 3, 4], "{id}");
        assert_eq!(seen["two"], [1, 2, 3, 4], "{id}");
        assert_eq!(seen["last"], [1], "{id}");
    }
    server.stop().await;
}

#[tokio::test]
async fn what_a_stream_of_many_is_asked_for_is_said_or_refused() {
    let server = Server::start().await;
    for (query, told) in [
        ("", "Say what to follow"),
        ("execution_id=a%20b", "an id holds"),
        ("execution_id=a&after=3.1", "what that stream gave as `id`"),
        ("since=yesterday", "a watch begins"),
        ("since=now&mine=perhaps", "true or false"),
    ] {
        let (status, problem) = server.get(&format!("/stream/executions?{query}")).await;
        assert_eq!(status, 400, "{query}");
        assert!(
            problem["detail"].as_str().unwrap().contains(told),
            "{query}: {problem}"
        );
    }
    let messages = server
        .sse("/stream/executions?execution_id=none", None)
        .await
        .rest()
        .await;
    assert!(messages[0].data.contains("404"), "{messages:?}");
    server.stop().await;
}
