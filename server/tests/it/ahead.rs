//! The write-ahead log: what is visible before the database has it survives the process all the same.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Value, json};
use stepcast::log::{Budget, Durability, Log, NewExecution, Reader, SqliteStore, Stream};

use crate::harness::{complete, progress, soon};
use crate::process::Process;

const FILES: [&str; 2] = ["stepcast.ahead-1", "stepcast.ahead-2"];

fn open(directory: &Path) -> Log {
    let store = SqliteStore::open(directory, Durability::Process).unwrap();
    Log::new(Arc::new(store))
}

fn create(log: &Log, id: &str) -> Arc<Stream> {
    let new = NewExecution::named(id.parse().unwrap(), "test", 1);
    log.create(&new, Budget::default()).unwrap()
}

/// What a process killed at this instant would leave: the database last, for events go that way.
fn copied(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for name in FILES {
        std::fs::copy(from.join(name), to.path().join(name)).unwrap();
    }
    let database = Connection::open(from.join("stepcast.db")).unwrap();
    let target = to.path().join("stepcast.db");
    database
        .execute("VACUUM INTO ?1", [target.to_str().unwrap()])
        .unwrap();
    to
}

/// The database without the events of an execution: as though nothing had been committed.
fn forget_events(directory: &Path) {
    let database = Connection::open(directory.join("stepcast.db")).unwrap();
    database.execute("DELETE FROM events", []).unwrap();
}

async fn numbers(log: &Log, id: &str) -> Vec<u64> {
    let stream = log.open(&id.parse().unwrap()).unwrap().unwrap();
    let last = stream.tail().last_seq;
    let (mut reader, mut seen) = (Reader::new(stream, 0), Vec::new());
    while reader.after() < last {
        let page = reader.read(1000).await.unwrap();
        assert_eq!(page.gap, None);
        for record in page.records {
            assert_eq!(record.parse().unwrap().data["n"], record.seq());
            seen.push(record.seq());
        }
    }
    seen
}

#[tokio::test]
async fn rule_5_what_is_visible_is_there_after_a_kill_whether_the_database_had_it_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let streams = ["a", "b", "c"].map(|id| create(&log, id));
    for n in 1..=60 {
        for stream in &streams {
            let mut draft = progress(n);
            draft.data = json!({ "n": n });
            let seq = stream.append(&draft).await.unwrap();
            assert_eq!(stream.tail().last_seq, seq, "visible at once");
        }
        if n % 20 == 0 {
            let left = copied(directory.path());
            let again = open(left.path());
            for id in ["a", "b", "c"] {
                let expected: Vec<u64> = (1..=n as u64).collect();
                assert_eq!(numbers(&again, id).await, expected);
            }
        }
        if n == 30 {
            log.flush();
        }
    }
}

/// A log with five events, each a frame of the first file, and where each of them ends.
async fn five() -> (tempfile::TempDir, Vec<usize>) {
    for _ in 0..20 {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path());
        let stream = create(&log, "e");
        let mut ends = Vec::new();
        for n in 1..=5 {
            let mut draft = progress(n);
            draft.data = json!({ "n": n });
            stream.append(&draft).await.unwrap();
            let length = std::fs::metadata(directory.path().join(FILES[0])).unwrap();
            ends.push(usize::try_from(length.len()).unwrap());
        }
        // the files may have taken turns meanwhile
        if ends.windows(2).all(|pair| pair[0] < pair[1]) {
            return (directory, ends);
        }
    }
    panic!("five events are never in one file");
}

#[tokio::test]
async fn a_frame_that_was_cut_off_ends_what_is_taken_and_is_no_error() {
    let (directory, ends) = five().await;
    let whole = copied(directory.path());
    let bytes = std::fs::read(whole.path().join(FILES[0])).unwrap();
    for length in (0..=*ends.last().unwrap()).step_by(7) {
        let left = copied(whole.path());
        forget_events(left.path());
        std::fs::write(left.path().join(FILES[0]), &bytes[..length]).unwrap();
        let log = open(left.path());
        let kept = ends.iter().filter(|end| **end <= length).count() as u64;
        assert_eq!(numbers(&log, "e").await, (1..=kept).collect::<Vec<_>>());
        let stream = log.open(&"e".parse().unwrap()).unwrap().unwrap();
        assert_eq!(stream.append(&progress(0)).await, Ok(kept + 1));
    }
}

#[tokio::test]
async fn what_was_kept_for_another_execution_of_that_number_is_not_taken() {
    let former = tempfile::tempdir().unwrap();
    let log = open(former.path());
    create(&log, "former").append(&progress(1)).await.unwrap();
    let other = tempfile::tempdir().unwrap();
    drop(create(&open(other.path()), "other"));
    for name in FILES {
        std::fs::copy(former.path().join(name), other.path().join(name)).unwrap();
    }
    let log = open(other.path());
    let stream = log.open(&"other".parse().unwrap()).unwrap().unwrap();
    assert_eq!(stream.tail().last_seq, 0);
}

#[tokio::test]
async fn an_end_is_in_the_database_before_anybody_sees_it() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let stream = create(&log, "e");
    stream.append(&progress(1)).await.unwrap();
    stream.append(&complete()).await.unwrap();
    soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
        .await
        .unwrap();
    let database = Connection::open(directory.path().join("stepcast.db")).unwrap();
    let found: (String, i64) = database
        .query_row(
            "SELECT status, (SELECT sum(seq - first + 1) FROM events) FROM executions",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    assert_eq!(found, ("completed".to_owned(), 2));
}

#[tokio::test]
async fn rule_5_a_producer_without_marks_finds_after_a_kill_all_that_was_acknowledged() {
    let _already = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let client = reqwest::Client::new();
    let mut listen = "127.0.0.1:0".to_owned();
    let mut acknowledged = 1; // the server's own `pipeline_start`
    for round in 0..5 {
        let process = Process::start(directory.path(), &listen).await;
        let at = |path: &str| format!("http://{}/api/executions{path}", process.address);
        if round == 0 {
            let body = json!({ "execution_id": "e", "mode": "external", "pipeline": "E" });
            let made = client.post(at("")).json(&body).send().await.unwrap();
            assert_eq!(made.status(), 201);
        }
        for n in 0..20 {
            let event =
                json!({ "event_type": "step_progress", "step_id": "s", "data": { "n": n } });
            let answer = client.post(at("/e/events")).json(&event).send().await;
            assert_eq!(answer.unwrap().status(), 200);
            acknowledged += 1;
        }
        listen = process.kill().await;
        let process = Process::start(directory.path(), &listen).await;
        let url = format!(
            "http://{}/api/executions/e/events?limit=1000",
            process.address
        );
        let page: Value = client.get(url).send().await.unwrap().json().await.unwrap();
        let events = page["events"].as_array().unwrap();
        let seen: Vec<u64> = events.iter().filter_map(|it| it["seq"].as_u64()).collect();
        assert_eq!(seen, (1..=acknowledged).collect::<Vec<_>>());
        listen = process.kill().await;
    }
}
