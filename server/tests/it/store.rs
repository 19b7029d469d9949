//! The log's stores and streams where two of anything meet: processes, openers, old and new executions.

use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use stepcast::log::{
    Batch, Budget, Checkpoint, Durability, ExecutionRow, ExecutionStatus, FollowingQuery,
    ListQuery, Log, MemoryStore, NewExecution, ProducerMark, Reader, Record, RowKey, SqliteStore,
    Store, StoreError,
};
use stepcast_core::id::{ExecutionId, Seq};

use crate::harness::{complete, progress, soon};

fn new_execution(id: &str) -> NewExecution {
    NewExecution::named(id.parse().unwrap(), "test", 1)
}

fn open(directory: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(directory, Durability::Process)
}

#[test]
fn rule_4_a_data_directory_has_one_process_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let first = Log::new(Arc::new(open(directory.path()).unwrap()));
    let second = open(directory.path()).unwrap_err().to_string();
    assert!(second.contains("in use"), "{second}");
    first.close();
    assert!(open(directory.path()).is_ok(), "closed, it is free again");
}

/// Where a call stops, once: it says that it has come there, and waits to be let go.
type Pause = Mutex<Option<(Sender<()>, Receiver<()>)>>;

fn stop_at(pause: &Pause, longest: Duration) {
    let pause = pause.lock().unwrap().take();
    if let Some((reached, go_on)) = pause {
        reached.send(()).unwrap();
        let _meanwhile = go_on.recv_timeout(longest);
    }
}

/// Stops in one `find` between reading the row and giving it, and in one `commit` when all is committed.
#[derive(Debug)]
struct Slow {
    store: SqliteStore,
    find: Pause,
    commit: Pause,
}

impl Store for Slow {
    fn commits_at_once(&self) -> bool {
        self.store.commits_at_once()
    }
    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError> {
        self.store.create(new)
    }
    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        let committed = self.store.commit(batches);
        stop_at(&self.commit, Duration::from_secs(20));
        committed
    }
    fn set_status(&self, key: i64, status: ExecutionStatus, at: u64) -> Result<(), StoreError> {
        self.store.set_status(key, status, at)
    }
    fn read(
        &self,
        row: &RowKey,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.store.read(row, after, max, max_bytes)
    }
    fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        let found = self.store.find(id);
        stop_at(&self.find, Duration::from_millis(500));
        found
    }
    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store.list(query)
    }
    fn following(&self, query: &FollowingQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        self.store.following(query)
    }
    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        self.store.origin(key)
    }
    fn checkpoint(&self, key: i64) -> Result<Option<Checkpoint>, StoreError> {
        self.store.checkpoint(key)
    }
    fn producers(&self, key: i64) -> Result<Vec<ProducerMark>, StoreError> {
        self.store.producers(key)
    }
    fn delete(&self, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.store.delete(keys)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_1_a_stream_opened_while_another_comes_and_goes_knows_all_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let (reached, at_pause) = channel();
    let (resume, go_on) = channel();
    let store = open(directory.path()).unwrap();
    let find = Mutex::new(Some((reached, go_on)));
    let commit = Pause::default();
    let log = Arc::new(Log::new(Arc::new(Slow {
        store,
        find,
        commit,
    })));
    drop(log.create(&new_execution("e"), Budget::default()).unwrap());
    let id: ExecutionId = "e".parse().unwrap();
    let viewer = std::thread::spawn({
        let (log, id) = (log.clone(), id.clone());
        move || log.open(&id).unwrap().unwrap()
    });
    at_pause.recv().unwrap();
    {
        let stream = log.open(&id).unwrap().unwrap();
        for n in 1..=3 {
            stream.append(&progress(n)).await.unwrap();
        }
        stream.append(&complete()).await.unwrap();
        soon(stream.watch().wait_for(|tail| tail.ended.is_some()))
            .await
            .unwrap();
        let held = Arc::downgrade(&stream);
        drop(stream);
        // the writer may hold it a moment longer, and the viewer for good
        let gone = async {
            while held.strong_count() > 0 {
                tokio::task::yield_now().await;
            }
        };
        let _held_by_viewer = tokio::time::timeout(Duration::from_millis(200), gone).await;
    }
    let _gone = resume.send(());
    let seen = viewer.join().unwrap();
    assert_eq!(seen.tail().last_seq, 4);
    let page = Reader::new(seen, 0).read(10).await.unwrap();
    assert_eq!(page.records.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_2_nobody_is_given_what_the_tail_does_not_tell_yet() {
    let directory = tempfile::tempdir().unwrap();
    let slow = Arc::new(Slow {
        store: open(directory.path()).unwrap(),
        find: Pause::default(),
        commit: Pause::default(),
    });
    let log = Log::new(slow.clone());
    let small = Budget {
        events: 1,
        ..Budget::default()
    };
    let stream = log.create(&new_execution("e"), small).unwrap();
    for n in 1..=3 {
        stream.append(&progress(n)).await.unwrap();
    }
    soon(stream.watch().wait_for(|tail| tail.last_seq == 3))
        .await
        .unwrap();
    let (reached, at_pause) = channel();
    let (resume, go_on) = channel();
    *slow.commit.lock().unwrap() = Some((reached, go_on));
    stream.append(&progress(4)).await.unwrap();
    tokio::task::spawn_blocking(move || at_pause.recv().unwrap())
        .await
        .unwrap();
    // the fourth is in the database, and not yet told
    let mut reader = Reader::new(stream.clone(), 0);
    let page = reader.read(10).await.unwrap();
    assert_eq!((page.records.len(), stream.tail().last_seq), (3, 3));
    resume.send(()).unwrap();
    soon(reader.grown()).await;
    assert_eq!(reader.read(10).await.unwrap().records[0].seq(), 4);
}

#[tokio::test]
async fn rule_11_a_log_in_memory_forgets_the_oldest_executions_that_have_ended() {
    let store = Arc::new(MemoryStore::new());
    let log = Log::new(store.clone());
    let kept_back = log
        .create(&new_execution("under-way"), Budget::default())
        .unwrap();
    for n in 0..3000 {
        let stream = log
            .create(&new_execution(&format!("e{n}")), Budget::default())
            .unwrap();
        stream.append(&complete()).await.unwrap();
    }
    let limit = usize::MAX;
    let rows = store
        .list(&ListQuery {
            limit,
            ..ListQuery::default()
        })
        .unwrap();
    assert!(rows.len() <= 1002, "{}", rows.len());
    assert_eq!(rows.first().unwrap().id.as_str(), "e2999");
    assert!(log.open(&"e0".parse().unwrap()).unwrap().is_none());
    let again = log.open(&"under-way".parse().unwrap()).unwrap().unwrap();
    assert!(Arc::ptr_eq(&again, &kept_back));
}
