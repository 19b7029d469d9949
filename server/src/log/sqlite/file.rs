//! A log as an operator looks at it: its file, read only, whether a server uses it or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, params};
use serde::Serialize;
use stepcast_core::id::ExecutionId;

use super::super::archive;
use super::super::execution::{ExecutionRow, ExecutionStatus};
use super::super::store::StoreError;
use super::block::{BLOCK, Block};
use super::rows::{SELECT, row_of};
use super::{BUSY, DATABASE, replay, schema, shrink, sound};

/// The database of a data directory. Nothing in it is changed, and no server is held up.
#[derive(Debug)]
pub struct LogFile {
    pub(super) connection: Connection,
    path: PathBuf,
}

/// What a log holds.
#[derive(Clone, Debug, Serialize)]
pub struct LogStats {
    /// The database.
    pub path: PathBuf,
    /// Its bytes, and those of its journal (`-wal`).
    pub file_bytes: u64,
    /// Bytes of the journal.
    pub journal_bytes: u64,
    /// Bytes in the file that are free to be used again.
    pub free_bytes: u64,
    /// The epoch of executions to come.
    pub epoch: u64,
    /// Whether a loss of power now could take back events that were seen.
    pub durability_at_risk: bool,
    /// How many executions there are.
    pub executions: u64,
    /// How many of each status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// How many events there are.
    pub events: u64,
    /// Their bytes.
    pub event_bytes: u64,
    /// The execution created first.
    pub oldest: Option<Sized>,
    /// Those with the most bytes, the largest first.
    pub largest: Vec<Sized>,
}

/// An execution and its size.
#[derive(Clone, Debug, Serialize)]
pub struct Sized {
    /// Which.
    pub execution_id: ExecutionId,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Milliseconds since 1970.
    pub created_at: u64,
    /// Its events.
    pub events: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl LogFile {
    /// Opens the database of `directory`.
    ///
    /// # Errors
    /// Where there is none, or none of this version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(DATABASE);
        std::fs::metadata(&path)?;
        sound::is_database(&path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&path, flags)?;
        connection.busy_timeout(BUSY)?;
        schema::recognise(&connection, &path).map_err(|error| sound::told(error, &path))?;
        schema::is_current(&connection)?;
        replay::show(&connection, directory)?;
        Ok(Self { connection, path })
    }

    /// Which executions there are, the oldest first; with one of these statuses, or with any where there are none.
    ///
    /// # Errors
    /// Where they cannot be read. With `salvage`, those that cannot be are counted, and the others given.
    pub fn executions(
        &self,
        statuses: &[ExecutionStatus],
        salvage: bool,
    ) -> Result<(Vec<ExecutionRow>, u64), StoreError> {
        let wanted = |row: &ExecutionRow| statuses.is_empty() || statuses.contains(&row.status);
        let mut unreadable = 0;
        let mut rows = match self.list() {
            Err(error) if salvage => {
                tracing::debug!(%error, "executions are read one by one");
                self.list_readable(&mut unreadable)?
            }
            rows => rows?,
        };
        rows.retain(wanted);
        Ok((rows, unreadable))
    }

    fn list(&self) -> Result<Vec<ExecutionRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} ORDER BY key"))?;
        let rows = statement.query_map([], row_of)?;
        rows.map(|row| row?).collect()
    }

    /// One by one: a page that is damaged costs only what is on it.
    fn list_readable(&self, unreadable: &mut u64) -> Result<Vec<ExecutionRow>, StoreError> {
        let newest: i64 = self.connection.query_row(
            "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'executions'), 0)",
            [],
            |row| row.get(0),
        )?;
        let mut rows = Vec::new();
        for key in 1..=newest {
            match self.row(key).or_else(|_| self.row_without_events(key)) {
                Ok(row) => rows.extend(row),
                Err(error) => {
                    tracing::debug!(key, %error, "an execution cannot be read");
                    *unreadable += 1;
                }
            }
        }
        Ok(rows)
    }

    /// Where it begins and ends is left open.
    fn row_without_events(&self, key: i64) -> Result<Option<ExecutionRow>, StoreError> {
        let select = format!("{SELECT} WHERE key = ?1").replace(
            "FROM events WHERE execution = key",
            "FROM (SELECT NULL AS seq, NULL AS first)",
        );
        let mut statement = self.connection.prepare_cached(&select)?;
        let mut rows = statement.query_map([key], row_of)?;
        rows.next().transpose()?.transpose()
    }

    /// One execution by its id.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        let mut rows = statement.query_map([id.as_str()], row_of)?;
        rows.next().transpose()?.transpose()
    }

    fn row(&self, key: i64) -> Result<Option<ExecutionRow>, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} WHERE key = ?1"))?;
        let mut rows = statement.query_map([key], row_of)?;
        rows.next().transpose()?.transpose()
    }

    /// What the log holds; every event's size is read for it.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn stats(&self, largest: usize) -> Result<LogStats, StoreError> {
        let (epoch, at_risk): (i64, bool) =
            self.connection
                .query_row("SELECT epoch, at_risk FROM incarnation", [], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?;
        let [_, free, page] = shrink::pages(&self.connection)?;
        let mut journal = self.path.as_os_str().to_owned();
        journal.push("-wal");
        let bytes = |path: &Path| std::fs::metadata(path).map_or(0, |file| file.len());
        let mut stats = LogStats {
            path: self.path.clone(),
            file_bytes: bytes(&self.path),
            journal_bytes: bytes(Path::new(&journal)),
            free_bytes: free * page,
            epoch: epoch.unsigned_abs(),
            durability_at_risk: at_risk,
            executions: 0,
            by_status: BTreeMap::new(),
            events: 0,
            event_bytes: 0,
            oldest: None,
            largest: Vec::new(),
        };
        let mut keys = self
            .connection
            .prepare("SELECT key FROM executions ORDER BY key")?;
        let keys: Vec<i64> = keys
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for key in keys {
            // each read is short: a long one would keep the journal from being used again
            if let Some(sized) = self.sized(key)? {
                stats.count(sized, largest);
            }
        }
        Ok(stats)
    }

    fn sized(&self, key: i64) -> Result<Option<Sized>, StoreError> {
        let Some(row) = self.row(key)? else {
            return Ok(None);
        };
        let (events, bytes): (i64, i64) = self
            .connection
            .prepare_cached(
                "SELECT coalesce(sum(seq - first + 1), 0), coalesce(sum(length(json) - seq + first), 0)
                 FROM events WHERE execution = ?1",
            )?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Some(Sized {
            execution_id: row.id,
            status: row.status,
            created_at: row.created_at,
            events: events.unsigned_abs(),
            bytes: bytes.unsigned_abs(),
        }))
    }

    /// Looks at every page and every event, and tells each thing that is wrong; how many there were.
    ///
    /// # Errors
    /// Where the database cannot be read at all.
    pub fn check(&self, tell: &mut dyn FnMut(&str)) -> Result<u64, StoreError> {
        let mut found = 0;
        let mut tell = |finding: &str| {
            found += 1;
            tell(finding);
        };
        // each part by itself: one that cannot be looked at is a finding, and not the last one
        for part in [Self::structure, Self::holes] {
            if let Err(error) = part(self, &mut tell) {
                tell(&error.to_string());
            }
        }
        let (rows, unreadable) = self.executions(&[], true)?;
        if unreadable > 0 {
            tell(&format!("{unreadable} executions cannot be read"));
        }
        for row in rows {
            if let Err(error) = self.check_events(&row, &mut tell) {
                tell(&format!("execution {}: {error}", row.id));
            }
        }
        Ok(found)
    }

    fn structure(&self, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
        let mut structure = self.connection.prepare("PRAGMA integrity_check")?;
        let mut rows = structure.query([])?;
        while let Some(row) = rows.next()? {
            let finding: String = row.get(0)?;
            if finding != "ok" {
                tell(&finding);
            }
        }
        Ok(())
    }

    fn holes(&self, tell: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
        let mut holes = self.connection.prepare(&sound::holes(&self.connection)?)?;
        let mut rows = holes.query([])?;
        while let Some(row) = rows.next()? {
            tell(&sound::hole(row)?);
        }
        Ok(())
    }

    fn check_events(
        &self,
        row: &ExecutionRow,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "{BLOCK} WHERE execution = ?1 AND seq <= ?2 ORDER BY seq"
        ))?;
        let last = super::rows::signed(row.last_seq);
        let mut rows = statement.query(params![row.key.key, last])?;
        let mut end = false;
        while let Some(found) = rows.next()? {
            for (seq, json) in Block::of(found)?.events(0) {
                match archive::event(json, &row.id, seq) {
                    Ok(event) if end => {
                        tell(&format!(
                            "execution {}: event {} follows its end",
                            row.id, event.seq
                        ));
                    }
                    Ok(event) => end = event.event_type.is_terminal(),
                    Err(finding) => tell(&format!("execution {}: {finding}", row.id)),
                }
            }
        }
        if end != row.status.end().is_some() {
            let status = row.status.as_str();
            tell(&format!(
                "execution {} is {status}, and its last event says otherwise",
                row.id
            ));
        }
        Ok(())
    }
}

impl LogStats {
    fn count(&mut self, sized: Sized, largest: usize) {
        self.executions += 1;
        *self.by_status.entry(sized.status.as_str()).or_default() += 1;
        self.events += sized.events;
        self.event_bytes += sized.bytes;
        if self
            .oldest
            .as_ref()
            .is_none_or(|oldest| sized.created_at < oldest.created_at)
        {
            self.oldest = Some(sized.clone());
        }
        let place = self
            .largest
            .partition_point(|other| other.bytes >= sized.bytes);
        if place < largest {
            self.largest.insert(place, sized);
            self.largest.truncate(largest);
        }
    }
}
