//! HTTP/2: many streams on one connection, each by itself.

use std::time::Duration;

use reqwest::{Response, Version};
use stepcast::log::Budget;
use stepcast_core::wire::sse::Item;

use crate::fan::ids;
use crate::harness::{Sse, complete, progress, soon};
use crate::tls_harness::Secured;

async fn open(client: &reqwest::Client, url: String) -> Response {
    let response = soon(client.get(url).send()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, Version::HTTP_2)
    );
    response
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_1_and_9_event_streams_of_one_connection_get_the_same() {
    let secured = Secured::with(|config| config.durability = stepcast::log::Durability::Off).await;
    let context = secured.server.execution("many", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let mut streams = Vec::new();
    for format in ["full", "short", "message"].into_iter().cycle().take(60) {
        let url = secured
            .server
            .url(&format!("/stream/pipeline/many?format={format}"));
        let response = open(&secured.server.client, url).await;
        assert_eq!(response.headers().get("connection"), None);
        streams.push(tokio::spawn(async move { response.text().await.unwrap() }));
    }
    for n in 2..1000 {
        context.emit(progress(n)).await.unwrap();
    }
    context.emit(complete()).await.unwrap();
    let every: Vec<u64> = (1..=1000).collect();
    for stream in streams {
        let text = soon(stream).await.unwrap();
        assert!(ids(&text) == every, "an event stream");
        assert!(text.contains("\"control\":\"closed\""));
    }
    secured.stop().await;
}

#[tokio::test]
async fn a_websocket_is_refused_there_with_the_way_out() {
    let secured = Secured::start().await;
    secured.server.execution("e", Budget::default());
    let request = secured
        .server
        .client
        .get(secured.server.url("/ws/pipeline/e"));
    let answer = soon(request.send()).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.version()),
        (400, Version::HTTP_2)
    );
    assert!(answer.text().await.unwrap().contains("HTTP/1.1"));
    // what a browser does: a connection of its own for it
    let mut ws = secured.ws("/ws/pipeline/e").await;
    assert_eq!(ws.frame().await.unwrap()["control"], "hello");
    secured.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_reset_and_the_others_of_its_connection_go_on() {
    let secured = Secured::with(|config| config.write_deadline_ms = 500).await;
    let builder = secured.authority.client();
    let client = builder
        .http2_initial_stream_window_size(64 << 10)
        .build()
        .unwrap();
    let context = secured.server.execution("e", Budget::default());
    let url = secured.server.url("/stream/pipeline/e");
    let stalled = open(&client, url.clone()).await;
    let mut other = Sse::of(open(&client, url).await);
    let other = tokio::spawn(async move {
        let mut seen = 0;
        while let Some(item) = other.item().await {
            let is_event =
                matches!(item, Item::Message(message) if message.data.contains("\"seq\""));
            seen += usize::from(is_event);
        }
        seen
    });
    let mut event = progress(1);
    event.data = serde_json::json!({ "text": "x".repeat(20_000) });
    for _ in 0..20 {
        context.emit(event.clone()).await.unwrap();
    }
    // longer than the deadline: the other is heard all the while
    for n in 0..15 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        context.emit(progress(n)).await.unwrap();
    }
    context.emit(complete()).await.unwrap();
    assert_eq!(other.await.unwrap(), 36);
    let cut = soon(stalled.text()).await;
    assert!(cut.is_err(), "it was not reset");
    secured.stop().await;
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_in_words() {
    let secured = Secured::start().await;
    let context = secured.server.execution("e", Budget::default());
    context.emit(progress(1)).await.unwrap();
    let response = open(
        &secured.server.client,
        secured.server.url("/stream/pipeline/e"),
    )
    .await;
    let reading = tokio::spawn(async move { response.text().await.unwrap() });
    // it is at the tail
    tokio::time::sleep(Duration::from_millis(100)).await;
    soon(secured.stop()).await;
    let text = soon(reading).await.unwrap();
    assert!(text.contains("\"control\":\"goaway\""), "{text}");
}
