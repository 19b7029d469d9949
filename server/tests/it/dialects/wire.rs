//! How dialects are read: event streams, WebSockets and pages.

use std::time::Duration;

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use stepcast_core::wire::sse::Message;
use tokio_tungstenite::tungstenite;

use super::{Asked, Told};
use crate::access_harness::ws as connect;
use crate::cbor::{self, CBOR};
use crate::harness::{Server, Sse, Ws, soon};

/// How long a slow reader reads nothing.
const SLOW: Duration = Duration::from_millis(400);

pub(super) async fn pause(asked: &Asked) {
    if asked.slow {
        tokio::time::sleep(SLOW).await;
    }
}

/// Reads an event stream. `take` says whether it is over; a 204 says so too.
pub(super) async fn event_stream(
    request: reqwest::RequestBuilder,
    asked: &Asked,
    mut take: impl FnMut(&Message, &mut Told) -> bool,
) -> Told {
    let mut told = Told::default();
    let response = soon(request.send()).await.unwrap();
    if response.status().as_u16() == 204 {
        told.over = true;
        return told;
    }
    assert_eq!(response.status().as_u16(), 200, "{asked:?}");
    pause(asked).await;
    let mut stream = Sse::of(response);
    while told.items.len() < asked.most
        && let Some(message) = stream.message().await
    {
        if take(&message, &mut told) {
            told.over = true;
            break;
        }
    }
    told
}

/// An event of ours, or what is said of the stream; true at the end.
pub(super) fn frame(value: Value, place: Option<String>, told: &mut Told) -> bool {
    match value["control"].as_str() {
        None => told.add(value, place),
        Some("gap") => told.gaps.push(gap(&value)),
        Some("closed") => return true,
        Some("hello" | "ping" | "place") => {}
        Some(_) => panic!("{value}"),
    }
    false
}

pub(super) fn gap(value: &Value) -> (u64, u64) {
    let number = |name: &str| {
        let it = &value[name];
        it.as_u64()
            .unwrap_or_else(|| it.as_str().unwrap().parse().unwrap())
    };
    (number("from"), number("to"))
}

/// Reads a WebSocket of ours, whose messages are frames, or several.
pub(super) async fn web_socket(
    server: &Server,
    protocol: &str,
    path: &str,
    say: Option<Value>,
    asked: &Asked,
) -> Told {
    let mut told = Told::default();
    let offered = [("sec-websocket-protocol", protocol)];
    let (mut ws, chosen) = connect(server, path, &offered).await.unwrap();
    assert_eq!(chosen.as_deref(), Some(protocol));
    if let Some(say) = say {
        let said = match protocol {
            CBOR => tungstenite::Message::binary(cbor::written(&say)),
            _ => tungstenite::Message::text(say.to_string()),
        };
        ws.0.send(said).await.unwrap();
    }
    pause(asked).await;
    let mut epoch = Value::Null;
    while told.items.len() < asked.most
        && let Ok(frames) = cbor::frames(&mut ws, protocol == CBOR).await
    {
        for value in frames {
            if value["control"] == "hello" {
                epoch = value["epoch"].clone();
            }
            let place = Some(format!("{epoch}.{}", value["seq"]));
            told.over |= frame(value, place, &mut told);
        }
        if told.over {
            break;
        }
    }
    told
}

/// What a subscription in GraphQL tells; true at its end.
pub(super) fn update(data: &Value, told: &mut Told) -> bool {
    let update = &data["executionEvents"];
    assert!(update.is_object(), "{data}");
    for event in update["events"].as_array().unwrap() {
        let mut it = json!({
            "event_type": event["type"], "execution_id": event["executionId"], "seq": event["seq"],
            "timestamp": event["timestamp"], "data": event["data"],
        });
        for (name, value) in [
            ("step_id", &event["stepId"]),
            ("metadata", &event["metadata"]),
        ] {
            if !value.is_null() {
                it[name] = value.clone();
            }
        }
        told.add(it, event["cursor"].as_str().map(str::to_owned));
    }
    if update["gap"].is_object() {
        told.gaps.push(gap(&update["gap"]));
    }
    update["end"].is_object()
}

pub(super) const FOLLOW: &str = "subscription ($id: ID!, $after: String) {
  executionEvents(id: $id, after: $after, batch: 1000) {
    events { type executionId stepId seq cursor timestamp data metadata }
    gap { from to } end { lastSeq }
  }
}";

pub(super) fn operation(asked: &Asked) -> Value {
    json!({ "query": FOLLOW, "variables": { "id": asked.id, "after": asked.after } })
}

/// Reads a subscription over `graphql-transport-ws`.
pub(super) async fn graphql_socket(server: &Server, asked: &Asked) -> Told {
    let protocol = [("sec-websocket-protocol", "graphql-transport-ws")];
    let (mut ws, _) = connect(server, "/ws/graphql", &protocol).await.unwrap();
    let begin = json!({ "id": "1", "type": "subscribe", "payload": operation(asked) });
    send(&mut ws, &json!({ "type": "connection_init" })).await;
    assert_eq!(ws.frame().await.unwrap()["type"], "connection_ack");
    send(&mut ws, &begin).await;
    pause(asked).await;
    let mut told = Told::default();
    while told.items.len() < asked.most
        && !told.over
        && let Ok(said) = ws.frame().await
    {
        match said["type"].as_str().unwrap() {
            "next" => told.over = update(&said["payload"]["data"], &mut told),
            "ping" => send(&mut ws, &json!({ "type": "pong" })).await,
            "complete" => break,
            _ => panic!("{said}"),
        }
    }
    told
}

async fn send(ws: &mut Ws, said: &Value) {
    let text = tungstenite::Message::text(said.to_string());
    ws.0.send(text).await.unwrap();
}
