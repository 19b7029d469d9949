//! A log that is not as it was written: refused at start with what to do, and saved as far as it can be read.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::Value;
use stepcast::log::{
    Budget, Durability, ImportOptions, Log, LogFile, NewExecution, Reader, SqliteOptions,
    SqliteStore, StoreError,
};

use crate::harness::{complete, progress};

fn database(directory: &Path) -> PathBuf {
    directory.join("stepcast.db")
}

/// Executions `e0`, `e1`, …, ended, each with so many events, in a file without a journal.
async fn written(directory: &Path, executions: usize, events: usize) {
    let store = SqliteStore::open(directory, Durability::Process).unwrap();
    let log = Log::new(Arc::new(store));
    for n in 0..executions {
        let new = NewExecution::named(format!("e{n}").parse().unwrap(), "test", 1);
        let stream = log.create(&new, Budget::default()).unwrap();
        for n in 1..events {
            stream.append(&progress(n)).await.unwrap();
        }
        let last = stream.append(&complete()).await.unwrap();
        stream.settled(last).await.unwrap();
    }
    log.close();
}

/// Every event in a row of its own, to be changed by itself.
fn apart(directory: &Path) -> Connection {
    let connection = Connection::open(database(directory)).unwrap();
    let rows: Vec<(i64, i64, i64, String)> = connection
        .prepare("SELECT execution, seq, first, CAST(json AS TEXT) FROM events")
        .unwrap()
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap()
        .map(Result::unwrap)
        .collect();
    connection.execute("DELETE FROM events", []).unwrap();
    for (execution, last, first, lines) in rows {
        assert_eq!(lines.lines().count() as i64, last - first + 1);
        for (seq, json) in (first..).zip(lines.lines()) {
            let row = rusqlite::params![execution, seq, json.as_bytes()];
            let insert = "INSERT INTO events (execution, seq, first, json) VALUES (?1, ?2, ?2, ?3)";
            connection.execute(insert, row).unwrap();
        }
    }
    connection
}

fn refused(directory: &Path) -> String {
    let error = SqliteStore::open(directory, Durability::Process).unwrap_err();
    assert!(matches!(error, StoreError::Unsound { .. }), "{error:?}");
    error.to_string()
}

/// Zeros over one page, as a bad medium might leave it.
fn spoil(directory: &Path, page: u64) {
    let mut file = OpenOptions::new()
        .write(true)
        .open(database(directory))
        .unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0x5a; 4096]).unwrap();
}

/// The numbers of pages in which events lie, in the order of the events.
fn leaves(directory: &Path) -> Vec<u64> {
    let database = Connection::open(database(directory)).unwrap();
    let mut pages = database
        .prepare(
            "SELECT pageno FROM dbstat WHERE name = 'events' AND pagetype = 'leaf' ORDER BY path",
        )
        .unwrap();
    let pages = pages.query_map([], |row| row.get::<_, i64>(0)).unwrap();
    pages.map(|page| page.unwrap().unsigned_abs()).collect()
}

/// All that can be read, as an export writes it; how many executions and events could not be, and of how many
/// executions nobody knows how far they went.
fn salvaged(directory: &Path) -> (String, u64, u64, u64) {
    let file = LogFile::open(directory).unwrap();
    let (rows, unreadable) = file.executions(&[], true).unwrap();
    let (mut text, mut lost, mut cut_off) = (Vec::new(), 0, 0);
    for row in &rows {
        let exported = file.export(row, true, &mut text).unwrap();
        lost += exported.lost;
        cut_off += u64::from(exported.cut_off);
    }
    (String::from_utf8(text).unwrap(), unreadable, lost, cut_off)
}

#[tokio::test]
async fn whichever_page_is_spoilt_what_was_saved_and_what_was_lost_are_all_there_was() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 3, 3000).await;
    let whole = fs::read(database(directory.path())).unwrap();
    let leaves = leaves(directory.path());
    assert!(leaves.len() > 3, "{leaves:?}");
    for page in leaves {
        spoil(directory.path(), page);
        let (text, executions, lost, cut_off) = salvaged(directory.path());
        let is_event = |line: &&str| line.starts_with("{\"event_type\"");
        let events = text.lines().filter(is_event).count() as u64;
        let ends = text.matches("\"event_type\":\"pipeline_complete\"").count() as u64;
        assert_eq!(executions, 0, "page {page}");
        assert!(ends + cut_off <= 3, "page {page}");
        if cut_off == 0 {
            assert_eq!(events + lost, 9000, "page {page}");
            assert!(lost > 0, "page {page}");
        } else {
            assert!(events + lost < 9000, "page {page}");
        }
        fs::write(database(directory.path()), &whole).unwrap();
    }
}

#[tokio::test]
async fn a_page_spoilt_in_the_middle_is_found_at_start_and_the_rest_can_be_saved() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 3, 600).await;
    // a row is one event then, and the page in the middle holds some of e1 only
    drop(apart(directory.path()));
    let leaves = leaves(directory.path());
    let middle = leaves[leaves.len() / 2];
    spoil(directory.path(), middle);

    let told = refused(directory.path());
    assert!(told.contains("stepcast.db is damaged"), "{told}");
    assert!(
        told.contains("stepcast log export --all --salvage"),
        "{told}"
    );
    let mut findings = 0;
    let file = LogFile::open(directory.path()).unwrap();
    assert!(file.check(&mut |_| findings += 1).unwrap() > 0);
    assert!(findings > 0);

    let (text, executions, lost, cut_off) = salvaged(directory.path());
    let events = text
        .lines()
        .filter(|line| line.starts_with("{\"event_type\""))
        .count();
    assert_eq!((executions, cut_off), (0, 0));
    assert!((5..100).contains(&lost), "one page of rows: {lost}");
    assert_eq!(events as u64 + lost, 1800, "and no event more");

    // what was saved goes into a new log: of e1 what follows the hole
    let new = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(new.path(), Durability::Process).unwrap();
    let strict = store.import(&mut text.as_bytes(), ImportOptions::default());
    let strict = strict.unwrap_err().to_string();
    assert!(strict.contains("--salvaged"), "{strict}");
    let options = ImportOptions {
        salvaged: true,
        skip_existing: true,
    };
    let taken = store.import(&mut text.as_bytes(), options).unwrap();
    assert_eq!(
        (taken.executions, taken.skipped),
        (2, 1),
        "e0 was whole, and taken before"
    );
    assert!(taken.left_out > 0 && taken.ended == 0, "{taken:?}");
    let log = Log::new(Arc::new(store));
    for n in 0..3 {
        let stream = log
            .open(&format!("e{n}").parse().unwrap())
            .unwrap()
            .unwrap();
        let page = Reader::new(stream.clone(), 0).read(10).await.unwrap();
        let first = page.gap.map_or(1, |(_, to)| to + 1);
        assert_eq!(first == 1, n != 1, "e{n}");
        assert_eq!(page.records[0].seq(), first);
        let page = Reader::new(stream, 590).read(100).await.unwrap();
        assert_eq!(page.records.len(), 10);
        assert_eq!(page.ended.unwrap().0, 600);
    }
    log.close();
    let found = LogFile::open(new.path())
        .unwrap()
        .check(&mut |_| {})
        .unwrap();
    assert_eq!(found, 0);
}

#[tokio::test]
async fn a_spoilt_page_of_executions_costs_those_on_it_only() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 300, 2).await;
    let database = Connection::open(database(directory.path())).unwrap();
    let page: i64 = database
        .query_row(
            "SELECT pageno FROM dbstat WHERE name = 'executions' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 1",
            [],
            |row| row.get(0),
        )
        .unwrap();
    drop(database);
    spoil(directory.path(), page.unsigned_abs());
    refused(directory.path());
    let file = LogFile::open(directory.path()).unwrap();
    assert!(file.executions(&[], false).is_err(), "never as if whole");
    let (text, unreadable, lost, _) = salvaged(directory.path());
    let headers = text
        .lines()
        .filter(|line| line.starts_with("{\"stepcast_execution\""))
        .count();
    assert!((1..100).contains(&unreadable), "{unreadable}");
    assert_eq!((headers as u64 + unreadable, lost), (300, 0));
}

#[tokio::test]
async fn a_file_cut_off_is_found_at_start() {
    for left in [0.9, 0.5, 0.1] {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 3, 3000).await;
        let file = OpenOptions::new()
            .write(true)
            .open(database(directory.path()))
            .unwrap();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a small file"
        )]
        let bytes = (file.metadata().unwrap().len() as f64 * left) as u64;
        file.set_len(bytes).unwrap();
        refused(directory.path());
    }
}

#[tokio::test]
async fn what_is_no_database_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = database(directory.path());
    fs::write(
        &path,
        "a letter to a friend, longer than a hundred bytes ".repeat(100),
    )
    .unwrap();
    let before = fs::read(&path).unwrap();
    let told = refused(directory.path());
    assert!(
        told.contains("does not begin as an SQLite database"),
        "{told}"
    );
    assert_eq!(fs::read(&path).unwrap(), before);
    // the database is gone, and its journal is not
    fs::write(&path, "").unwrap();
    fs::write(directory.path().join("stepcast.db-wal"), "x").unwrap();
    refused(directory.path());
    fs::remove_file(&path).unwrap();
    refused(directory.path());
}

#[test]
fn the_database_of_another_program_is_refused_and_left_as_it_is() {
    for schema in [
        "CREATE TABLE notes (text TEXT)",
        "CREATE TABLE events (id INTEGER); CREATE TABLE executions (id INTEGER); PRAGMA user_version = 2",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = database(directory.path());
        Connection::open(&path)
            .unwrap()
            .execute_batch(schema)
            .unwrap();
        let before = fs::read(&path).unwrap();
        let error = SqliteStore::open(directory.path(), Durability::Process).unwrap_err();
        assert!(matches!(error, StoreError::Foreign(_)), "{error:?}");
        assert!(error.to_string().contains("another program"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[tokio::test]
async fn rule_3_a_hole_in_an_execution_is_found_at_start_and_by_its_readers() {
    for (broken, told) in [
        (
            "DELETE FROM events WHERE execution = 2 AND seq = 7",
            "e1 has 9 of its events 1 to 10",
        ),
        (
            "PRAGMA foreign_keys = 0; DELETE FROM executions WHERE key = 2",
            "10 events are of no execution",
        ),
    ] {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 3, 10).await;
        apart(directory.path()).execute_batch(broken).unwrap();
        let message = refused(directory.path());
        assert!(message.contains(told), "{message}");
    }
    // not looked for, it is found where it is
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 1, 10).await;
    let hole = "DELETE FROM events WHERE seq = 7";
    apart(directory.path()).execute_batch(hole).unwrap();
    let options = SqliteOptions {
        check: false,
        ..SqliteOptions::default()
    };
    let log = Log::new(Arc::new(
        SqliteStore::open_with(directory.path(), options).unwrap(),
    ));
    let stream = log.open(&"e0".parse().unwrap()).unwrap().unwrap();
    for after in [0, 6] {
        let read = Reader::new(stream.clone(), after).read(100).await;
        assert!(
            matches!(read, Err(StoreError::Damaged(_))),
            "{after}: {read:?}"
        );
    }
    assert_eq!(
        Reader::new(stream, 7)
            .read(100)
            .await
            .unwrap()
            .records
            .len(),
        3
    );
}

#[tokio::test]
async fn a_row_that_is_no_event_is_never_served_as_one() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path(), 1, 10).await;
    let change = "UPDATE events SET json = CAST(replace(CAST(json AS TEXT), '\"seq\":4', '\"seq\":5') AS BLOB) WHERE seq = 4;
         UPDATE events SET json = X'00' WHERE seq = 8";
    apart(directory.path()).execute_batch(change).unwrap();
    let mut findings = Vec::new();
    let file = LogFile::open(directory.path()).unwrap();
    file.check(&mut |finding| findings.push(finding.to_owned()))
        .unwrap();
    assert_eq!(findings.len(), 2, "{findings:?}");
    assert!(findings[0].contains("in the place of event 4 of e0 is event 5"));
    let (text, _, lost, _) = salvaged(directory.path());
    assert_eq!(lost, 2);
    let seqs: Vec<u64> = text
        .lines()
        .skip(1)
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["seq"]
                .as_u64()
                .unwrap()
        })
        .collect();
    assert_eq!(seqs, [1, 2, 3, 5, 6, 7, 9, 10]);
    let log = Log::new(Arc::new(
        SqliteStore::open(directory.path(), Durability::Process).unwrap(),
    ));
    let stream = log.open(&"e0".parse().unwrap()).unwrap().unwrap();
    assert!(Reader::new(stream, 7).read(100).await.is_err());
}
