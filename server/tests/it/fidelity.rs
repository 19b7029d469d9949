//! Fidelity: less of the same run on every transport, and from any place of it all of the rest.

use std::collections::BTreeMap;

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::Budget;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::view::RunView;
use tokio::net::TcpSocket;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, complete, seqs, soon};
use crate::many::subscribe;

fn draft(event_type: EventType, step: &str, data: Value) -> Draft {
    Draft {
        event_type,
        step_id: (!step.is_empty()).then(|| step.into()),
        data,
        metadata: None,
    }
}

fn token(step: &str, n: usize) -> Draft {
    let data = json!({"kind": "token", "text": format!("{n} ")});
    draft(EventType::StepProgress, step, data)
}

/// A run with pieces of text in two channels of one step and in another step, and what comes between.
fn drafts() -> Vec<Draft> {
    let mut drafts = vec![
        draft(
            EventType::PipelineStart,
            "",
            json!({"pipeline": {"name": "p"}, "input": {"x": 1}}),
        ),
        draft(
            EventType::StepStart,
            "a",
            json!({"kind": "llm", "iteration": 1, "attempt": 1}),
        ),
    ];
    drafts.extend((0..6).map(|n| token("a", n)));
    let thought = json!({"kind": "token", "text": "hm", "channel": "reasoning"});
    drafts.extend([0, 1].map(|_| draft(EventType::StepProgress, "a", thought.clone())));
    drafts.extend((6..9).map(|n| token("a", n)));
    drafts.push(draft(
        EventType::StepComplete,
        "a",
        json!({"output": {"text": "long"}, "duration_ms": 5, "next": ["b"]}),
    ));
    drafts.push(draft(
        EventType::StepStart,
        "b",
        json!({"iteration": 1, "attempt": 1}),
    ));
    drafts.extend((0..4).map(|n| token("b", n)));
    let error = json!({"error": {"message": "no", "severity": "error"}});
    drafts.push(draft(EventType::StepError, "b", error));
    drafts.push(complete());
    drafts
}

async fn all(context: &StreamingContext) {
    for draft in drafts() {
        context.emit(draft).await.unwrap();
    }
    let stream = context.stream().unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
}

fn parsed(messages: Vec<stepcast_core::wire::sse::Message>) -> Vec<Value> {
    let parse =
        |message: stepcast_core::wire::sse::Message| serde_json::from_str(&message.data).unwrap();
    messages.into_iter().map(parse).collect()
}

/// Events by what they are and tell: the type, the text.
fn events(frames: &[Value]) -> Vec<StreamEvent> {
    let events = frames.iter().filter(|frame| frame.get("control").is_none());
    events
        .map(|frame| serde_json::from_value(frame.clone()).unwrap())
        .collect()
}

/// The whole text of each channel of each step.
fn texts(frames: &[Value]) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::<String, String>::new();
    for frame in frames
        .iter()
        .filter(|frame| frame["data"]["kind"] == "token")
    {
        let channel = format!("{} {}", frame["step_id"], frame["data"]["channel"]);
        let text = frame["data"]["text"].as_str().unwrap();
        texts.entry(channel).or_default().push_str(text);
    }
    texts
}

/// Every event from this one on is there, alone or in one that stands for several.
fn covers(frames: &[Value], first: u64) {
    let mut next = first;
    for event in events(frames) {
        assert_eq!(event.first_seq(), next, "{event:?}");
        next = event.seq + 1;
    }
    assert_eq!(next, drafts().len() as u64 + 1);
}

fn no_gap(frames: &[Value]) {
    let gap = frames.iter().find(|frame| frame["control"] == "gap");
    assert_eq!(gap, None);
}

/// All ways to read a run: what each gives after a cursor.
async fn read(server: &Server, query: &str, frame: &Value, cursor: &str) -> Vec<Vec<Value>> {
    let sse = server
        .sse(&format!("/stream/pipeline/f?{query}"), Some(cursor))
        .await;
    let ws = server
        .ws(&format!("/ws/pipeline/f?after={cursor}&{query}"))
        .await;
    let batched = server
        .ws(&format!("/ws/pipeline/f?after={cursor}&batch=true&{query}"))
        .await;
    let mut shared = server.ws("/ws/executions").await;
    let mut more = frame.clone();
    more["after"] = cursor.into();
    subscribe(&mut shared, "f", more).await;
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|frame: &Value| frame["control"] != "closed")
    {
        heard.push(shared.but_pings().await);
    }
    vec![
        parsed(sse.rest().await),
        ws.rest().await.0,
        batched.rest().await.0,
        heard,
    ]
}

#[tokio::test]
async fn merged_tokens_are_the_same_text_after_every_cut_on_every_transport() {
    let server = Server::start().await;
    let context = server.execution("f", Budget::default());
    all(&context).await;
    let (_, page) = server.get("/api/executions/f/events").await;
    let whole = page["events"].as_array().unwrap();
    let epoch = page["epoch"].as_u64().unwrap();
    for cut in 0..whole.len() as u64 {
        let cursor = format!("{epoch}.{cut}");
        let rest = &whole[usize::try_from(cut).unwrap()..];
        let asked = json!({"fidelity": "coalesced"});
        for frames in read(&server, "fidelity=coalesced", &asked, &cursor).await {
            no_gap(&frames);
            covers(&frames, cut + 1);
            assert_eq!(texts(&frames), texts(rest), "after {cut}");
            assert!(events(&frames).len() < rest.len() || rest.len() < 12);
        }
    }
    // each id of the coalesced stream is a place in the whole one
    let path = "/stream/pipeline/f?fidelity=coalesced";
    let merged = server.sse(path, None).await.rest().await;
    let mut folded = RunView::default();
    events(&parsed(merged.clone()))
        .iter()
        .for_each(|event| folded.apply(event));
    let mut expected = RunView::default();
    events(whole).iter().for_each(|event| expected.apply(event));
    // all but the times, which are those of the last token that was merged
    let told = |view: &RunView| {
        let step = view.step("a").unwrap();
        let text = (step.text.to_string(), step.reasoning.to_string());
        (step.status, text, step.duration_ms, step.error.clone())
    };
    assert_eq!(told(&folded), told(&expected));
    assert_eq!((folded.missing, folded.end), (0, expected.end));
    let ids = merged.iter().filter(|message| message.event != "control");
    let mut seen = 0;
    for message in ids {
        let id = message.last_event_id.to_string();
        let event: StreamEvent = serde_json::from_str(&message.data).unwrap();
        assert_eq!(id, format!("{epoch}.{}", event.seq));
        seen += 1;
        if event.seq < whole.len() as u64 {
            let rest = parsed(
                server
                    .sse("/stream/pipeline/f", Some(&id))
                    .await
                    .rest()
                    .await,
            );
            let expected: Vec<u64> = (event.seq + 1..=whole.len() as u64).collect();
            assert_eq!(seqs(&rest), expected, "all that comes after {id}");
        }
    }
    assert_eq!(seen, 10);
    server.stop().await;
}

#[tokio::test]
async fn steps_tell_that_they_begin_and_end_and_nothing_that_they_were_given_or_gave() {
    let server = Server::start().await;
    let context = server.execution("f", Budget::default());
    all(&context).await;
    let (_, page) = server.get("/api/executions/f/events").await;
    let whole = page["events"].as_array().unwrap();
    let epoch = page["epoch"].as_u64().unwrap();
    let of_steps = |event: &&Value| {
        let event_type = event["event_type"].as_str().unwrap();
        !["step_progress", "step_output", "checkpoint_saved"].contains(&event_type)
    };
    let told: Vec<Value> = whole.iter().filter(of_steps).cloned().collect();
    for cut in 0..whole.len() as u64 {
        let cursor = format!("{epoch}.{cut}");
        let rest: Vec<u64> = seqs(&told).into_iter().filter(|seq| *seq > cut).collect();
        let asked = json!({"fidelity": "steps"});
        for frames in read(&server, "fidelity=steps", &asked, &cursor).await {
            no_gap(&frames);
            assert_eq!(seqs(&frames), rest, "after {cut}");
            for frame in frames.iter().filter(|frame| frame.get("seq").is_some()) {
                let is_step = frame["event_type"].as_str().unwrap().starts_with("step");
                assert_eq!(frame.get("abridged").is_some(), is_step);
                let data = &frame["data"];
                assert!(!is_step || data.get("output").is_none(), "{frame}");
                match frame["event_type"].as_str().unwrap() {
                    "step_complete" => assert_eq!(data["duration_ms"], 5),
                    "step_error" => assert_eq!(data["error"]["message"], "no"),
                    "pipeline_start" => assert_eq!(data["input"], json!({"x": 1})),
                    _ => {}
                }
            }
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn a_snapshot_is_the_view_so_far_and_the_tail_goes_on_from_its_cursor() {
    let server = Server::with(|config| config.heartbeat_ms = 200).await;
    let context = server.execution("f", Budget::default());
    let drafts = drafts();
    for draft in &drafts[..8] {
        context.emit(draft.clone()).await.unwrap();
    }
    let (_, page) = server.get("/api/executions/f/events").await;
    let mut expected = RunView::default();
    events(page["events"].as_array().unwrap())
        .iter()
        .for_each(|event| expected.apply(event));
    let epoch = page["epoch"].as_u64().unwrap();
    let expected = json!({"control": "snapshot", "execution_id": "f", "cursor": format!("{epoch}.8"),
        "view": expected});
    let mut ws = server.ws("/ws/pipeline/f?fidelity=snapshot").await;
    assert_eq!(ws.but_pings().await["control"], "hello");
    assert_eq!(ws.but_pings().await, expected);
    let mut sse = server
        .sse("/stream/executions?execution_id=f&fidelity=snapshot", None)
        .await;
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|frame: &Value| frame["control"] != "snapshot")
    {
        let message = sse.message().await.unwrap();
        heard.push(serde_json::from_str(&message.data).unwrap());
    }
    assert_eq!(heard.last(), Some(&expected));
    for draft in &drafts[8..] {
        context.emit(draft.clone()).await.unwrap();
    }
    let rest: Vec<u64> = (9..=drafts.len() as u64).collect();
    let (frames, code) = ws.rest().await;
    assert_eq!((seqs(&frames), code), (rest.clone(), 1000));
    let messages = sse.rest().await;
    // the place of a stream of many is past what the snapshot stands for
    let id = messages.iter().find(|message| message.event != "control");
    assert!(id.unwrap().last_event_id.ends_with(&format!(":{epoch}.9")));
    assert_eq!(seqs(&parsed(messages)), rest);
    // of a run that has ended, all there is
    let (frames, code) = server
        .ws("/ws/pipeline/f?fidelity=snapshot")
        .await
        .rest()
        .await;
    let words: Vec<&str> = frames
        .iter()
        .filter_map(|it| it["control"].as_str())
        .collect();
    assert_eq!((words, code), (vec!["hello", "snapshot", "closed"], 1000));
    assert_eq!(frames[1]["view"]["status"], "completed");
    server.stop().await;
}

/// Readers at the tail of every dialect and coding that a fan writes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_the_tail_all_readers_of_a_fidelity_are_told_the_same_in_every_coding() {
    let server = Server::with(|config| {
        config.compression.streams = true;
        config.heartbeat_ms = 300;
    })
    .await;
    let context = server.execution("f", Budget::default());
    let drafts = drafts();
    context.emit(drafts[0].clone()).await.unwrap();
    let mut readers = Vec::new();
    for fidelity in ["steps", "coalesced:200"] {
        let path = format!("/ws/pipeline/f?fidelity={fidelity}&batch=true");
        for _ in 0..3 {
            let ws = server.ws(&path).await;
            readers.push((fidelity, tokio::spawn(async move { ws.rest().await.0 })));
        }
        let url = server.url(&format!("/stream/pipeline/f?fidelity={fidelity}"));
        for coding in ["gzip", "zstd", "br", "identity"] {
            for _ in 0..2 {
                let client = reqwest::Client::builder().build().unwrap();
                let request = client.get(&url).header("Accept-Encoding", coding);
                let response = soon(request.send()).await.unwrap();
                let named = response.headers().get("content-encoding").cloned();
                assert_eq!(named.is_none(), coding == "identity");
                let read = async move {
                    let body = soon(response.bytes()).await.unwrap();
                    let plain = crate::compression::decoded(coding, &body);
                    let (mut reader, mut items) =
                        (stepcast_core::wire::sse::Reader::default(), Vec::new());
                    reader.push(&plain, &mut items).unwrap();
                    let messages = items.into_iter().filter_map(|item| match item {
                        stepcast_core::wire::sse::Item::Message(message) => Some(message),
                        stepcast_core::wire::sse::Item::Retry(_)
                        | stepcast_core::wire::sse::Item::Comment => None,
                    });
                    parsed(messages.collect())
                };
                readers.push((fidelity, tokio::spawn(read)));
            }
        }
    }
    for (n, draft) in drafts[1..].iter().enumerate() {
        context.emit(draft.clone()).await.unwrap();
        if n % 5 == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        }
    }
    let mut whole = BTreeMap::new();
    for (fidelity, reader) in readers {
        let frames = soon(reader).await.unwrap();
        no_gap(&frames);
        assert_eq!(frames.last().unwrap()["control"], "closed");
        if fidelity == "steps" {
            let first: &mut Vec<u64> = whole.entry(fidelity).or_default();
            if first.is_empty() {
                *first = seqs(&frames);
            }
            assert_eq!(&seqs(&frames), first);
            assert!(frames.iter().any(|frame| frame["control"] == "place"));
        } else {
            covers(&frames, 1);
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_slow_and_wishes_so_is_told_less_and_told_of_it() {
    let server = Server::with(|config| config.durability = stepcast::log::Durability::Off).await;
    let context = server.execution("f", Budget::default());
    context.emit(drafts()[0].clone()).await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket
        .connect(server.address.parse().unwrap())
        .await
        .unwrap();
    let url = format!("ws://{}/ws/pipeline/f?when_slow=degrade", server.address);
    let (ws, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let mut ws = crate::harness::Ws(ws);
    assert_eq!(ws.but_pings().await["control"], "hello");
    assert_eq!(ws.but_pings().await["seq"], 1);
    // more than any buffer takes
    let text = "x".repeat(4000);
    for n in 0..8000 {
        let mut draft = match n % 1000 {
            500 => draft(
                EventType::StepStart,
                "a",
                json!({"iteration": n, "attempt": 1}),
            ),
            _ => token("a", n),
        };
        draft.metadata = Some(json!({ "text": text }));
        context.emit(draft).await.unwrap();
    }
    // it reads again
    let mut frames = Vec::new();
    let caught_up = async {
        while frames
            .last()
            .is_none_or(|frame: &Value| frame["fidelity"] != "full")
        {
            frames.push(ws.but_pings().await);
        }
    };
    soon(caught_up).await;
    context.emit(token("a", 0)).await.unwrap();
    context.emit(complete()).await.unwrap();
    let (rest, code) = ws.rest().await;
    frames.extend(rest);
    assert_eq!(code, 1000);
    no_gap(&frames);
    // everything but what lies between the two words, and of that every step that begins
    let mut next = 2;
    let mut less = false;
    for frame in &frames {
        if let Some(fidelity) = frame["fidelity"].as_str() {
            let cursor = frame["cursor"].as_str().unwrap();
            let seq: u64 = cursor.rsplit('.').next().unwrap().parse().unwrap();
            assert!(
                less || seq + 1 == next,
                "it begins where the whole stream ended"
            );
            next = seq + 1;
            less = fidelity == "steps";
        } else if let Some(seq) = frame["seq"].as_u64() {
            assert!(less || seq == next, "{seq} and not {next}");
            assert_eq!(frame.get("abridged").is_some(), less);
            next = seq + 1;
        }
    }
    let begun = frames
        .iter()
        .filter(|frame| frame["event_type"] == "step_start");
    assert_eq!(begun.count(), 8);
    assert!(frames.len() < 8000, "{}", frames.len());
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_fidelity_is_refused_and_a_page_has_none() {
    let server = Server::start().await;
    let context = server.execution("f", Budget::default());
    all(&context).await;
    for (query, why) in [
        ("fidelity=low", "a fidelity is"),
        ("fidelity=coalesced:5", "a fidelity is"),
        ("when_slow=drop", "`lag` or `degrade`"),
        ("fidelity=coalesced&pace=2", "a pace goes with"),
        ("fidelity=snapshot&pace=2", "a pace goes with"),
    ] {
        for path in ["/stream/pipeline/f?", "/ws/pipeline/f?"] {
            let (status, problem) = server.get(&format!("{path}{query}")).await;
            assert_eq!(status, 400, "{path}{query}: {problem}");
            assert!(
                problem["detail"].as_str().unwrap().contains(why),
                "{problem}"
            );
        }
    }
    let (status, problem) = server.get("/api/executions/f/events?fidelity=steps").await;
    assert_eq!(status, 400, "{problem}");
    let (status, _) = server
        .get("/stream/executions?execution_id=f&fidelity=low")
        .await;
    assert_eq!(status, 400);
    let mut shared = server.ws("/ws/executions").await;
    let action = json!({"action": "subscribe", "execution_id": "f", "fidelity": "low"});
    shared
        .0
        .send(Message::text(action.to_string()))
        .await
        .unwrap();
    assert_eq!(shared.but_pings().await["status"], 400);
    server.stop().await;
}
