//! The embedded durable store: one SQLite database in the data directory.
//!
//! WAL mode: readers never wait for the writer. A committed transaction is in the operating system's hands
//! and survives the process; [`Durability::Power`] also waits until it is on the medium.

mod block;
mod commit;
mod export;
mod file;
mod import;
mod measure;
mod open;
mod reference;
mod replay;
mod reserve;
mod rows;
mod schema;
mod shrink;
mod sound;

use std::fs::File;
use std::path::Path;
use std::sync::Mutex;

use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use stepcast_core::id::{ExecutionId, Seq};

use self::block::{BLOCK, Block};
pub use self::export::Exported;
pub use self::file::{LogFile, LogStats, Sized};
pub use self::import::{ImportOptions, Imported};
pub use self::open::{Durability, SqliteOptions};
use self::reserve::Reserve;
use self::rows::{SELECT, row_of, signed};
use self::shrink::Grown;
use super::ahead::Ahead;
use super::execution::{
    ExecutionRow, ExecutionStatus, FollowingQuery, ListQuery, NewExecution, RowKey,
};
use super::lock;
use super::measure::{Measured, Window};
use super::record::Record;
use super::reference::References;
use super::retention::Shrink;
use super::store::{Batch, Checkpoint, ProducerMark, Store, StoreError};
use super::stored::StoredPage;

/// Keeps executions and events in `stepcast.db`.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Mutex<Connection>,
    /// Idle connections for reading; one more is opened when all are in use.
    readers: Mutex<Vec<Connection>>,
    path: std::path::PathBuf,
    /// Locked while this process may write; none where the file system has no locks.
    lock: Mutex<Option<File>>,
    options: SqliteOptions,
    /// None where a commit waits for the medium.
    ahead: Option<Ahead>,
    grown: Mutex<Grown>,
    reserve: Reserve,
}

impl SqliteStore {
    /// Opens or creates the database in `directory`, of any size, and checks it.
    ///
    /// # Errors
    /// As [`SqliteStore::open_with`].
    pub fn open(directory: &Path, durability: Durability) -> Result<Self, StoreError> {
        Self::open_with(
            directory,
            SqliteOptions {
                durability,
                ..SqliteOptions::default()
            },
        )
    }

    /// Opens or creates the database in `directory`.
    ///
    /// # Errors
    /// Where the directory cannot be written, another process uses it, the database is damaged or of another program,
    /// or it was made by a later version.
    pub fn open_with(directory: &Path, options: SqliteOptions) -> Result<Self, StoreError> {
        let (writer, held, path) = open::open(directory, &options)?;
        let ahead = (options.durability != Durability::Power).then(|| Ahead::create(directory));
        Ok(Self {
            ahead: ahead.transpose()?,
            writer: Mutex::new(writer),
            readers: Mutex::default(),
            reserve: Reserve::beside(&path),
            path,
            lock: Mutex::new(held),
            options,
            grown: Mutex::default(),
        })
    }

    /// Makes the file as small as what is in it. It is written anew, which takes as much room again meanwhile.
    ///
    /// # Errors
    /// Where the medium fails.
    pub fn vacuum(&self) -> Result<(), StoreError> {
        self.writing(|connection| {
            // a database of the first version takes this on when it is written anew
            connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
            connection.execute_batch("VACUUM")?;
            Ok(())
        })
    }

    /// Writes, and says why where there is no room.
    fn writing<T>(
        &self,
        write: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = lock(&self.writer);
        write(&mut connection).map_err(|error| match (error, self.options.max_bytes) {
            (StoreError::Full(_), Some(most)) if open::is_at_most(&connection, most) => {
                StoreError::Full(format!("max_log_bytes is {most}"))
            }
            (error, _) => error,
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

impl Store for SqliteStore {
    fn commits_at_once(&self) -> bool {
        false
    }

    fn acknowledges_early(&self) -> bool {
        self.options.durability == Durability::Off
    }

    fn create(&self, new: &NewExecution) -> Result<ExecutionRow, StoreError> {
        self.writing(|connection| commit::create(connection, new))
    }

    fn commit(&self, batches: &[Batch]) -> Result<(), StoreError> {
        if batches.is_empty() {
            return Ok(());
        }
        self.writing(|connection| commit::commit(connection, batches))?;
        if let Some(grown) = &mut *lock(&self.grown) {
            grown.extend(batches.iter().map(|batch| batch.key.key));
        }
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
            let mut statement = connection.prepare_cached(&format!(
                "{BLOCK} WHERE execution = ?1 AND seq > ?2 ORDER BY seq"
            ))?;
            let mut rows = statement.query(params![row.key, signed(after)])?;
            let (mut page, mut last) = (StoredPage::new(row.epoch), None);
            'page: while let Some(found) = rows.next()? {
                let block = Block::of(found)?;
                sound::follows(
                    connection,
                    row.key,
                    last.unwrap_or(after),
                    block.first,
                    last.is_none(),
                )?;
                for (seq, json) in block.events(after) {
                    let over = page.size() + json.len() > max_bytes && !page.is_empty();
                    if over || page.len() >= max {
                        break 'page;
                    }
                    page.push(seq, json).ok_or_else(|| {
                        StoreError::Damaged(format!(
                            "event {seq} of execution {} is no event",
                            row.key
                        ))
                    })?;
                }
                last = Some(block.last);
            }
            Ok(page.finish())
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
        // the few with a prefix are found by the index of ids: a `+` keeps a column from leading
        let (order, of, named) = match (&query.id_prefix, &query.owner) {
            (None, None) => ("key", "", ""),
            (None, Some(_)) => ("key", "AND owner = ?3", ""),
            (Some(_), None) => ("+key", "", PREFIXED),
            (Some(_), Some(_)) => ("+key", "AND +owner = ?3", PREFIXED),
        };
        let run = match query.pipelines.is_empty() {
            true => "",
            false => "AND pipeline IN (SELECT value FROM json_each(?5))",
        };
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE {order} < ?1 {among} {of} {named} {run} ORDER BY {order} DESC LIMIT ?2"
            ))?;
            statement.raw_bind_parameter(1, query.before.unwrap_or(i64::MAX))?;
            statement.raw_bind_parameter(2, i64::try_from(query.limit).unwrap_or(i64::MAX))?;
            if let Some(owner) = &query.owner {
                statement.raw_bind_parameter(3, owner)?;
            }
            if let Some(prefix) = &query.id_prefix {
                statement.raw_bind_parameter(4, prefix)?;
            }
            if !query.pipelines.is_empty() {
                let pipelines = serde_json::to_string(&query.pipelines).unwrap_or_default();
                statement.raw_bind_parameter(5, pipelines)?;
            }
            let rows = statement.raw_query().mapped(row_of);
            rows.map(|row| row?).collect()
        })
    }

    fn following(&self, query: &FollowingQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        let under_way = if query.under_way {
            "AND ended_at IS NULL"
        } else {
            ""
        };
        let pipelines = serde_json::to_string(&query.pipelines).unwrap_or_default();
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE key > ?1 AND (?2 = '[]' OR pipeline IN (SELECT value FROM json_each(?2)))
                 AND (?3 IS NULL OR owner = ?3) {under_way} ORDER BY key LIMIT ?4"
            ))?;
            let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
            let rows = statement.query_map(
                params![query.after, pipelines, query.owner, limit],
                row_of,
            )?;
            rows.map(|row| row?).collect()
        })
    }

    fn close(&self) {
        let mut held = lock(&self.lock);
        if held.is_none() {
            return;
        }
        if let Some(ahead) = &self.ahead {
            ahead.close();
        }
        if let Err(error) = open::note_clean(&lock(&self.writer)) {
            tracing::warn!(%error, "the log could not be closed cleanly; the next start takes it for a loss of power");
        }
        drop(held.take());
    }

    fn origin(&self, key: i64) -> Result<Option<(Value, Value)>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT coalesce(unredacted.definition, executions.definition), coalesce(unredacted.input, executions.input)
                 FROM executions LEFT JOIN unredacted ON unredacted.execution = key WHERE key = ?1",
            )?;
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

    fn checkpoint(&self, key: i64) -> Result<Option<Checkpoint>, StoreError> {
        self.reading(|connection| {
            // one transaction: the state and its results are of one moment
            let transaction = connection.unchecked_transaction()?;
            let found: Option<(i64, Vec<u8>, bool)> = transaction
                .prepare_cached(
                    "SELECT seq, state, confidential FROM checkpoints WHERE execution = ?1",
                )?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((seq, state, confidential)) = found else {
                return Ok(None);
            };
            let mut results = transaction.prepare_cached(
                "SELECT number, json FROM results WHERE execution = ?1 ORDER BY number",
            )?;
            let results = results.query_map([key], |row| {
                Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?.into()))
            })?;
            Ok(Some(Checkpoint {
                seq: seq.unsigned_abs(),
                state: state.into(),
                results: results.collect::<Result<_, _>>()?,
                confidential,
            }))
        })
    }

    fn producers(&self, key: i64) -> Result<Vec<ProducerMark>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT producer, epoch, seq FROM producers WHERE execution = ?1",
            )?;
            let marks = statement.query_map([key], |row| {
                Ok(ProducerMark {
                    producer: row.get(0)?,
                    epoch: row.get::<_, i64>(1)?.unsigned_abs(),
                    seq: row.get::<_, i64>(2)?.unsigned_abs(),
                })
            })?;
            Ok(marks.collect::<Result<_, _>>()?)
        })
    }

    fn delete(&self, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
        self.writing(|connection| {
            self.reserve
                .with(connection, |connection| shrink::delete(connection, keys))
        })
    }

    fn measured(&self, window: &Window, before: i64) -> Result<Vec<Measured>, StoreError> {
        self.reading(|connection| measure::measured(connection, window, before, MEASURED_AT_ONCE))
    }

    fn unmeasured(&self, at_most: usize) -> Result<Vec<ExecutionId>, StoreError> {
        self.reading(|connection| measure::unmeasured(connection, at_most))
    }

    fn keep_counts(&self, key: i64, counts: &[u8]) -> Result<(), StoreError> {
        self.writing(|connection| measure::keep(connection, key, counts))
    }

    fn ahead(&self) -> Option<&Ahead> {
        self.ahead.as_ref()
    }

    fn shrinks(&self) -> Option<&dyn Shrink> {
        Some(self)
    }

    fn references(&self) -> Option<&dyn References> {
        Some(self)
    }
}

/// Ids of ASCII with this beginning, which `?4` is.
const PREFIXED: &str = "AND id >= ?4 AND id < ?4 || '\u{7f}'";

/// The database in a data directory.
const DATABASE: &str = "stepcast.db";

/// How long a statement waits for another process, an operator's copy for instance.
const BUSY: std::time::Duration = std::time::Duration::from_secs(5);

/// Executions whose counts are read at once.
const MEASURED_AT_ONCE: usize = 500;

/// Reading connections kept open between uses.
const IDLE_READERS: usize = 8;
