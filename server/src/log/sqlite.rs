//! The embedded durable store: one SQLite database in the data directory.
//!
//! WAL mode: readers never wait for the writer. A committed transaction is in the operating system's hands
//! and survives the process; [`Durability::Power`] also waits until it is on the medium.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use stepcast_core::id::{ExecutionId, Seq};

use super::lock;
use super::record::Record;
use super::store::{
    Batch, ExecutionRow, ExecutionStatus, ListQuery, NewExecution, RowKey, Store, StoreError,
};

/// What a committed event survives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The end of the process at any instant.
    #[default]
    Process,
    /// The loss of power too: every commit waits for the medium.
    Power,
}

/// Keeps executions and events in `stepcast.db`.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Connection>,
    /// Idle connections for reading; one more is opened when all are in use.
    readers: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
    /// Locked while this process may write; none where the file system has no locks.
    lock: Mutex<Option<File>>,
}

impl SqliteStore {
    /// Opens or creates the database in `directory`.
    ///
    /// # Errors
    /// Where the directory cannot be written, another process uses it, the database is damaged, or it was made by a later version.
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, StoreError> {
        std::fs::create_dir_all(directory)?;
        let held = occupy(directory)?;
        let path = directory.join("stepcast.db");
        let mut writer = Connection::open(&path)?;
        writer.busy_timeout(BUSY)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(
            None,
            "synchronous",
            if durability == Durability::Power {
                "FULL"
            } else {
                "NORMAL"
            },
        )?;
        writer.pragma_update(None, "foreign_keys", true)?;
        let health: String = writer.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if health != "ok" {
            return Err(StoreError::Damaged(health));
        }
        let version: i64 = writer.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        match version {
            0 => {
                let transaction =
                    writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
                transaction.execute_batch(SCHEMA)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
                transaction.commit()?;
            }
            VERSION => {}
            later => {
                return Err(StoreError::Damaged(format!(
                    "schema version {later}, this build knows {VERSION}"
                )));
            }
        }
        Ok(Self {
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            path,
            lock: Mutex::new(held),
        })
    }

    fn reading<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = lock(&self.readers).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = Connection::open(&self.path)?;
                connection.busy_timeout(BUSY)?;
                connection.pragma_update(None, "query_only", true)?;
                connection
            }
        };
        let result = read(&connection);
        let mut readers = lock(&self.readers);
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }
}

/// Two processes that write would give one id two meanings: the second is refused. The lock ends with the process.
fn occupy(directory: &Path) -> Result<Option<File>, StoreError> {
    let file = File::create(directory.join("stepcast.lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse),
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

impl Store for SqliteStore {
    fn commits_at_once(&self) -> bool {
        false
    }

    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError> {
        let connection = lock(&self.writer);
        let mut statement = connection.prepare_cached(
            "INSERT INTO executions (id, epoch, pipeline, status, created_at, definition, input) VALUES (?1, 1, ?2, 'pending', ?3, ?4, ?5)
             ON CONFLICT (id) DO NOTHING",
        )?;
        let created_at = i64::try_from(new.created_at).unwrap_or(i64::MAX);
        let (definition, input) = (new.definition.to_string(), new.input.to_string());
        if statement.execute(params![
            new.id.as_str(),
            new.pipeline,
            created_at,
            definition,
            input
        ])? == 0
        {
            return Err(StoreError::Exists);
        }
        Ok(new.row(RowKey {
            key: connection.last_insert_rowid(),
            epoch: 1,
        }))
    }

    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        let mut connection = lock(&self.writer);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO events (execution, seq, json) VALUES (?1, ?2, ?3)")?;
            let mut end = transaction.prepare_cached(
                "UPDATE executions SET status = ?2, error = ?3, ended_at = ?4 WHERE key = ?1",
            )?;
            for batch in batches {
                for record in &batch.records {
                    insert.execute(params![
                        batch.key.key,
                        signed(record.seq()),
                        record.json().as_bytes()
                    ])?;
                }
                if let Some(ended) = &batch.ended {
                    let status = ExecutionStatus::of_end(ended.reason).as_str();
                    end.execute(params![
                        batch.key.key,
                        status,
                        ended.error,
                        signed(ended.at)
                    ])?;
                }
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn set_status(
        &self,
        key: i64,
        status: ExecutionStatus,
        unix_millis: u64,
    ) -> Result<(), StoreError> {
        let connection = lock(&self.writer);
        let mut statement = connection.prepare_cached(
            "UPDATE executions SET status = ?2, started_at = CASE ?2 WHEN 'running' THEN coalesce(started_at, ?3) ELSE started_at END WHERE key = ?1 AND ended_at IS NULL",
        )?;
        statement.execute(params![key, status.as_str(), signed(unix_millis)])?;
        Ok(())
    }

    fn read(
        &self,
        row: &RowKey,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Result<Vec<Record>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached("SELECT seq, json FROM events WHERE execution = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")?;
            let limit = i64::try_from(max).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![row.key, signed(after), limit])?;
            let (mut records, mut bytes) = (Vec::new(), 0);
            while let Some(found) = rows.next()? {
                let seq: i64 = found.get(0)?;
                let json = found.get_ref(1)?.as_bytes().map_err(|error| StoreError::Damaged(error.to_string()))?;
                let record = Record::from_stored(row.epoch, seq.unsigned_abs(), json)
                    .ok_or_else(|| StoreError::Damaged(format!("event {seq} of execution {} is no event", row.key)))?;
                bytes += record.size();
                if bytes > max_bytes && !records.is_empty() {
                    break;
                }
                records.push(record);
            }
            Ok(records)
        })
    }

    fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
            statement
                .query_row([id.as_str()], row_of)
                .optional()?
                .transpose()
        })
    }

    fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        // Statuses are this crate's own words: nothing of a request is in the text.
        let statuses: Vec<String> = query
            .statuses
            .iter()
            .map(|status| format!("'{}'", status.as_str()))
            .collect();
        let among = if statuses.is_empty() {
            String::new()
        } else {
            format!("AND status IN ({})", statuses.join(","))
        };
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE key < ?1 {among} ORDER BY key DESC LIMIT ?2"
            ))?;
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let rows =
                statement.query_map(params![query.before.unwrap_or(i64::MAX), limit], row_of)?;
            rows.map(|row| row?).collect()
        })
    }

    fn close(&self) {
        drop(lock(&self.lock).take());
    }

    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT definition, input FROM executions WHERE key = ?1")?;
            let found: Option<(String, String)> = statement
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            let parse = |text: &str| {
                serde_json::from_str(text).map_err(|error| StoreError::Damaged(error.to_string()))
            };
            found
                .map(|(definition, input)| Ok((parse(&definition)?, parse(&input)?)))
                .transpose()
        })
    }
}

type Parsed = Result<ExecutionRow, StoreError>;

fn row_of(row: &Row<'_>) -> rusqlite::Result<Parsed> {
    let (id, status): (String, String) = (row.get(1)?, row.get(4)?);
    let unsigned = |value: i64| value.unsigned_abs();
    let parsed = id
        .parse::<ExecutionId>()
        .ok()
        .zip(ExecutionStatus::parse(&status));
    let Some((id, status)) = parsed else {
        return Ok(Err(StoreError::Damaged(format!(
            "execution {id:?} has status {status:?}"
        ))));
    };
    Ok(Ok(ExecutionRow {
        key: RowKey {
            key: row.get(0)?,
            epoch: unsigned(row.get(2)?),
        },
        id,
        pipeline: row.get(3)?,
        status,
        error: row.get(5)?,
        created_at: unsigned(row.get(6)?),
        started_at: row.get::<_, Option<i64>>(7)?.map(unsigned),
        ended_at: row.get::<_, Option<i64>>(8)?.map(unsigned),
        earliest: unsigned(row.get(9)?),
        last_seq: unsigned(row.get(10)?),
    }))
}

/// SQLite's integers are signed; no sequence or time of ours comes near the end of either.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

const SELECT: &str = "SELECT key, id, epoch, pipeline, status, error, created_at, started_at, ended_at,
    coalesce((SELECT min(seq) FROM events WHERE execution = key), 1), coalesce((SELECT max(seq) FROM events WHERE execution = key), 0)
    FROM executions";

const VERSION: i64 = 1;

const SCHEMA: &str = "
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
";

/// How long a statement waits for another process, an operator's copy for instance.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);

/// Reading connections kept open between uses.
const IDLE_READERS: usize = 8;
