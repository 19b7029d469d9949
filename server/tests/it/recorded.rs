//! Logs of the past: events with timestamps of the test's choosing.

use std::path::Path;
use std::time::Duration;

use stepcast::log::{
    Batch, Durability, Ended, NewExecution, Record, RowKey, SqliteStore, Store as _,
};
use stepcast_core::control::EndReason;
use stepcast_core::time::Timestamp;

/// Writes a run whose events happened so far apart, and says its epoch. One that `ended` ends with its last event.
pub(crate) fn record(data_dir: &Path, id: &str, count: u64, apart: Duration, ended: bool) -> u64 {
    let store = SqliteStore::open(data_dir, Durability::Process).unwrap();
    let new = NewExecution::named(id.parse().unwrap(), "recorded", 1);
    let key = stepcast::log::Store::create(&store, &new).unwrap().key;
    let millis = u64::try_from(apart.as_millis()).unwrap();
    let records = (1..=count).map(|seq| {
        let kind = if ended && seq == count {
            "pipeline_complete"
        } else {
            "step_progress"
        };
        stored(key, id, kind, seq, START + seq * millis)
    });
    let end = Ended {
        reason: EndReason::Complete,
        error: None,
        at: START + count * millis,
    };
    let batch = Batch {
        key,
        records: records.collect(),
        ended: ended.then_some(end),
        checkpoint: None,
        producers: Vec::new(),
        status: None,
        artifacts: Vec::new(),
    };
    store.commit(&[batch]).unwrap();
    store.close();
    key.epoch
}

fn stored(key: RowKey, id: &str, kind: &str, seq: u64, at: u64) -> Record {
    let timestamp = Timestamp::from_unix_millis(at);
    let json = format!(
        r#"{{"event_type":"{kind}","execution_id":"{id}","step_id":"s","seq":{seq},"timestamp":"{timestamp}","data":{{}}}}"#
    );
    Record::from_stored(key.epoch, seq, json.as_bytes()).unwrap()
}

/// 2025-10-22T10:30:00Z
const START: u64 = 1_761_129_000_000;
