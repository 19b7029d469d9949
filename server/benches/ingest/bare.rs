//! SQLite by itself: the same rows, in the same batches, in a table of the same form.

use std::path::Path;
use std::time::Instant;

use rusqlite::{Connection, params};

/// Seconds for these batches, one transaction each, the executions in turn.
pub(crate) fn insert(directory: &Path, executions: usize, batch: usize, events: usize) -> f64 {
    let mut connection = Connection::open(directory.join("bare.db")).unwrap();
    connection
        .pragma_update(None, "auto_vacuum", "INCREMENTAL")
        .unwrap();
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .unwrap();
    connection
        .pragma_update(None, "synchronous", "NORMAL")
        .unwrap();
    connection
        .execute_batch(
            "DROP TABLE IF EXISTS events;
             CREATE TABLE events (
                 execution INTEGER NOT NULL,
                 seq INTEGER NOT NULL,
                 json BLOB NOT NULL,
                 PRIMARY KEY (execution, seq)
             ) STRICT, WITHOUT ROWID;",
        )
        .unwrap();
    let json = json();
    let batches = events / batch;
    let start = Instant::now();
    for number in 0..batches {
        let (execution, first) = (number % executions, number / executions * batch);
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO events (execution, seq, json) VALUES (?1, ?2, ?3)")
                .unwrap();
            for seq in first..first + batch {
                insert
                    .execute(params![execution as i64, seq as i64, json])
                    .unwrap();
            }
        }
        transaction.commit().unwrap();
    }
    start.elapsed().as_secs_f64()
}

/// An event as the log stores it.
fn json() -> Vec<u8> {
    let text = crate::text();
    format!(
        r#"{{"event_type":"step_progress","execution_id":"execution-00","step_id":"step","seq":12345,"timestamp":"2025-10-22T10:30:00.123Z","data":{{"kind":"token","text":"{text}"}}}}"#
    )
    .into_bytes()
}
