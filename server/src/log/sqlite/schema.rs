//! The tables, and how a database of an earlier version becomes one of this.

use rusqlite::{Connection, TransactionBehavior};

use super::super::store::StoreError;

/// Brings the database to this version. Each step is one transaction: a start that was cut off begins again.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = usize::try_from(version)
        .ok()
        .filter(|done| *done <= MIGRATIONS.len());
    let Some(done) = done else {
        let known = MIGRATIONS.len();
        return Err(StoreError::Later { version, known });
    };
    for (version, step) in (1_i64..).zip(&MIGRATIONS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// What leads from each version to the next; the first from an empty file.
const MIGRATIONS: [&str; 2] = [
    "
CREATE TABLE executions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    definition TEXT NOT NULL,
    input TEXT NOT NULL
) STRICT;
CREATE INDEX executions_by_status ON executions (status, key);
CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    json BLOB NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;
",
    "
ALTER TABLE executions ADD COLUMN lease_ms INTEGER;
ALTER TABLE executions ADD COLUMN resumed_from TEXT;
CREATE INDEX executions_by_end ON executions (ended_at) WHERE ended_at IS NOT NULL;
CREATE TABLE incarnation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL,
    boot TEXT NOT NULL,
    at_risk INTEGER NOT NULL
) STRICT;
CREATE TABLE checkpoints (
    execution INTEGER PRIMARY KEY REFERENCES executions (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    state BLOB NOT NULL
) STRICT;
CREATE TABLE results (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    json BLOB NOT NULL,
    PRIMARY KEY (execution, number)
) STRICT, WITHOUT ROWID;
CREATE TABLE producers (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    producer TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (execution, producer)
) STRICT, WITHOUT ROWID;
",
];
