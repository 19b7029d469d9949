//! Filters: the same events on every transport, and exactly the rest of them after every cut.

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::context::{Draft, StreamingContext};
use stepcast::log::Budget;
use stepcast_core::event::EventType;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Server, complete, emit, progress, seqs, soon};
use crate::ingest_harness::{announce, post, server_with};

/// A filter as a URL and as a frame say it, and what passes by other means than ours.
struct Case {
    query: &'static str,
    frame: Value,
    passes: fn(&Value) -> bool,
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            query: "type=step_error&type=step_output",
            frame: json!({"types": ["step_error", "step_output"]}),
            passes: |event| {
                ["step_error", "step_output"].contains(&event["event_type"].as_str().unwrap())
            },
        },
        Case {
            query: "step=b",
            frame: json!({"steps": ["b"]}),
            passes: |event| event["step_id"] == "b",
        },
        Case {
            query: "level=warning",
            frame: json!({"level": "warning"}),
            passes: |event| {
                let error = &event["data"]["error"]["severity"];
                let word = if error.is_string() {
                    error
                } else {
                    &event["data"]["level"]
                };
                ["warning", "error", "critical"].contains(&word.as_str().unwrap_or_default())
            },
        },
        Case {
            query: "where=data.rows%5B%3Fid%20%3E%20%603%60%5D",
            frame: json!({"where": "data.rows[?id > `3`]"}),
            passes: |event| {
                let rows = event["data"]["rows"].as_array();
                rows.is_some_and(|rows| rows.iter().any(|row| row["id"].as_u64() > Some(3)))
            },
        },
        Case {
            query: "type=step_progress&step=a&level=debug&where=contains(data.message%2C%20'7')",
            frame: json!({"types": ["step_progress"], "steps": ["a"], "level": "debug",
                "where": "contains(data.message, '7')"}),
            passes: |event| {
                event["event_type"] == "step_progress"
                    && event["step_id"] == "a"
                    && event["data"]["message"]
                        .as_str()
                        .is_some_and(|text| text.contains('7'))
            },
        },
        Case {
            query: "where=data.nothing",
            frame: json!({"where": "data.nothing"}),
            passes: |_| false,
        },
    ]
}

fn draft(n: u64) -> Draft {
    let level = ["debug", "info", "warning", "error"][n as usize % 4];
    let (event_type, data) = match n % 6 {
        0 => (
            EventType::StepStart,
            json!({"kind": "transform", "iteration": 1, "attempt": 1}),
        ),
        1 | 2 => (
            EventType::StepProgress,
            json!({"kind": "log", "level": level, "message": format!("line {n}")}),
        ),
        3 => (
            EventType::StepProgress,
            json!({"kind": "token", "text": "7"}),
        ),
        4 => (
            EventType::StepOutput,
            json!({"output": {}, "rows": [{"id": n / 6}, {"id": n / 5}]}),
        ),
        _ => (
            EventType::StepError,
            json!({"error": {"severity": level, "message": "no luck"}}),
        ),
    };
    Draft {
        event_type,
        step_id: Some(["a", "b"][n as usize / 2 % 2].into()),
        data,
        metadata: None,
    }
}

const EVENTS: u64 = 25;

/// A run of all kinds of events, most of which have left the ring.
async fn run(server: &Server, id: &str) -> Vec<Value> {
    let budget = Budget {
        events: 7,
        ..Budget::default()
    };
    let context = server.execution(id, budget);
    for n in 1..EVENTS {
        context.emit(draft(n)).await.unwrap();
    }
    context.emit(complete()).await.unwrap();
    settled(&context).await;
    let (_, page) = server.get(&format!("/api/executions/{id}/events")).await;
    page["events"].as_array().unwrap().clone()
}

async fn settled(context: &StreamingContext) {
    let stream = context.stream().unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
}

fn expected(events: &[Value], passes: fn(&Value) -> bool) -> Vec<u64> {
    let passing = |event: &&Value| passes(event) || event["event_type"] == "pipeline_complete";
    let of: Vec<Value> = events.iter().filter(passing).cloned().collect();
    seqs(&of)
}

/// No hole is announced where there is none.
fn no_gap(frames: &[Value]) {
    for frame in frames {
        assert!(
            !["gap", "error"].contains(&frame["control"].as_str().unwrap_or_default()),
            "{frame}"
        );
    }
}

fn frames(messages: Vec<stepcast_core::wire::sse::Message>) -> Vec<Value> {
    let parse =
        |message: stepcast_core::wire::sse::Message| serde_json::from_str(&message.data).unwrap();
    messages.into_iter().map(parse).collect()
}

#[tokio::test]
async fn cut_at_every_place_a_filtered_stream_goes_on_exactly_on_every_transport() {
    let server = Server::with(|_| {}).await;
    let events = run(&server, "f").await;
    assert_eq!(events.len() as u64, EVENTS);
    let (_, page) = server.get("/api/executions/f/events?limit=1").await;
    let epoch = page["epoch"].as_u64().unwrap();
    for Case {
        query,
        frame,
        passes,
    } in cases()
    {
        let all = expected(&events, passes);
        for cut in 0..EVENTS {
            let cursor = format!("{epoch}.{cut}");
            let rest: Vec<u64> = all.iter().copied().filter(|seq| *seq > cut).collect();

            let path = format!("/stream/pipeline/f?{query}");
            let sse = frames(server.sse(&path, Some(&cursor)).await.rest().await);
            no_gap(&sse);
            assert_eq!(seqs(&sse), rest, "SSE, {query} after {cut}");

            let path = format!("/ws/pipeline/f?after={cursor}&{query}");
            let (ws, code) = server.ws(&path).await.rest().await;
            no_gap(&ws);
            assert_eq!(
                (seqs(&ws), code),
                (rest.clone(), 1000),
                "WebSocket, {query} after {cut}"
            );

            let (mut polled, mut next) = (Vec::new(), cursor.clone());
            loop {
                let path =
                    format!("/api/executions/f/events?after={next}&limit=4&wait_ms=100&{query}");
                let (status, page) = server.get(&path).await;
                assert_eq!((status, page.get("gap")), (200, None), "{page}");
                polled.extend(seqs(page["events"].as_array().unwrap()));
                next = page["next"].as_str().unwrap().to_owned();
                if page.get("closed").is_some() {
                    break;
                }
            }
            assert_eq!(polled, rest, "long poll, {query} after {cut}");

            let mut shared = server.ws("/ws/executions").await;
            let action = json!({"action": "subscribe", "execution_id": "f", "after": cursor, "filter": frame});
            shared
                .0
                .send(Message::text(action.to_string()))
                .await
                .unwrap();
            let mut heard = Vec::new();
            while heard
                .last()
                .is_none_or(|frame: &Value| frame["control"] != "closed")
            {
                heard.push(shared.but_pings().await);
            }
            no_gap(&heard);
            assert_eq!(seqs(&heard), rest, "shared WebSocket, {query} after {cut}");
        }

        let path = format!("/stream/executions?execution_id=f&{query}");
        let whole = server.sse(&path, None).await.rest().await;
        let ids: Vec<String> = (whole.iter())
            .filter(|message| message.event != "control")
            .map(|message| message.last_event_id.to_string())
            .collect();
        assert_eq!(seqs(&frames(whole)), all, "shared SSE, {query}");
        for (at, id) in ids.iter().enumerate().take(ids.len() - 1) {
            let rest = frames(server.sse(&path, Some(id)).await.rest().await);
            no_gap(&rest);
            assert_eq!(seqs(&rest), all[at + 1..], "shared SSE, {query} after {id}");
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_filter_is_refused_with_a_reason_on_every_transport() {
    let server = Server::start().await;
    let context = server.execution("f", Budget::default());
    emit(&context, 3).await;
    let long = format!("where={}", "a".repeat(600));
    for (query, frame, why) in [
        (
            "level=loud",
            json!({"level": "loud"}),
            "debug, info, warning, error or critical",
        ),
        (
            "where=data.n%20%25%20%603%60",
            json!({"where": "data.n % `3`"}),
            "no condition: at character 8",
        ),
        (
            "where=%5Bdata%2Cdata%5D",
            json!({"where": "[data,data]"}),
            "makes nothing",
        ),
        (&long, json!({"where": "a".repeat(600)}), "may have 512"),
    ] {
        for path in [
            "/stream/pipeline/f?",
            "/api/executions/f/events?",
            "/ws/pipeline/f?",
            "/stream/executions?execution_id=f&",
        ] {
            let (status, problem) = server.get(&format!("{path}{query}")).await;
            assert_eq!(status, 400, "{path}{query}: {problem}");
            assert!(
                problem["detail"].as_str().unwrap().contains(why),
                "{path}{query}: {problem}"
            );
        }
        let mut shared = server.ws("/ws/executions").await;
        let action = json!({"action": "subscribe", "execution_id": "f", "filter": frame});
        shared
            .0
            .send(Message::text(action.to_string()))
            .await
            .unwrap();
        let answer = shared.but_pings().await;
        assert_eq!(
            (&answer["control"], &answer["status"]),
            (&json!("error"), &json!(400))
        );
        assert!(
            answer["message"].as_str().unwrap().contains(why),
            "{answer}"
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn a_place_moves_the_cursor_past_what_the_filter_held_back_so_that_retention_makes_no_gap() {
    let server = Server::with(|config| config.heartbeat_ms = 50).await;
    let context = server.execution("f", Budget::default());
    for n in 0..10 {
        context.emit(progress(n)).await.unwrap();
    }
    server.executions.log().flush();
    let mut cursors = Vec::new();
    let mut ws = server.ws("/ws/pipeline/f?level=error").await;
    let hello = ws.but_pings().await;
    let place = ws.but_pings().await;
    let epoch = &hello["epoch"];
    assert_eq!(
        place,
        json!({"control": "place", "execution_id": "f", "cursor": format!("{epoch}.10")})
    );
    cursors.push(place["cursor"].as_str().unwrap().to_owned());
    let mut sse = server.sse("/stream/pipeline/f?level=error", None).await;
    loop {
        let message = sse.message().await.unwrap();
        assert_eq!(&*message.last_event_id, "", "a place has no id");
        let frame: Value = serde_json::from_str(&message.data).unwrap();
        if frame["control"] == "place" {
            cursors.push(frame["cursor"].as_str().unwrap().to_owned());
            break;
        }
    }
    let store = server.executions.log().store().shrinks().unwrap();
    assert!(store.trim(1, 6).unwrap().done);
    for cursor in cursors {
        context.emit(progress(0)).await.unwrap();
        let path = format!("/ws/pipeline/f?level=error&after={cursor}");
        let mut again = server.ws(&path).await;
        assert_eq!(again.but_pings().await["control"], "hello");
        assert_eq!(again.but_pings().await["control"], "place", "no gap");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_field_that_was_taken_out_cannot_be_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_with(directory.path(), |config| {
        config.store = StoreKind::Memory;
        config.redaction.fields = vec!["**.password".to_owned()];
    })
    .await;
    announce(&server, "e").await;
    let told = json!({"event_type": "step_output", "step_id": "a",
        "data": {"output": {"user": "ada", "password": "hunter22-hunter22"}}});
    post(&server, "e", None, json!([told])).await;
    let found = async |condition: &str| {
        let url = server.url("/api/executions/e/events");
        let request = server.client.get(url).query(&[("where", condition)]);
        let page: Value = request.send().await.unwrap().json().await.unwrap();
        page["events"].as_array().unwrap().len()
    };
    assert_eq!(found("data.output.user == 'ada'").await, 1);
    assert_eq!(found("data.output.password == '[redacted]'").await, 1);
    for condition in [
        "data.output.password == 'hunter22-hunter22'",
        "starts_with(data.output.password, 'h')",
        "length(data.output.password) == `17`",
        "contains(to_string(@), 'hunter')",
    ] {
        assert_eq!(found(condition).await, 0, "{condition}");
    }
    server.stop().await;
}
