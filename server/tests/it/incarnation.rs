//! The log's incarnation, its versions, and what is kept together with events.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use stepcast::context::EmitError;
use stepcast::log::{
    Along, Budget, Durability, Log, NewExecution, ProducerMark, Reader, SqliteStore, Store,
    StoreError, Stream,
};
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Position};

use crate::harness::{complete, progress, soon};

fn open(directory: &Path, durability: Durability) -> Log {
    Log::new(Arc::new(SqliteStore::open(directory, durability).unwrap()))
}

fn create(log: &Log, id: &str) -> Arc<Stream> {
    let new = NewExecution::named(id.parse().unwrap(), "test", 1);
    log.create(&new, Budget::default()).unwrap()
}

fn epoch(directory: &Path, durability: Durability) -> Epoch {
    let log = open(directory, durability);
    let found = log.open(&id()).unwrap().unwrap().epoch();
    log.close();
    found
}

fn id() -> ExecutionId {
    "e".parse().unwrap()
}

/// As though the machine had started again since the log was last written.
fn another_boot(directory: &Path) {
    let database = Connection::open(directory.join("stepcast.db")).unwrap();
    let changed = database.execute("UPDATE incarnation SET boot = 'another'", []);
    assert_eq!(changed.unwrap(), 1);
}

/// The log of a process that is killed: nothing is closed.
async fn killed(directory: &Path, durability: Durability) {
    let log = open(directory, durability);
    let stream = create(&log, "e");
    let seq = stream.append(&progress(1)).await.unwrap();
    stream.settled(seq).await.unwrap();
    drop(stream);
    // the lock goes with the process; here it is given up without the note that a close makes
    let database = Connection::open(directory.join("stepcast.db")).unwrap();
    let at_risk: bool = database
        .query_row("SELECT at_risk FROM incarnation", [], |row| row.get(0))
        .unwrap();
    log.close();
    database
        .execute("UPDATE incarnation SET at_risk = ?1", [at_risk])
        .unwrap();
}

#[tokio::test]
async fn rule_4_a_loss_of_power_that_may_have_taken_events_back_begins_a_new_epoch() {
    for (durability, raised) in [
        (Durability::Off, true),
        (Durability::Process, true),
        (Durability::Power, false),
    ] {
        let directory = tempfile::tempdir().unwrap();
        killed(directory.path(), durability).await;
        let before = epoch_on_disk(directory.path());
        another_boot(directory.path());
        let after = epoch(directory.path(), durability);
        assert_eq!(after > before, raised, "{durability:?}");
    }
}

fn epoch_on_disk(directory: &Path) -> Epoch {
    let database = Connection::open(directory.join("stepcast.db")).unwrap();
    let epoch: i64 = database
        .query_row("SELECT epoch FROM executions WHERE id = 'e'", [], |row| {
            row.get(0)
        })
        .unwrap();
    epoch.unsigned_abs()
}

#[tokio::test]
async fn rule_4_a_killed_process_and_a_clean_stop_keep_the_epoch() {
    let directory = tempfile::tempdir().unwrap();
    killed(directory.path(), Durability::Process).await;
    let before = epoch_on_disk(directory.path());
    // killed, and started again on the same boot
    assert_eq!(epoch(directory.path(), Durability::Process), before);
    // closed cleanly: a new boot takes nothing back
    another_boot(directory.path());
    assert_eq!(epoch(directory.path(), Durability::Process), before);
}

#[tokio::test]
async fn rule_4_a_log_that_was_recreated_knows_no_cursor_of_the_former() {
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let directory = tempfile::tempdir().unwrap();
        seen.insert(create(&open(directory.path(), Durability::Process), "e").epoch());
    }
    assert!(seen.len() > 1, "drawn anew: {seen:?}");
    let cursor: Position = "1.7".parse().unwrap();
    assert_eq!(cursor, Position::After(Cursor { epoch: 1, seq: 7 }));
}

#[tokio::test]
async fn a_log_of_the_first_version_is_brought_up_to_this_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stepcast.db");
    let former = Connection::open(&path).unwrap();
    former
        .execute_batch(include_str!("../data/log_version_1.sql"))
        .unwrap();
    drop(former);
    let log = open(directory.path(), Durability::Process);
    let stream = log.open(&id()).unwrap().unwrap();
    assert_eq!((stream.epoch(), stream.tail().last_seq), (1, 2));
    let page = Reader::new(stream, 0).read(10).await.unwrap();
    assert_eq!(page.records.len(), 2);
    assert!(create(&log, "new").append(&progress(1)).await.is_ok());
    log.close();
    Connection::open(&path)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    let later = SqliteStore::open(directory.path(), Durability::Process).unwrap_err();
    assert!(
        matches!(later, StoreError::Later { version: 99, .. }),
        "{later}"
    );
}

#[tokio::test]
async fn rule_5_what_comes_along_is_kept_with_its_events_or_not_at_all() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(directory.path(), Durability::Process).unwrap());
    let log = Log::new(store.clone());
    let stream = create(&log, "e");
    let mark = |seq| ProducerMark {
        producer: "p".into(),
        epoch: 0,
        seq,
    };
    for n in 1..=3_u8 {
        let along = Along {
            checkpoint: Some((vec![n].into(), vec![(u32::from(n), vec![n; 2].into())])),
            producer: Some(mark(u64::from(n))),
            status: None,
            ..Along::default()
        };
        let drafts = [progress(1), progress(2)];
        let seq = stream.append_all(&drafts, along).await.unwrap();
        assert_eq!(seq, u64::from(n) * 2);
        stream.settled(seq).await.unwrap();
    }
    let checkpoint = store.checkpoint(stream.key()).unwrap().unwrap();
    assert_eq!((checkpoint.seq, checkpoint.state.as_ref()), (6, &[3][..]));
    assert_eq!(checkpoint.results.len(), 3);
    assert_eq!(store.producers(stream.key()).unwrap(), [mark(3)]);

    let after_the_end = stream
        .append_all(
            &[complete(), progress(3)],
            Along {
                producer: Some(mark(4)),
                ..Along::default()
            },
        )
        .await;
    assert_eq!(after_the_end, Err(EmitError::Ended));
    assert_eq!(stream.append(&progress(3)).await, Ok(7), "nothing was kept");
    let end = stream.append(&complete()).await.unwrap();
    stream.settled(end).await.unwrap();
    assert_eq!(store.producers(stream.key()).unwrap(), [mark(3)]);
    assert_eq!(
        store.checkpoint(stream.key()).unwrap(),
        None,
        "a completed run needs none"
    );
}

#[tokio::test]
async fn rule_11_all_executions_together_hold_no_more_than_the_budget() {
    const BUDGET: usize = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path(), Durability::Off).unwrap();
    let log = Log::with_memory_budget(Arc::new(store), BUDGET);
    let streams: Vec<_> = (0..50).map(|n| create(&log, &format!("e{n}"))).collect();
    let mut largest = 0;
    for _ in 0..40 {
        for stream in &streams {
            let mut draft = progress(1);
            draft.data = serde_json::json!({ "text": "x".repeat(2000) });
            stream.append(&draft).await.unwrap();
            largest = largest.max(log.bytes_in_memory());
        }
    }
    for stream in &streams {
        soon(stream.watch().wait_for(|tail| tail.last_seq == 40))
            .await
            .unwrap();
        let (mut reader, mut read) = (Reader::new(stream.clone(), 0), 0);
        while reader.after() < 40 {
            let page = reader.read(100).await.unwrap();
            assert_eq!(page.gap, None, "from the store, then from memory");
            read += page.records.len();
        }
        assert_eq!(read, 40);
    }
    assert!(largest > BUDGET / 2, "the test fills it: {largest}");
    // one event of each execution may come on top
    assert!(largest <= BUDGET + 50 * 2300, "{largest}");
    drop(streams);
    log.close();
    assert_eq!(log.bytes_in_memory(), 0, "who is let go of holds nothing");
}
