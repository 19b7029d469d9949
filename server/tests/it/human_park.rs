//! Runs that do nothing but wait leave memory, and nobody notices.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::StoreKind;

use crate::harness::{Server, soon};
use crate::human_api::{asks, form, of_kind};

impl Server {
    /// Waits until so many runs are put away.
    async fn parks(&self, count: usize) {
        soon(async {
            while self.executions.parked() != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_put_away_is_listed_refuses_what_does_not_fit_and_takes_one_answer_of_many() {
    let server = Server::with(|_| {}).await;
    for n in 0..4 {
        server
            .run(
                &format!("p{n}"),
                asks(json!({"prompt": "?", "form": form()})),
            )
            .await;
    }
    let mut viewer = server.sse("/stream/pipeline/p0", None).await;
    server.parks(4).await;
    let (_, all) = server.get("/api/waits").await;
    assert_eq!(all["waits"].as_array().unwrap().len(), 4);
    let (_, first) = server.get("/api/waits?limit=1").await;
    assert_eq!(
        (&first["waits"][0]["execution_id"], &first["total"]),
        (&json!("p0"), &json!(4))
    );
    let (_, waits) = server.get("/api/executions/p0/waits").await;
    assert_eq!(waits["waits"][0]["status"], "waiting");
    let before = server.events("p0").await;
    for (wait, answer, status) in [
        ("review.1", json!({"decision": "perhaps"}), 422),
        ("review.2", json!({"decision": "publish"}), 404),
    ] {
        assert_eq!(
            server.answer("p0", wait, json!({"answer": answer})).await.0,
            status
        );
        let (_, waits) = server.get("/api/executions/p0/waits").await;
        assert_eq!(waits["waits"][0]["status"], "waiting");
        server.parks(4).await;
    }
    assert_eq!(server.events("p0").await, before, "nothing of that is told");

    let answers: Vec<_> = (0..40)
        .map(|n| {
            let url = server.url("/api/executions/p0/waits/review.1/answer");
            let body = json!({"answer": {"decision": "publish", "note": n.to_string()}});
            let request = server.client.post(url).json(&body);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        })
        .collect();
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(soon(answer).await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!((statuses[0], statuses[1]), (200, 409), "{statuses:?}");
    assert_eq!(statuses[39], 409);
    server.stands("p0", "completed").await;
    // a viewer that was there all the time has seen it all, once
    let mut seen = Vec::new();
    while let Some(message) = viewer.message().await {
        if message.event != "control" {
            let event: Value = serde_json::from_str(&message.data).unwrap();
            seen.push(event["seq"].as_u64().unwrap());
        }
    }
    let whole: Vec<u64> = (1..=server.events("p0").await.len() as u64).collect();
    assert_eq!(seen, whole);

    assert_eq!(
        server.post("/api/executions/p1/cancel", json!({})).await.0,
        202
    );
    let begun = std::time::Instant::now();
    server.stands("p1", "cancelled").await;
    assert!(begun.elapsed() < Duration::from_secs(1));
    server.parks(2).await;
    server.stop().await;
}

#[tokio::test]
async fn a_deadline_finds_a_run_that_is_put_away() {
    let server = Server::with(|_| {}).await;
    let config = json!({"choices": ["a", "b"], "timeout_seconds": 4, "default": "b"});
    server.run("timed", asks(config)).await;
    server.parks(1).await;
    server.stands("timed", "waiting").await;
    server.stands("timed", "completed").await;
    assert_eq!(server.executions.parked(), 0);
    let events = server.events("timed").await;
    assert_eq!(of_kind(&events, "answered")[0]["data"]["source"], "default");
    let end = &events.last().unwrap()["data"];
    assert!(end["duration_ms"].as_f64().unwrap() < 1000.0, "{end}");
    server.stop().await;
}

#[tokio::test]
async fn the_time_before_a_question_counts_after_a_run_comes_back() {
    let server = Server::with(|_| {}).await;
    let mut definition = asks(json!({"choices": ["a"]}));
    definition["steps"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": "work", "type": "delay", "config": {"seconds": 0.3}}));
    definition["flow"] = json!({"start_at": "work", "paths": [{"from": "work", "to": "review"}]});
    server.run("works", definition).await;
    server.parks(1).await;
    let body = json!({"answer": {"decision": "a"}});
    assert_eq!(server.answer("works", "review.1", body).await.0, 200);
    server.stands("works", "completed").await;
    let events = server.events("works").await;
    let whole = events.last().unwrap()["data"]["duration_ms"]
        .as_f64()
        .unwrap();
    assert!(whole >= 300.0, "{whole}");
    server.stop().await;
}

#[tokio::test]
async fn what_could_not_come_back_stays_in_memory() {
    let large =
        json!({"id": "large", "type": "set", "config": {"values": {"text": "x".repeat(100_000)}}});
    let definition = |first: Value| {
        let mut definition = asks(json!({"choices": ["a"]}));
        let start = first["id"].clone();
        definition["steps"].as_array_mut().unwrap().push(first);
        definition["flow"] = json!({"start_at": start, "paths": [{"from": start, "to": "review"}]});
        definition
    };
    let small = json!({"id": "small", "type": "set", "config": {"values": {"text": "x"}}});
    for (store, parked) in [(StoreKind::Sqlite, 1), (StoreKind::Memory, 0)] {
        let server = Server::with(|config| {
            config.store = store;
            config.retention_execution_events = 3;
            config.retention_interval_ms = 100;
        })
        .await;
        server.run("large", definition(large.clone())).await;
        server.run("small", definition(small.clone())).await;
        for id in ["large", "small"] {
            server.stands(id, "waiting").await;
        }
        server.parks(parked).await;
        // longer than any of them is left in memory, and than retention takes to trim
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(server.executions.parked(), parked);
        for id in ["large", "small"] {
            let body = json!({"answer": {"decision": "a"}});
            assert_eq!(server.answer(id, "review.1", body).await.0, 200);
            server.stands(id, "completed").await;
        }
        server.stop().await;
    }
}
