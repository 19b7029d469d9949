//! The ends that a producer does not write: its silence, a viewer's cancel, and too much of everything.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::executions::Announcement;
use stepcast::log::Durability;

use crate::harness::{Server, soon};
use crate::ingest_harness::{
    announce, end, note, notes, post, post_lines, send, server_on, server_with,
};

async fn ended(server: &Server, id: &str) -> Value {
    let (frames, _) = server.ws(&format!("/ws/pipeline/{id}")).await.rest().await;
    frames[frames.len() - 2].clone()
}

async fn beat(server: &Server, id: &str, headers: &[(&'static str, String)]) -> (u16, Value) {
    let path = format!("/api/executions/{id}/heartbeat");
    send(server, &path, headers, "").await.into()
}

#[tokio::test]
async fn rule_6_an_execution_whose_producer_falls_silent_ends_as_producer_lost() {
    let server = Server::with(|config| config.lease_ms = 200).await;
    for id in ["begun", "never-begun"] {
        assert_eq!(announce(&server, id).await.status, 201);
    }
    assert_eq!(
        post(&server, "begun", Some(("p", 0, 0)), note(0))
            .await
            .status,
        200
    );
    for id in ["begun", "never-begun"] {
        let last = ended(&server, id).await;
        assert_eq!(
            (&last["event_type"], &last["data"]["reason"]),
            (&json!("pipeline_error"), &json!("producer_lost"))
        );
        let (_, shown) = server.get(&format!("/api/executions/{id}")).await;
        assert_eq!(shown["status"], "producer_lost");
    }
    let late = post(&server, "begun", Some(("p", 0, 1)), note(1)).await;
    assert_eq!(
        (late.status, &late.body["reason"]),
        (409, &json!("producer_lost"))
    );
    let late = beat(&server, "begun", &[]).await;
    assert_eq!((late.0, &late.1["reason"]), (409, &json!("producer_lost")));
    server.stop().await;
}

#[tokio::test]
async fn a_heartbeat_keeps_an_execution_and_a_replaced_producer_cannot() {
    let server = Server::with(|config| config.lease_ms = 3_000).await;
    announce(&server, "kept").await;
    announce(&server, "left").await;
    let last = ended(&server, "left");
    let beating = async {
        loop {
            let (status, told) = beat(&server, "kept", &[]).await;
            assert_eq!((status, &told["lease_ms"]), (200, &json!(3000)));
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // both began together: while the one that is left alone ends, the other is kept
    tokio::select! {
        last = last => assert_eq!(last["data"]["reason"], "producer_lost"),
        () = beating => {}
    }
    assert_eq!(
        server.get("/api/executions/kept").await.1["status"],
        "pending"
    );
    post(&server, "kept", Some(("p", 0, 0)), note(0)).await;
    post(&server, "kept", Some(("p", 1, 0)), note(1)).await;
    let as_epoch = |epoch: u64| {
        [
            ("producer-id", "p".to_owned()),
            ("producer-epoch", epoch.to_string()),
        ]
    };
    assert_eq!(beat(&server, "kept", &as_epoch(1)).await.0, 200);
    assert_eq!(beat(&server, "kept", &as_epoch(0)).await.0, 403);
    assert_eq!(beat(&server, "no-such", &[]).await.0, 404);
    // nobody but the replaced producer speaks: its word does not count
    let replaced = async {
        loop {
            beat(&server, "kept", &as_epoch(0)).await;
            post(&server, "kept", Some(("p", 0, 5)), note(1)).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        last = ended(&server, "kept") => assert_eq!(last["data"]["reason"], "producer_lost"),
        () = replaced => {}
    }
    server.stop().await;
}

#[tokio::test]
async fn rule_6_a_restart_interrupts_no_producer_and_each_gets_a_fresh_lease() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_on(directory.path()).await;
    for (id, lease) in [("back", 3_000), ("gone", 1_000), ("quiet", 1_000)] {
        let body =
            json!({ "mode": "external", "pipeline": "p", "execution_id": id, "lease_ms": lease });
        assert_eq!(server.post("/api/executions", body).await.0, 201);
    }
    for id in ["back", "gone"] {
        assert_eq!(
            post(&server, id, Some(("p", 0, 0)), note(0)).await.status,
            200
        );
    }
    server.stop().await;
    // all leases run out while nobody serves
    tokio::time::sleep(Duration::from_millis(3_100)).await;
    let server = server_on(directory.path()).await;
    let again = post(&server, "back", Some(("p", 0, 0)), note(0)).await;
    assert_eq!(again.status, 204, "{}", again.body);
    assert_eq!(
        post(&server, "back", Some(("p", 0, 1)), end()).await.status,
        200
    );
    assert_eq!(notes(&server, "back").await, [0]);
    for id in ["gone", "quiet"] {
        assert_eq!(ended(&server, id).await["data"]["reason"], "producer_lost");
    }
    server.stop().await;
}

#[tokio::test]
async fn rule_7_a_viewer_cancels_and_the_producer_learns_it() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    post(&server, "e", Some(("p", 0, 0)), note(0)).await;
    let viewer = server.ws("/ws/pipeline/e").await;
    assert_eq!(
        server.post("/api/executions/e/cancel", json!({})).await.0,
        202
    );
    let (frames, code) = viewer.rest().await;
    assert_eq!(
        (frames.last().unwrap()["reason"].as_str(), code),
        (Some("cancelled"), 1000)
    );
    let told = post(&server, "e", Some(("p", 0, 1)), note(1)).await;
    assert_eq!((told.status, told.header("stream-closed")), (409, "true"));
    assert_eq!(told.body["reason"], "cancelled");
    let told = post_lines(&server, "e", Some(("p", 0, 1)), note(1).to_string()).await;
    assert_eq!(
        (told.status, &told.body["reason"]),
        (409, &json!("cancelled"))
    );
    // what was taken before is still told so
    assert_eq!(
        post(&server, "e", Some(("p", 0, 0)), note(0)).await.status,
        204
    );
    assert_eq!(
        server.post("/api/executions/e/cancel", json!({})).await.0,
        409
    );
    assert_eq!(notes(&server, "e").await, [0]);
    server.stop().await;
}

#[tokio::test]
async fn rule_11_the_executions_of_producers_are_counted_until_they_end() {
    let server = Server::with(|config| config.max_external = 2).await;
    for id in ["a", "b"] {
        assert_eq!(announce(&server, id).await.status, 201);
    }
    let full = announce(&server, "c").await;
    assert_eq!((full.status, full.header("retry-after")), (429, "5"));
    assert_eq!(
        announce(&server, "a").await.status,
        200,
        "it is there already"
    );
    post(&server, "a", None, end()).await;
    assert_eq!(announce(&server, "c").await.status, 201);
    assert_eq!(announce(&server, "d").await.status, 429);
    server.post("/api/executions/b/cancel", json!({})).await;
    assert_eq!(announce(&server, "d").await.status, 201);
    server.stop().await;
}

#[tokio::test]
async fn rule_11_an_execution_that_nobody_starts_ends_and_their_number_has_a_limit() {
    let directory = tempfile::tempdir().unwrap();
    let create = |id: &str| {
        json!({ "mode": "create", "execution_id": id, "definition": {
            "name": "Quick", "steps": [{ "id": "s", "type": "set", "config": { "values": {} } }],
            "flow": { "start_at": "s", "paths": [] }
        } })
    };
    let server = server_with(directory.path(), |config| config.max_created = 2).await;
    for id in ["a", "b"] {
        assert_eq!(server.post("/api/executions", create(id)).await.0, 201);
    }
    assert_eq!(server.post("/api/executions", create("c")).await.0, 429);
    assert_eq!(
        server.post("/api/executions/a/start", json!({})).await.0,
        202
    );
    assert_eq!(server.post("/api/executions", create("c")).await.0, 201);
    assert_eq!(
        server.post("/api/executions/b/cancel", json!({})).await.0,
        202
    );
    assert_eq!(server.post("/api/executions", create("d")).await.0, 201);
    assert_eq!(ended(&server, "a").await["event_type"], "pipeline_complete");
    server.stop().await;

    let server = server_with(directory.path(), |config| config.start_within_seconds = 1).await;
    for id in ["c", "d"] {
        let last = ended(&server, id).await;
        assert_eq!(last["data"]["reason"], "timeout", "{last}");
        assert_eq!(
            server
                .post(&format!("/api/executions/{id}/start"), json!({}))
                .await
                .0,
            409
        );
    }
    server.stop().await;
}

#[tokio::test]
async fn rule_11_a_producer_that_is_too_fast_is_told_to_wait_and_a_stream_waits_by_itself() {
    let server = Server::with(|config| config.max_events_per_second = 40).await;
    announce(&server, "e").await;
    let forty = json!((0..40).map(note).collect::<Vec<_>>());
    // a machine that is slow enough to fill the allowance between two requests gets another chance
    let mut seq = 0;
    let refused = loop {
        let answer = post(&server, "e", Some(("p", 0, seq)), forty.clone()).await;
        if answer.status != 200 {
            break answer;
        }
        seq += 1;
    };
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(seq > 0, "the first was taken");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let again = post(&server, "e", Some(("p", 0, seq)), forty).await;
    assert_eq!(again.status, 200, "{}", again.body);
    let next = Some(("p", 0, seq + 1));
    let many = json!((0..41).map(note).collect::<Vec<_>>());
    let refused = post(&server, "e", next, many).await;
    assert_eq!(refused.status, 413, "it would never fit: {}", refused.body);
    let lines: String = (0..60).map(|n| format!("{}\n", note(n))).collect();
    let taken = post_lines(&server, "e", next, lines).await;
    assert_eq!((taken.status, &taken.body["taken"]), (200, &json!(60)));
    // another execution has a rate of its own
    announce(&server, "other").await;
    assert_eq!(post(&server, "other", None, note(0)).await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn rule_11_idle_executions_leave_memory() {
    let server = Server::with(|config| {
        config.durability = Durability::Off;
        config.max_external = 2_000;
    })
    .await;
    for n in 0..2_000 {
        let announcement = Announcement {
            execution_id: Some(format!("e{n}").parse().unwrap()),
            name: "Idle".into(),
            pipeline: json!({ "name": "Idle" }),
            input: json!({}),
            lease: None,
            producer: None,
            owner: None,
            trace: None,
        };
        let (_, new) = server.executions.announce(announcement).await.unwrap();
        assert!(new);
    }
    assert_eq!(server.executions.log().bytes_in_memory(), 0);
    assert_eq!(announce(&server, "one-more").await.status, 429);
    server.stop().await;
}

#[tokio::test]
async fn rule_6_without_a_disk_leases_end_too() {
    let server = Server::with(|config| {
        config.store = StoreKind::Memory;
        config.lease_ms = 100;
    })
    .await;
    announce(&server, "e").await;
    let last = soon(ended(&server, "e")).await;
    assert_eq!(last["data"]["reason"], "producer_lost");
    server.stop().await;
}
