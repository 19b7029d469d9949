//! The tables, and how a database of an earlier version becomes one of this.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::super::store::StoreError;

/// Whether it is empty, or one of ours that this version knows.
pub(super) fn recognise(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let columns = |table: &str, names: &str| {
        let query =
            format!("SELECT count(*) FROM pragma_table_info('{table}') WHERE name IN ({names})");
        connection.query_row(&query, [], |row| row.get::<_, i64>(0))
    };
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let ours = columns("executions", "'key','id','epoch','status','definition'")? == 5
        && columns("events", "'execution','seq','json'")? == 3;
    if (version == 0 && tables > 0) || (version != 0 && !ours) {
        return Err(StoreError::Foreign(path.to_owned()));
    }
    known(version).map(drop)
}

/// Whether it is of this version, to be read as it is.
pub(super) fn is_current(connection: &Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if known(version)? < MIGRATIONS.len() {
        return Err(StoreError::Earlier { version });
    }
    Ok(())
}

/// How many steps have been made.
fn known(version: i64) -> Result<usize, StoreError> {
    let known = MIGRATIONS.len();
    let done = usize::try_from(version).ok().filter(|done| *done <= known);
    done.ok_or(StoreError::Later { version, known })
}

/// Brings the database to this version. Each step is one transaction: a start that was cut off begins again.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let done = known(version)?;
    for (version, step) in (1_i64..).zip(&MIGRATIONS).skip(done) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// What leads from each version to the next; the first from an empty file.
const MIGRATIONS: [&str; 8] = [
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
    "
ALTER TABLE events RENAME TO single_events;
CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    json BLOB NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO events SELECT execution, seq, seq, json FROM single_events;
DROP TABLE single_events;
",
    "
ALTER TABLE executions ADD COLUMN measured INTEGER NOT NULL DEFAULT 0;
CREATE INDEX executions_unmeasured ON executions (key) WHERE ended_at IS NOT NULL AND measured = 0;
CREATE TABLE counts (
    execution INTEGER PRIMARY KEY REFERENCES executions (key) ON DELETE CASCADE,
    json BLOB NOT NULL
) STRICT;
",
    "
ALTER TABLE executions ADD COLUMN owner TEXT;
CREATE INDEX executions_by_owner ON executions (owner, key) WHERE owner IS NOT NULL;
",
    "
CREATE TABLE artifacts (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (execution, seq, sha256, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifacts_by_content ON artifacts (sha256, execution);
CREATE TABLE loose_files (sha256 BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TRIGGER artifacts_loosen AFTER DELETE ON artifacts BEGIN
    INSERT OR IGNORE INTO loose_files (sha256) VALUES (old.sha256);
END;
",
    "
CREATE TABLE unredacted (
    execution INTEGER PRIMARY KEY REFERENCES executions (key) ON DELETE CASCADE,
    definition TEXT NOT NULL,
    input TEXT NOT NULL
) STRICT;
ALTER TABLE checkpoints ADD COLUMN confidential INTEGER NOT NULL DEFAULT 0;
",
    "
ALTER TABLE executions ADD COLUMN traceparent TEXT;
ALTER TABLE executions ADD COLUMN tracestate TEXT;
",
];
