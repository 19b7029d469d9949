//! Taking away: events, executions, and the pages they were in, each a bounded part in one transaction.
//!
//! Events go oldest first, and the newest of an execution only together with its row: so its number is never given
//! again, and whatever instant the process dies at, each execution is whole but for its oldest events.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use stepcast_core::id::Seq;

use super::super::lock;
use super::super::retention::{Extent, Old, Shrink, Trimmed};
use super::super::store::StoreError;
use super::SqliteStore;
use super::block;
use super::rows::signed;

/// Executions that have grown since somebody asked; not noted before somebody does.
pub(super) type Grown = Option<HashSet<i64>>;

/// How much of one transaction is left.
struct Room {
    rows: usize,
    taken: u64,
    until: Instant,
}

impl Room {
    fn new() -> Self {
        Self {
            rows: STEP_ROWS,
            taken: 0,
            until: Instant::now() + STEP_TIME,
        }
    }

    fn is_left(&self) -> bool {
        self.rows > 0 && self.taken < STEP_BYTES && Instant::now() < self.until
    }

    fn take(&mut self, bytes: u64) {
        self.rows = self.rows.saturating_sub(1);
        self.taken += bytes;
    }
}

impl Shrink for SqliteStore {
    fn oldest_ended(&self, at_most: usize) -> Result<Vec<Old>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT key, id, ended_at FROM executions WHERE ended_at IS NOT NULL ORDER BY ended_at, key LIMIT ?1",
            )?;
            let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
            let rows = statement.query_map([limit], |row| {
                let (key, id, ended_at): (i64, String, i64) =
                    (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok((key, id, ended_at.unsigned_abs()))
            })?;
            rows.map(|row| {
                let (key, id, ended_at) = row?;
                let id = id
                    .parse()
                    .map_err(|_bad| StoreError::Damaged(format!("execution {key} has no id")))?;
                Ok(Old { key, id, ended_at })
            })
            .collect()
        })
    }

    fn ended_count(&self) -> Result<u64, StoreError> {
        self.reading(|connection| {
            let count: i64 = connection
                .prepare_cached("SELECT count(*) FROM executions WHERE ended_at IS NOT NULL")?
                .query_row([], |row| row.get(0))?;
            Ok(count.unsigned_abs())
        })
    }

    fn used_bytes(&self) -> Result<u64, StoreError> {
        self.reading(|connection| {
            let [pages, free, size] = pages(connection)?;
            Ok((pages.saturating_sub(free)) * size)
        })
    }

    fn grown(&self) -> Result<Vec<i64>, StoreError> {
        let noted = lock(&self.grown).replace(HashSet::new());
        if let Some(noted) = noted {
            return Ok(noted.into_iter().collect());
        }
        self.reading(|connection| {
            let mut statement = connection.prepare("SELECT key FROM executions")?;
            let keys = statement.query_map([], |row| row.get(0))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })
    }

    fn extent(&self, key: i64, after: Seq, with_bytes: bool) -> Result<Option<Extent>, StoreError> {
        self.reading(|connection| {
            let found: Option<(i64, i64, bool)> = connection
                .prepare_cached(
                    "SELECT coalesce((SELECT first FROM events WHERE execution = key ORDER BY seq LIMIT 1), 0),
                     coalesce((SELECT max(seq) FROM events WHERE execution = key), 0), ended_at IS NOT NULL
                     FROM executions WHERE key = ?1",
                )?
                .query_row([key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?;
            let Some((first, last, ended)) = found else {
                return Ok(None);
            };
            let mut bytes = 0;
            if with_bytes {
                let sum: i64 = connection
                    .prepare_cached(
                        "SELECT coalesce(sum(length(json)), 0) FROM events
                         WHERE execution = ?1 AND seq > ?2 AND seq <= ?3",
                    )?
                    .query_row(params![key, signed(after), last], |row| row.get(0))?;
                bytes = sum.unsigned_abs();
            }
            Ok(Some(Extent {
                first: first.unsigned_abs(),
                last: last.unsigned_abs(),
                bytes,
                ended,
            }))
        })
    }

    fn through(&self, key: i64, bytes: u64) -> Result<Seq, StoreError> {
        self.reading(|connection| {
            let mut sizes = connection.prepare_cached(
                "SELECT seq, length(json) FROM events WHERE execution = ?1 ORDER BY seq",
            )?;
            let mut rows = sizes.query([key])?;
            let (mut through, mut sum) = (0, 0);
            while let Some(row) = rows.next()? {
                let (last, size): (i64, i64) = (row.get(0)?, row.get(1)?);
                if sum + size.unsigned_abs() >= bytes {
                    return block::through(connection, key, last, bytes - sum);
                }
                through = last.unsigned_abs();
                sum += size.unsigned_abs();
            }
            Ok(through)
        })
    }

    fn trim(&self, key: i64, through: Seq) -> Result<Trimmed, StoreError> {
        self.writing(|connection| {
            self.reserve
                .with(connection, |connection| trim(connection, key, through))
        })
    }

    fn tidy(&self) -> Result<(), StoreError> {
        self.reading(|connection| {
            connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_row| Ok(()))?;
            Ok(())
        })
    }

    fn give_back(&self) -> Result<bool, StoreError> {
        let connection = lock(&self.writer);
        let [pages_before, free, _] = pages(&connection)?;
        // some stay: what comes next finds its pages
        if free <= pages_before / FREE_SHARE {
            drop(connection);
            self.reserve.set_aside();
            return Ok(false);
        }
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({STEP_PAGES})"))?;
        let [pages, free, _] = pages(&connection)?;
        Ok(pages < pages_before && free > pages / FREE_SHARE)
    }
}

fn trim(connection: &mut Connection, key: i64, through: Seq) -> Result<Trimmed, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let newest: Option<i64> = transaction
        .prepare_cached("SELECT max(seq) FROM events WHERE execution = ?1")?
        .query_row([key], |row| row.get(0))?;
    let through = signed(through).min(newest.unwrap_or(1) - 1);
    let mut room = Room::new();
    let done = delete_rows(&transaction, &EVENTS, key, through, &mut room)?;
    if done {
        room.taken += block::cut(&transaction, key, through.unsigned_abs())?;
    }
    transaction.commit()?;
    Ok(Trimmed {
        bytes: room.taken,
        done,
    })
}

/// Takes away a bounded part of these executions, and gives those that are gone.
pub(super) fn delete(connection: &mut Connection, keys: &[i64]) -> Result<Vec<i64>, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let (mut gone, mut removed, mut room) = (Vec::new(), 0, Room::new());
    for &key in keys {
        let ended: Option<bool> = transaction
            .prepare_cached("SELECT ended_at IS NOT NULL FROM executions WHERE key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        match ended {
            None => {}
            Some(false) => return Err(StoreError::UnderWay),
            Some(true) if delete_one(&transaction, key, &mut room)? => removed += 1,
            Some(true) => break,
        }
        gone.push(key);
        if !room.is_left() {
            break;
        }
    }
    if removed > 0 {
        transaction.execute("UPDATE incarnation SET epoch = epoch + 1", [])?;
    }
    transaction.commit()?;
    Ok(gone)
}

/// Whether there was room for all of it.
fn delete_one(
    transaction: &Transaction<'_>,
    key: i64,
    room: &mut Room,
) -> Result<bool, StoreError> {
    // first of all: without it, nobody goes on from a part of the results
    transaction
        .prepare_cached("DELETE FROM checkpoints WHERE execution = ?1")?
        .execute([key])?;
    for table in [&RESULTS, &EVENTS] {
        if !delete_rows(transaction, table, key, i64::MAX, room)? {
            return Ok(false);
        }
    }
    // what it refers to goes with it, and is noted as loose by the same statement
    transaction
        .prepare_cached("DELETE FROM artifacts WHERE execution = ?1")?
        .execute([key])?;
    transaction
        .prepare_cached("DELETE FROM executions WHERE key = ?1")?
        .execute([key])?;
    Ok(true)
}

/// Rows of one execution up to `through`, the first ones first; whether there was room for all of them.
fn delete_rows(
    transaction: &Transaction<'_>,
    table: &Rows,
    key: i64,
    through: i64,
    room: &mut Room,
) -> Result<bool, StoreError> {
    let mut sizes = transaction.prepare_cached(table.sizes)?;
    let mut delete = transaction.prepare_cached(table.delete)?;
    // one row at least: a step that takes nothing would be made for ever
    let mut is_left = true;
    while is_left {
        let mut last = None;
        let mut rows = sizes.query(params![key, through, CHUNK])?;
        while let Some(row) = rows.next()?.filter(|_| is_left) {
            last = Some(row.get::<_, i64>(0)?);
            room.take(row.get::<_, i64>(1)?.unsigned_abs());
            is_left = room.is_left();
        }
        drop(rows);
        let Some(last) = last else {
            return Ok(true);
        };
        delete.execute(params![key, last])?;
    }
    // nothing was left behind, perhaps
    Ok(sizes.query(params![key, through, 1])?.next()?.is_none())
}

/// A table of numbered rows of an execution.
struct Rows {
    sizes: &'static str,
    delete: &'static str,
}

const EVENTS: Rows = Rows {
    sizes: "SELECT seq, length(json) FROM events WHERE execution = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3",
    delete: "DELETE FROM events WHERE execution = ?1 AND seq <= ?2",
};

const RESULTS: Rows = Rows {
    sizes: "SELECT number, length(json) FROM results WHERE execution = ?1 AND number <= ?2 ORDER BY number LIMIT ?3",
    delete: "DELETE FROM results WHERE execution = ?1 AND number <= ?2",
};

/// Pages in the file, those among them that are free, and bytes in each.
pub(super) fn pages(connection: &Connection) -> Result<[u64; 3], StoreError> {
    let mut found = [0; 3];
    let pragmas = [
        "PRAGMA page_count",
        "PRAGMA freelist_count",
        "PRAGMA page_size",
    ];
    for (found, pragma) in found.iter_mut().zip(pragmas) {
        let value: i64 = connection
            .prepare_cached(pragma)?
            .query_row([], |row| row.get(0))?;
        *found = value.unsigned_abs();
    }
    Ok(found)
}

/// What one transaction takes away at most, so that a commit waits for some milliseconds at most.
const STEP_ROWS: usize = 500;
const STEP_BYTES: u64 = 1 << 20;
const STEP_TIME: Duration = Duration::from_millis(1);

/// Rows deleted by one statement.
const CHUNK: i64 = 64;

/// Pages given back in one transaction.
const STEP_PAGES: u32 = 64;

/// Free pages are kept up to this part of the file.
const FREE_SHARE: u64 = 10;
