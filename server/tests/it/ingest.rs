//! Producers elsewhere: what they send is taken once, in order, whatever breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use serde_json::{Value, json};
use stepcast::config::StoreKind;

use crate::harness::{Server, soon};
use crate::ingest_harness::{announce, end, note, notes, post, send, server_on, stored};
use crate::process::Process;

#[tokio::test]
async fn a_program_creates_an_execution_posts_its_events_and_ends_it() {
    let server = Server::with(|_| {}).await;
    let body = json!({
        "mode": "external", "pipeline": "Night import", "execution_id": "night", "description": "All of it",
        "steps": ["fetch", { "id": "load", "name": "Load rows", "kind": "sql" }],
        "paths": [{ "from": "fetch", "to": "load" }],
        "input": { "day": 3 }, "lease_ms": 5000
    });
    let created = send(&server, "/api/executions", &[], body.to_string()).await;
    assert_eq!(created.status, 201, "{}", created.body);
    assert_eq!(created.header("location"), "/api/executions/night");
    assert_eq!(
        (&created.body["status"], &created.body["lease_ms"]),
        (&json!("pending"), &json!(5000))
    );
    let mut viewer = server.ws("/ws/pipeline/night").await;
    assert_eq!(viewer.frame().await.unwrap()["control"], "hello");
    let first = json!({ "event_type": "step_start", "step_id": "fetch", "data": {}, "metadata": { "at": 7 } });
    let taken = post(&server, "night", None, first).await;
    assert_eq!(taken.status, 200, "{}", taken.body);
    assert_eq!(
        (
            &taken.body["taken"],
            &taken.body["last_seq"],
            &taken.body["status"]
        ),
        (&json!(1), &json!(2), &json!("running"))
    );
    let start = viewer.frame().await.unwrap();
    assert_eq!(start["event_type"], "pipeline_start");
    assert_eq!(start["data"]["pipeline"]["name"], "Night import");
    assert_eq!(
        start["data"]["pipeline"]["steps"],
        json!([{ "id": "fetch", "kind": "external" }, { "id": "load", "name": "Load rows", "kind": "sql" }])
    );
    assert_eq!(start["data"]["input"], json!({ "day": 3 }));
    assert_eq!(
        viewer.frame().await.unwrap()["metadata"],
        json!({ "at": 7 })
    );
    let (_, shown) = server.get("/api/executions/night?view=true").await;
    assert_eq!(
        (
            &shown["status"],
            &shown["external"],
            &shown["view"]["steps"][1]["name"]
        ),
        (&json!("running"), &json!(true), &json!("Load rows"))
    );
    let rest = json!([
        { "event_type": "step_complete", "step_id": "fetch", "data": { "output": {}, "next": ["load"] } },
        { "event_type": "a_word_of_ours" },
        end()
    ]);
    let taken = post(&server, "night", None, rest).await;
    assert_eq!((taken.status, taken.header("stream-closed")), (200, "true"));
    let epoch = taken.header("stream-next-offset").split_once('.').unwrap();
    assert_eq!(epoch.1, "5");
    let (frames, code) = viewer.rest().await;
    assert_eq!(
        (frames.last().unwrap()["reason"].as_str(), code),
        (Some("complete"), 1000)
    );
    let (_, shown) = server.get("/api/executions/night").await;
    assert_eq!(
        (&shown["status"], &shown["progress"]),
        (&json!("completed"), &json!(1.0))
    );
    let late = post(&server, "night", None, note(1)).await;
    assert_eq!((late.status, late.header("stream-closed")), (409, "true"));
    assert_eq!(late.body["reason"], "complete");
    let (_, ready) = server.get("/readyz").await;
    assert_eq!(ready["totals"]["events"], 5);
    server.stop().await;
}

#[tokio::test]
async fn every_status_of_the_producer_rules() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    // (epoch, seq) → status, and the headers that say where the producer stands
    let rows: [(u64, u64, u16, [&str; 4]); 13] = [
        (0, 1, 409, ["", "", "0", "1"]),
        (0, 0, 200, ["0", "0", "", ""]),
        (0, 0, 204, ["0", "0", "", ""]),
        (0, 1, 200, ["0", "1", "", ""]),
        (0, 2, 200, ["0", "2", "", ""]),
        (0, 0, 204, ["0", "2", "", ""]),
        (0, 4, 409, ["", "", "3", "4"]),
        (2, 1, 400, ["", "", "", ""]),
        (2, 0, 200, ["2", "0", "", ""]),
        (1, 0, 403, ["2", "", "", ""]),
        (0, 3, 403, ["2", "", "", ""]),
        (2, 2, 409, ["", "", "1", "2"]),
        (2, 1, 200, ["2", "1", "", ""]),
    ];
    let mut kept = Vec::new();
    for (n, (epoch, seq, status, headers)) in rows.into_iter().enumerate() {
        let answer = post(&server, "e", Some(("p", epoch, seq)), note(n)).await;
        assert_eq!(answer.status, status, "row {n}: {}", answer.body);
        let names = [
            "producer-epoch",
            "producer-seq",
            "producer-expected-seq",
            "producer-received-seq",
        ];
        assert_eq!(names.map(|name| answer.header(name)), headers, "row {n}");
        if status == 200 {
            kept.push(n as u64);
        }
    }
    assert_eq!(notes(&server, "e").await, kept);
    // another producer counts for itself, and one without a name is not counted
    assert_eq!(
        post(&server, "e", Some(("q", 9, 0)), note(20)).await.status,
        200
    );
    assert_eq!(post(&server, "e", None, note(21)).await.status, 200);
    // the request that ends it may be repeated; nothing else may follow
    assert_eq!(
        post(&server, "e", Some(("p", 2, 2)), end()).await.status,
        200
    );
    let again = post(&server, "e", Some(("p", 2, 2)), end()).await;
    assert_eq!((again.status, again.header("stream-closed")), (204, "true"));
    for (producer, epoch, seq) in [("p", 2, 1), ("p", 2, 3), ("r", 0, 0)] {
        let answer = post(&server, "e", Some((producer, epoch, seq)), note(30)).await;
        assert_eq!(
            (answer.status, answer.header("stream-closed")),
            (409, "true")
        );
    }
    // who was replaced is told that first
    let replaced = post(&server, "e", Some(("p", 1, 0)), note(30)).await;
    assert_eq!(
        (replaced.status, replaced.header("producer-epoch")),
        (403, "2")
    );
    server.stop().await;
}

#[tokio::test]
async fn rule_5_a_producer_is_remembered_by_the_next_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = server_on(directory.path()).await;
    announce(&server, "e").await;
    for seq in 0..3 {
        let batch = json!([note(seq), note(seq + 100)]);
        let answer = post(&server, "e", Some(("p", 1, seq as u64)), batch).await;
        assert_eq!(answer.status, 200);
    }
    server.stop().await;

    let server = server_on(directory.path()).await;
    let (_, shown) = server.get("/api/executions/e").await;
    assert_eq!(shown["status"], "running", "its producer may still come");
    let again = post(&server, "e", Some(("p", 1, 2)), json!([note(2), note(102)])).await;
    assert_eq!((again.status, again.header("producer-seq")), (204, "2"));
    assert_eq!(
        post(&server, "e", Some(("p", 0, 3)), note(9)).await.status,
        403
    );
    assert_eq!(
        post(&server, "e", Some(("p", 1, 4)), note(9)).await.status,
        409
    );
    assert_eq!(
        post(&server, "e", Some(("p", 1, 3)), note(3)).await.status,
        200
    );
    assert_eq!(notes(&server, "e").await, [0, 100, 1, 101, 2, 102, 3]);
    let begun = stored(&server, "e").await;
    let starts = begun
        .iter()
        .filter(|event| event["event_type"] == "pipeline_start");
    assert_eq!(starts.count(), 1);
    server.stop().await;
}

#[tokio::test]
async fn without_a_disk_a_producer_is_remembered_as_long_as_the_server_lives() {
    let server = Server::with(|config| config.store = StoreKind::Memory).await;
    announce(&server, "e").await;
    assert_eq!(
        post(&server, "e", Some(("p", 0, 0)), note(0)).await.status,
        200
    );
    assert_eq!(
        post(&server, "e", Some(("p", 0, 0)), note(0)).await.status,
        204
    );
    assert_eq!(notes(&server, "e").await, [0]);
    server.stop().await;
}

#[tokio::test]
async fn creating_may_be_repeated_and_is_no_way_to_take_an_id() {
    let server = Server::with(|_| {}).await;
    let body = |input: u64| json!({ "mode": "external", "pipeline": "p", "execution_id": "e", "input": { "n": input } });
    let create = async |name: &str, input| {
        let headers = [("producer-id", name.to_owned())];
        send(
            &server,
            "/api/executions",
            &headers,
            body(input).to_string(),
        )
        .await
    };
    let first = create("p", 1).await;
    assert_eq!(first.status, 201);
    post(&server, "e", Some(("p", 0, 0)), note(0)).await;
    let again = create("p", 1).await;
    assert_eq!(
        (again.status, &again.body["status"]),
        (200, &json!("running"))
    );
    assert_eq!(again.body["links"], first.body["links"]);
    assert_eq!(create("p", 2).await.status, 409, "another input");
    assert_eq!(create("q", 1).await.status, 409, "another producer");
    let many = (0..8).map(|_| {
        let request = json!({ "mode": "external", "pipeline": "p", "execution_id": "at-once" });
        let sending = server
            .client
            .post(server.url("/api/executions"))
            .json(&request)
            .send();
        async { sending.await.unwrap().status().as_u16() }
    });
    let mut statuses = soon(futures_util::future::join_all(many)).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_never_mixed_with_another_and_is_kept_whole_or_not_at_all() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    let producers = (0..8_usize).map(|number| {
        let (server, producer) = (&server, format!("p{number}"));
        async move {
            for seq in 0..5 {
                let first = (number * 5 + seq) * 100;
                let events = json!((first..first + 25).map(note).collect::<Vec<_>>());
                let answer = post(server, "e", Some((&producer, 0, seq as u64)), events).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
            }
        }
    });
    soon(futures_util::future::join_all(producers)).await;
    let all = notes(&server, "e").await;
    assert_eq!(all.len(), 1000);
    for batch in all.chunks(25) {
        let first = batch[0];
        assert_eq!(batch, (first..first + 25).collect::<Vec<_>>());
    }
    let refused = post(
        &server,
        "e",
        None,
        json!([note(1), { "event_type": "Bad" }]),
    )
    .await;
    assert_eq!(refused.status, 422);
    let refused = post(&server, "e", None, json!([note(1), end(), note(2)])).await;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["path"]),
        (422, &json!("$[2]"))
    );
    assert_eq!(notes(&server, "e").await.len(), 1000);
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_refuses_gives_507_and_what_is_repeated_is_kept_once() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    assert_eq!(
        post(&server, "e", Some(("p", 0, 0)), note(0)).await.status,
        200
    );
    let database = Connection::open(server.directory.path().join("data/stepcast.db")).unwrap();
    database
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(ABORT, 'the disk is full'); END",
        )
        .unwrap();
    for _ in 0..2 {
        let refused = post(&server, "e", Some(("p", 0, 1)), note(1)).await;
        assert_eq!(refused.status, 507, "{}", refused.body);
    }
    assert_eq!(
        notes(&server, "e").await,
        [0],
        "readers are served meanwhile"
    );
    database.execute_batch("DROP TRIGGER full").unwrap();
    let mut statuses = Vec::new();
    soon(async {
        while !statuses.contains(&204) {
            statuses.push(post(&server, "e", Some(("p", 0, 1)), note(1)).await.status);
        }
    })
    .await;
    assert_eq!(
        post(&server, "e", Some(("p", 0, 2)), note(2)).await.status,
        200
    );
    assert_eq!(notes(&server, "e").await, [0, 1, 2]);
    server.stop().await;
}

#[tokio::test]
async fn rule_5_a_server_that_is_killed_loses_nothing_acknowledged_and_takes_nothing_twice() {
    const ROUNDS: u64 = 6;
    let directory = tempfile::tempdir().unwrap();
    let _already = rustls::crypto::ring::default_provider().install_default();
    let mut process = Process::start(directory.path(), "127.0.0.1:0").await;
    let client = reqwest::Client::new();
    let address = process.address.clone();
    let create = json!({ "mode": "external", "pipeline": "p", "execution_id": "e" });
    let created = client
        .post(format!("http://{address}/api/executions"))
        .json(&create);
    assert_eq!(created.send().await.unwrap().status(), 201);
    // sends each batch until it is acknowledged, whatever happens to the server
    let acknowledged = Arc::new(AtomicU64::new(0));
    let producer = tokio::spawn({
        let (client, address, acknowledged) =
            (client.clone(), address.clone(), acknowledged.clone());
        async move {
            let mut seq = 0;
            while seq < ROUNDS * 20 {
                let at = usize::try_from(seq).unwrap();
                let sent = client
                    .post(format!("http://{address}/api/executions/e/events"))
                    .header("producer-id", "p")
                    .header("producer-epoch", "0")
                    .header("producer-seq", seq)
                    .json(&json!([note(at * 2), note(at * 2 + 1)]));
                match sent.send().await {
                    Ok(answer) if [200, 204].contains(&answer.status().as_u16()) => {
                        seq += 1;
                        acknowledged.store(seq, Ordering::Release);
                    }
                    Ok(answer) => panic!("{} {}", answer.status(), answer.text().await.unwrap()),
                    Err(_dead) => tokio::task::yield_now().await,
                }
            }
        }
    });
    for round in 0..ROUNDS {
        soon(async {
            while acknowledged.load(Ordering::Acquire) < round * 20 + 5 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let listen = process.kill().await;
        process = Process::start(directory.path(), &listen).await;
    }
    soon(producer).await.unwrap();
    let page = client.get(format!(
        "http://{address}/api/executions/e/events?limit=5000"
    ));
    let page: Value = page.send().await.unwrap().json().await.unwrap();
    let events = page["events"].as_array().unwrap();
    let kept: Vec<u64> = events
        .iter()
        .filter_map(|event| event["data"]["n"].as_u64())
        .collect();
    assert_eq!(kept, (0..ROUNDS * 40).collect::<Vec<_>>());
    process.kill().await;
}

#[tokio::test]
async fn a_start_of_the_producers_own_is_kept_and_completed() {
    let server = Server::with(|_| {}).await;
    announce(&server, "e").await;
    let start = json!({ "event_type": "pipeline_start", "data": { "input": { "own": true } } });
    let taken = post(&server, "e", None, start).await;
    assert_eq!(taken.body["last_seq"], 1);
    let events = stored(&server, "e").await;
    assert_eq!(events[0]["data"]["input"], json!({ "own": true }));
    assert_eq!(events[0]["data"]["pipeline"]["name"], "Elsewhere");
    server.stop().await;
}
