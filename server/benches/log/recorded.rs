//! A log with a past, written before the server that is measured starts.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use stepcast::context::Draft;
use stepcast::log::{Along, Budget, Durability, Log, NewExecution, SqliteStore};
use stepcast_core::event::EventType;

/// The execution that every table reads.
pub(crate) const ID: &str = "run";

/// Writes so many events of 300 bytes, the last of them terminal where it has `ended`.
pub(crate) async fn record(data_dir: &Path, count: usize, ended: bool) {
    let store = SqliteStore::open(data_dir, Durability::Process).unwrap();
    let log = Log::new(Arc::new(store));
    let new = NewExecution::named(ID.parse().unwrap(), "bench", 0);
    let stream = log.create(&new, Budget::default()).unwrap();
    let drafts = vec![event(0, 140); 1000];
    let mut left = count - usize::from(ended);
    while left > 0 {
        let some = &drafts[..left.min(drafts.len())];
        let last = stream.append_all(some, Along::default()).await.unwrap();
        stream.settled(last).await.unwrap();
        left -= some.len();
    }
    if ended {
        let last = stream.append(&end()).await.unwrap();
        stream.settled(last).await.unwrap();
    }
    log.close();
}

/// An event that says when it was made, in microseconds since 1970, with a text of so many bytes.
pub(crate) fn event(at: u64, bytes: usize) -> Draft {
    Draft {
        event_type: EventType::StepProgress,
        step_id: Some("step".into()),
        data: json!({ "at": at, "text": "x".repeat(bytes) }),
        metadata: None,
    }
}

pub(crate) fn end() -> Draft {
    Draft {
        event_type: EventType::PipelineComplete,
        step_id: None,
        data: json!({ "output": {} }),
        metadata: None,
    }
}
