//! The table: every dialect, and how it is read. A new one is one more row.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use stepcast_core::wire::sse::Message;

use super::wire::{event_stream, frame, graphql_socket, operation, pause, update, web_socket};
use super::{Asked, Row, Told};
use crate::cbor::{CBOR, JSON};
use crate::harness::{Server, soon};

pub(super) const ROWS: [Row; 21] = [
    of("SSE", |server, asked| sse(server, asked, "").boxed()),
    of("SSE of many", |server, asked| {
        many_sse(server, asked).boxed()
    }),
    of("WebSocket", |server, asked| {
        ws(server, JSON, asked, "").boxed()
    }),
    of("WebSocket in batches", |server, asked| {
        ws(server, JSON, asked, "&batch=true").boxed()
    }),
    of("WebSocket of many", |server, asked| {
        many_ws(server, JSON, asked, "").boxed()
    }),
    of("WebSocket of many in batches", |server, asked| {
        many_ws(server, JSON, asked, "?batch=true").boxed()
    }),
    of("WebSocket in CBOR", |server, asked| {
        ws(server, CBOR, asked, "").boxed()
    }),
    of("WebSocket in batches in CBOR", |server, asked| {
        ws(server, CBOR, asked, "&batch=true").boxed()
    }),
    of("WebSocket of many in CBOR", |server, asked| {
        many_ws(server, CBOR, asked, "").boxed()
    }),
    of("WebSocket of many in batches in CBOR", |server, asked| {
        many_ws(server, CBOR, asked, "?batch=true").boxed()
    }),
    of("pages", |server, asked| {
        pages(server, asked, "limit=5000").boxed()
    }),
    of("small pages", |server, asked| {
        pages(server, asked, "limit=600").boxed()
    }),
    of("long poll", |server, asked| {
        pages(server, asked, "limit=5000&wait_ms=5000").boxed()
    }),
    of("GraphQL over WebSocket", |server, asked| {
        async move { graphql_socket(server, &asked).await }.boxed()
    }),
    of("GraphQL over SSE", |server, asked| {
        graphql_sse(server, asked).boxed()
    }),
    of("Durable Streams, read", |server, asked| {
        durable(server, asked, "").boxed()
    }),
    of("Durable Streams, long poll", |server, asked| {
        durable(server, asked, "&live=long-poll").boxed()
    }),
    of("Durable Streams, SSE", |server, asked| {
        durable_sse(server, asked).boxed()
    }),
    translating("CloudEvents", |server, asked| {
        sse(server, asked, "?format=cloudevents").boxed()
    }),
    translating("AG-UI", |server, asked| {
        translated(server, asked, "agui").boxed()
    }),
    translating("AI SDK", |server, asked| {
        translated(server, asked, "aisdk").boxed()
    }),
];

type Read = for<'a> fn(&'a Server, Asked) -> BoxFuture<'a, Told>;

const fn of(name: &'static str, read: Read) -> Row {
    Row {
        name,
        read,
        translates: false,
    }
}

const fn translating(name: &'static str, read: Read) -> Row {
    Row {
        name,
        read,
        translates: true,
    }
}

fn get(server: &Server, path: &str, asked: &Asked) -> reqwest::RequestBuilder {
    let request = server.client.get(server.url(path));
    match &asked.after {
        Some(after) => request.header("last-event-id", after),
        None => request,
    }
}

/// A message whose data is a frame of ours, and whose id is a place.
fn message(message: &Message, told: &mut Told) -> bool {
    let value = serde_json::from_str(&message.data).unwrap();
    frame(value, Some(message.last_event_id.to_string()), told)
}

async fn sse(server: &Server, asked: Asked, query: &str) -> Told {
    let request = get(
        server,
        &format!("/stream/pipeline/{}{query}", asked.id),
        &asked,
    );
    event_stream(request, &asked, message).await
}

async fn many_sse(server: &Server, asked: Asked) -> Told {
    let path = format!("/stream/executions?execution_id={}", asked.id);
    event_stream(get(server, &path, &asked), &asked, message).await
}

async fn ws(server: &Server, protocol: &str, asked: Asked, query: &str) -> Told {
    let after = asked.after.as_deref().unwrap_or_default();
    let path = format!("/ws/pipeline/{}?after={after}{query}", asked.id);
    web_socket(server, protocol, &path, None, &asked).await
}

async fn many_ws(server: &Server, protocol: &str, asked: Asked, query: &str) -> Told {
    let after = asked.after.as_deref().unwrap_or("earliest");
    let say = json!({ "action": "subscribe", "execution_id": asked.id, "after": after });
    let path = format!("/ws/executions{query}");
    web_socket(server, protocol, &path, Some(say), &asked).await
}

/// One page; the next is asked for as the next connection.
async fn pages(server: &Server, asked: Asked, query: &str) -> Told {
    let after = asked.after.as_deref().unwrap_or_default();
    let path = format!("/api/executions/{}/events?after={after}&{query}", asked.id);
    let (status, page) = soon(server.get(&path)).await;
    assert_eq!(status, 200, "{page}");
    pause(&asked).await;
    let mut told = Told::default();
    for event in page["events"].as_array().unwrap() {
        let place = format!("{}.{}", page["epoch"], event["seq"]);
        told.add(event.clone(), place);
    }
    if page["gap"].is_object() {
        told.gaps.push(super::wire::gap(&page["gap"]));
    }
    told.over = page["closed"].is_object();
    told
}

async fn graphql_sse(server: &Server, asked: Asked) -> Told {
    let request = server.client.post(server.url("/graphql"));
    let request = request
        .header("accept", "text/event-stream")
        .json(&operation(&asked));
    event_stream(request, &asked, |message, told| {
        if message.event == "complete" {
            return true;
        }
        let said: Value = serde_json::from_str(&message.data).unwrap();
        update(&said["data"], told)
    })
    .await
}

/// The events of an answer: each is a place, since an offset is a cursor.
fn offsets(body: &str, next: &str, told: &mut Told) {
    let epoch: u64 = next.split('.').next().unwrap().parse().unwrap();
    for event in serde_json::from_str::<Vec<Value>>(body).unwrap() {
        let place = format!("{epoch}.{}", event["seq"]);
        told.add(event, place);
    }
}

async fn durable(server: &Server, asked: Asked, live: &str) -> Told {
    let offset = asked.after.as_deref().unwrap_or("-1");
    let url = server.url(&format!("/v1/stream/{}?offset={offset}{live}", asked.id));
    let response = soon(server.client.get(url).send()).await.unwrap();
    assert!(
        matches!(response.status().as_u16(), 200 | 204),
        "{}",
        response.status()
    );
    pause(&asked).await;
    let header = |name: &str| {
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().to_owned())
    };
    let next = header("stream-next-offset").unwrap();
    let mut told = Told {
        over: header("stream-closed").is_some(),
        ..Told::default()
    };
    if let Some(gap) = header("stepcast-gap") {
        let (from, to) = gap.split_once('-').unwrap();
        told.gaps.push((from.parse().unwrap(), to.parse().unwrap()));
    }
    let body = soon(response.text()).await.unwrap();
    if !body.is_empty() {
        offsets(&body, &next, &mut told);
    }
    told
}

async fn durable_sse(server: &Server, asked: Asked) -> Told {
    let offset = asked.after.as_deref().unwrap_or("-1");
    let url = server.url(&format!("/v1/stream/{}?offset={offset}&live=sse", asked.id));
    let mut body = String::new();
    event_stream(server.client.get(url), &asked, |message, told| {
        if message.event == "data" {
            body.clone_from(&message.data);
            return false;
        }
        let control: Value = serde_json::from_str(&message.data).unwrap();
        if !body.is_empty() {
            let next = control["streamNextOffset"].as_str().unwrap();
            offsets(&std::mem::take(&mut body), next, told);
        }
        if control["gap"].is_object() {
            told.gaps.push(super::wire::gap(&control["gap"]));
        }
        control["streamClosed"] == true
    })
    .await
}

/// What a protocol makes of a run. Who comes back is told first where it stands, under the place that it named.
async fn translated(server: &Server, asked: Asked, dialect: &str) -> Told {
    let path = format!("/api/{dialect}/executions/{}", asked.id);
    let after = asked.after.clone();
    event_stream(get(server, &path, &asked), &asked, |message, told| {
        let place = message.last_event_id.to_string();
        if message.data != "[DONE]" && after.as_ref() != Some(&place) {
            let value = serde_json::from_str(&message.data).unwrap();
            told.add(value, place);
        }
        false
    })
    .await
}
