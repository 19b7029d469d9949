//! What retention takes away, what it leaves, and what those who read see of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::{Value, json};
use stepcast::config::StoreKind;
use stepcast::log::{
    Along, Budget, Durability, ListQuery, Log, LogFile, MemoryStore, NewExecution, Reader,
    Retention, Shrink as _, SqliteStore, Store, StoreError, Stream,
};
use stepcast_core::control::EndReason;
use stepcast_core::id::ExecutionId;

use crate::harness::{Server, complete, emit, progress, seqs, soon};

fn open(directory: &Path) -> Log {
    let store = SqliteStore::open(directory, Durability::Process).unwrap();
    Log::new(Arc::new(store))
}

fn id(text: &str) -> ExecutionId {
    text.parse().unwrap()
}

/// A ring of two events: what is older comes from the store.
fn create(log: &Log, name: &str) -> Arc<Stream> {
    let budget = Budget {
        events: 2,
        ..Budget::default()
    };
    log.create(&NewExecution::named(id(name), "test", 1), budget)
        .unwrap()
}

async fn fill(stream: &Arc<Stream>, count: usize) {
    let mut last = stream.tail().last_seq;
    for n in 0..count {
        last = stream.append(&progress(n)).await.unwrap();
    }
    stream.settled(last).await.unwrap();
}

async fn end(stream: &Arc<Stream>) {
    let last = stream.append(&complete()).await.unwrap();
    stream.settled(last).await.unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
}

/// Looked at so often that a test need not wait.
fn often() -> Retention {
    Retention {
        interval: Duration::from_millis(5),
        ..Retention::default()
    }
}

async fn until(mut is_so: impl FnMut() -> bool) {
    soon(async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

fn ids(log: &Log) -> Vec<String> {
    let query = ListQuery {
        limit: usize::MAX,
        ..ListQuery::default()
    };
    let rows = log.store().list(&query).unwrap();
    rows.iter().rev().map(|row| row.id.to_string()).collect()
}

fn earliest(log: &Log, name: &str) -> u64 {
    log.store().find(&id(name)).unwrap().unwrap().earliest
}

async fn is_sound(directory: &Path) {
    let file = LogFile::open(directory).unwrap();
    let mut findings = Vec::new();
    file.check(&mut |finding| findings.push(finding.to_owned()))
        .unwrap();
    assert!(findings.is_empty(), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_3_what_retention_took_is_announced_on_every_transport() {
    let server = Server::with(|config| {
        config.buffer_size = 2;
        config.retention_execution_events = 10;
        config.retention_interval_ms = 100;
    })
    .await;
    let budget = Budget {
        events: 2,
        ..Budget::default()
    };
    let context = server.execution("live", budget);
    for n in 1..=100 {
        context.emit(progress(n)).await.unwrap();
    }
    until(|| earliest(server.executions.log(), "live") == 91).await;
    // the numbers go on, although their events are gone
    for n in 101..=105 {
        assert_eq!(context.emit(progress(n)).await.unwrap(), n as u64);
    }
    emit(&context, 1).await;
    until(|| earliest(server.executions.log(), "live") == 97).await;
    let expected: Vec<u64> = (97..=106).collect();

    let (frames, code) = server.ws("/ws/pipeline/live").await.rest().await;
    assert_eq!((frames[1]["control"].as_str(), code), (Some("gap"), 1000));
    assert_eq!(
        (&frames[1]["from"], &frames[1]["to"], &frames[1]["reason"]),
        (&json!(1), &json!(96), &json!("retention"))
    );
    assert_eq!(seqs(&frames), expected);

    let messages = server.sse("/stream/pipeline/live", None).await.rest().await;
    let frames: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::from_str(&message.data).unwrap())
        .collect();
    assert_eq!(
        (&frames[1]["from"], &frames[1]["to"]),
        (&json!(1), &json!(96))
    );
    assert_eq!(seqs(&frames), expected);

    let (_, page) = server.get("/api/executions/live/events").await;
    assert_eq!(
        page["gap"],
        json!({"from": 1, "to": 96, "reason": "retention"})
    );
    assert_eq!(seqs(page["events"].as_array().unwrap()), expected);
    let (_, row) = server.get("/api/executions/live").await;
    assert_eq!(
        (&row["earliest"], &row["last_seq"]),
        (&json!(97), &json!(106))
    );
    server.stop().await;
}

#[tokio::test]
async fn rule_4_the_newest_event_stays_and_its_number_is_not_given_again() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let stream = create(&log, "e");
    fill(&stream, 50).await;
    log.set_retention(Retention {
        execution_bytes: Some(1),
        ..often()
    });
    until(|| earliest(&log, "e") == 50).await;
    drop(stream);
    log.close();
    let log = open(directory.path());
    let stream = log.open(&id("e")).unwrap().unwrap();
    assert_eq!(stream.tail().last_seq, 50);
    assert_eq!(stream.append(&progress(51)).await, Ok(51));
}

#[tokio::test]
async fn bytes_of_one_execution_are_bounded_while_it_grows() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    const LIMIT: u64 = 40_000;
    log.set_retention(Retention {
        execution_bytes: Some(LIMIT),
        ..often()
    });
    let stream = create(&log, "e");
    let database = Connection::open(directory.path().join("stepcast.db")).unwrap();
    let bytes = || -> i64 {
        let sum = "SELECT sum(length(json)) FROM events";
        database.query_row(sum, [], |row| row.get(0)).unwrap()
    };
    for round in 0..5 {
        fill(&stream, 1000).await;
        log.flush();
        until(|| bytes().unsigned_abs() <= LIMIT).await;
        assert!(bytes() > 38_000, "no more than needed goes: {}", bytes());
        assert!(earliest(&log, "e") > round * 1000);
    }
    let mut page = Reader::new(stream, 0).read(10_000).await.unwrap();
    let (from, to) = page.gap.unwrap();
    assert_eq!((from, page.records.remove(0).seq()), (1, to + 1));
    assert_eq!(page.records.last().unwrap().seq(), 5000, "to the tail");
}

#[tokio::test]
async fn the_oldest_ends_go_by_number_by_age_and_by_size_and_what_runs_stays() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let running = create(&log, "running");
    fill(&running, 3).await;
    create(&log, "waits-to-be-started");
    for n in 0..6 {
        let stream = create(&log, &format!("e{n}"));
        fill(&stream, 400).await;
        end(&stream).await;
    }
    log.set_retention(Retention {
        executions: Some(4),
        ..often()
    });
    until(|| ids(&log).len() == 6).await;
    let kept = ["running", "waits-to-be-started", "e2", "e3", "e4", "e5"];
    assert_eq!(ids(&log), kept);

    Connection::open(directory.path().join("stepcast.db"))
        .unwrap()
        .execute(
            "UPDATE executions SET ended_at = 1 WHERE id IN ('e2', 'e4')",
            [],
        )
        .unwrap();
    log.set_retention(Retention {
        age: Some(Duration::from_secs(3600)),
        ..often()
    });
    until(|| ids(&log).len() == 4).await;
    assert_eq!(ids(&log), ["running", "waits-to-be-started", "e3", "e5"]);

    let store = log.store().shrinks().unwrap();
    let limit = store.used_bytes().unwrap() - 1;
    log.set_retention(Retention {
        bytes: Some(limit),
        ..often()
    });
    until(|| ids(&log).len() == 3).await;
    assert!(store.used_bytes().unwrap() <= limit);
    log.set_retention(Retention {
        bytes: Some(1),
        ..often()
    });
    until(|| ids(&log).len() == 2).await;
    assert_eq!(ids(&log), ["running", "waits-to-be-started"]);
    assert_eq!(running.append(&progress(4)).await, Ok(4));
    log.close();
    is_sound(directory.path()).await;
}

#[tokio::test]
async fn what_was_taken_away_is_given_back_to_the_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let stream = create(&log, "e");
    fill(&stream, 20_000).await;
    end(&stream).await;
    drop(stream);
    let database = Connection::open(directory.path().join("stepcast.db")).unwrap();
    let pages = || -> i64 {
        let count = database.query_row("PRAGMA page_count", [], |row| row.get(0));
        count.unwrap()
    };
    let before = pages();
    assert!(log.delete(&id("e")).unwrap());
    until(|| pages() < before / 10).await;
}

async fn deleted_while_it_is_read(log: Log) {
    let stream = create(&log, "e");
    for n in 1..10 {
        stream.append(&progress(n)).await.unwrap();
    }
    assert!(matches!(log.delete(&id("e")), Err(StoreError::UnderWay)));
    end(&stream).await;
    let mut reader = Reader::new(stream.clone(), 0);
    assert!(log.delete(&id("e")).unwrap());
    assert!(!log.delete(&id("e")).unwrap(), "there is none any more");
    assert!(log.open(&id("e")).unwrap().is_none());
    // what the ring has, a gap for the rest, and the end
    let mut seen = Vec::new();
    let ended = loop {
        soon(reader.grown()).await;
        let page = reader.read(3).await.unwrap();
        seen.extend(page.gap.iter().flat_map(|&(from, to)| from..=to));
        seen.extend(page.records.iter().map(stepcast::log::Record::seq));
        if let Some(ended) = page.ended {
            break ended;
        }
    };
    assert_eq!(ended, (10, EndReason::Complete));
    assert_eq!(seen, (1..=10).collect::<Vec<_>>());
    // the id may be used again, though the former stream is still held: another epoch
    let again = create(&log, "e");
    assert!(again.epoch() > stream.epoch());
    assert_eq!(again.append(&progress(1)).await, Ok(1));
    assert!(stream.append(&progress(11)).await.is_err());
    drop((stream, reader));
    let found = log.open(&id("e")).unwrap().unwrap();
    assert!(Arc::ptr_eq(&found, &again));
}

#[tokio::test]
async fn rule_4_an_id_used_again_is_another_execution_and_its_former_readers_come_to_an_end() {
    let directory = tempfile::tempdir().unwrap();
    deleted_while_it_is_read(open(directory.path())).await;
    deleted_while_it_is_read(Log::new(Arc::new(MemoryStore::new()))).await;
}

#[tokio::test]
async fn an_ended_execution_is_deleted_on_request() {
    for store in [StoreKind::Sqlite, StoreKind::Memory] {
        let server = Server::with(|config| config.store = store).await;
        let context = server.execution("e", Budget::default());
        context.emit(progress(1)).await.unwrap();
        let delete = || async {
            let url = server.url("/api/executions/e");
            let answer = server.client.delete(url).send().await.unwrap();
            answer.status().as_u16()
        };
        assert_eq!(delete().await, 409);
        emit(&context, 1).await;
        let (_, page) = server.get("/api/executions/e/events").await;
        let cursor = page["next"].as_str().unwrap().to_owned();
        assert_eq!(delete().await, 204);
        assert_eq!(delete().await, 404);
        for path in [
            "/api/executions/e",
            "/api/executions/e/events",
            "/stream/pipeline/e",
        ] {
            assert_eq!(server.get(path).await.0, 404, "{path}");
        }
        let again = server.execution("e", Budget::default());
        emit(&again, 3).await;
        let path = format!("/api/executions/e/events?after={cursor}");
        let (_, page) = server.get(&path).await;
        assert_eq!(page["gap"]["reason"], "epoch");
        assert_eq!(seqs(page["events"].as_array().unwrap()), [1, 2, 3]);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_large_execution_goes_in_parts_and_nobody_goes_on_from_one_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), Durability::Process).unwrap());
    let log = Log::new(store.clone());
    let stream = create(&log, "e");
    let results = (0..5000).map(|n| (n, vec![b'1'; 1000].into())).collect();
    let along = Along {
        checkpoint: Some((b"{}".as_slice().into(), results)),
        ..Along::default()
    };
    fill(&stream, 3000).await;
    stream.append_all(&[progress(1)], along).await.unwrap();
    let mut failed = complete();
    failed.event_type = stepcast_core::event::EventType::PipelineError;
    let last = stream.append(&failed).await.unwrap();
    stream.settled(last).await.unwrap();
    let key = stream.key();
    assert!(store.checkpoint(key).unwrap().is_some());
    let mut steps = 1;
    while store.delete(&[key]).unwrap().is_empty() {
        steps += 1;
        assert_eq!(store.checkpoint(key).unwrap(), None);
        let row = store.find(&id("e")).unwrap().unwrap();
        assert_eq!(row.last_seq, last, "its end stays as long as it does");
    }
    assert!(steps >= 8, "5 MB of results and 3000 events: {steps}");
    assert!(store.find(&id("e")).unwrap().is_none());
    log.close();
    is_sound(directory.path()).await;
}

/// What a process killed at this instant would leave.
fn copied(directory: &Path, to: &Path) {
    let database = Connection::open(directory.join("stepcast.db")).unwrap();
    database.busy_timeout(Duration::from_secs(10)).unwrap();
    let target = to.join("stepcast.db");
    database
        .execute("VACUUM INTO ?1", [target.to_str().unwrap()])
        .unwrap();
}

#[tokio::test]
async fn rule_5_between_any_two_steps_of_retention_the_log_is_whole() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), Durability::Process).unwrap());
    let log = Log::new(store.clone());
    let live = create(&log, "live");
    let mut keys = Vec::new();
    for n in 0..3 {
        let stream = create(&log, &format!("e{n}"));
        fill(&stream, 20_000).await;
        end(&stream).await;
        keys.push(stream.key());
    }
    fill(&live, 2500).await;
    log.flush();
    let mut trimmed = false;
    let mut steps = 0;
    while !keys.is_empty() {
        if trimmed {
            let gone = store.delete(&keys).unwrap();
            keys.retain(|key| !gone.contains(key));
        } else {
            trimmed = store.trim(live.key(), 1000).unwrap().done;
        }
        let copy = tempfile::tempdir().unwrap();
        copied(directory.path(), copy.path());
        is_sound(copy.path()).await;
        let reopened = open(copy.path());
        assert_eq!(ids(&reopened).len(), 1 + keys.len());
        let stream = reopened.open(&id("live")).unwrap().unwrap();
        assert_eq!(stream.append(&progress(0)).await, Ok(2501));
        steps += 1;
    }
    assert!(steps > 5, "{steps}");
    assert_eq!(earliest(&log, "live"), 1001);
}

/// SIGKILL in the middle of it: at any instant, not only between two transactions.
#[tokio::test]
async fn rule_5_a_server_killed_while_it_takes_away_leaves_a_whole_log() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for n in 0..30 {
        let stream = create(&log, &format!("e{n}"));
        fill(&stream, 1000).await;
        end(&stream).await;
    }
    log.close();
    drop(log);
    let total = || {
        let file = LogFile::open(directory.path()).unwrap();
        file.stats(0).unwrap().events
    };
    let mut left = total();
    let mut rounds = 0;
    while left > 1001 {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_stepcast"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(directory.path())
            .env("STEPCAST_RETENTION_EXECUTIONS", "1")
            .env("STEPCAST_RETENTION_INTERVAL_MS", "100")
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        until(|| total() + 3000 < left || total() <= 1001).await;
        child.kill().await.unwrap();
        is_sound(directory.path()).await;
        left = total();
        rounds += 1;
    }
    assert!(rounds > 1, "killed before it was done: {rounds}");
}

#[tokio::test]
async fn rule_11_executions_that_nobody_reads_are_not_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    for n in 0..2000 {
        let stream = create(&log, &format!("e{n}"));
        stream.append(&progress(n)).await.unwrap();
        let last = stream.append(&complete()).await.unwrap();
        stream.settled(last).await.unwrap();
    }
    for n in 0..2000 {
        let stream = log.open(&id(&format!("e{n}"))).unwrap().unwrap();
        let mut reader = Reader::new(stream, 0);
        assert_eq!(reader.read(10).await.unwrap().records.len(), 2);
    }
    until(|| log.bytes_in_memory() == 0).await;
    assert!(
        log.streams_in_memory() <= 128,
        "{}",
        log.streams_in_memory()
    );
}
