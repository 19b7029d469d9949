//! Brings into the database what a former process kept in the write-ahead log and did not come to commit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use stepcast_core::id::Seq;

use super::super::ahead::{Ahead, Frame};
use super::super::store::StoreError;
use super::block::Blocks;
use super::reserve::Reserve;
use super::rows::signed;

/// Commits what is missing, then empties the write-ahead log.
pub(super) fn replay(
    connection: &mut Connection,
    directory: &Path,
    database: &Path,
) -> Result<(), StoreError> {
    let frames = Ahead::read(directory)?;
    if frames.is_empty() {
        return Ok(());
    }
    let added =
        Reserve::beside(database).with(connection, |connection| add(connection, &frames))?;
    if added > 0 {
        tracing::info!(events = added, "kept ahead of the database, and now in it");
    }
    Ok(Ahead::clear(directory)?)
}

/// Shows what is missing as though it were in the database, to a connection that only reads. Of a database that is
/// damaged, what is in it can be looked at all the same.
pub(super) fn show(connection: &Connection, directory: &Path) -> Result<(), StoreError> {
    let frames = Ahead::read(directory)?;
    let missing = match missing(connection, &frames) {
        Ok(missing) => missing,
        Err(error) => {
            tracing::debug!(%error, "what was kept ahead of the database is not shown");
            return Ok(());
        }
    };
    if missing.is_empty() {
        return Ok(());
    }
    connection.execute_batch(OVERLAY)?;
    let mut insert = connection.prepare("INSERT INTO ahead VALUES (?1, ?2, ?2, ?3)")?;
    for (key, seq, json) in missing {
        insert.execute(params![key, signed(seq), json])?;
    }
    Ok(())
}

fn add(connection: &mut Connection, frames: &[Frame]) -> Result<usize, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let missing = missing(&transaction, frames)?;
    {
        let mut blocks = Blocks::new(&transaction)?;
        for (key, seq, json) in &missing {
            blocks.push(*key, *seq, json)?;
        }
        blocks.flush()?;
    }
    transaction.commit()?;
    Ok(missing.len())
}

/// Execution, place and JSON.
type Missing<'a> = (i64, Seq, &'a [u8]);

/// What follows without a hole what the database has.
fn missing<'a>(
    connection: &Connection,
    frames: &'a [Frame],
) -> Result<Vec<Missing<'a>>, StoreError> {
    let (mut missing, mut ends) = (Vec::new(), HashMap::new());
    for frame in frames {
        let end = match ends.entry(frame.key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(End::of(connection, frame.key)?),
        };
        for (seq, json) in (frame.first..).zip(&frame.events) {
            if end.takes(seq, json) {
                missing.push((frame.key, seq, json.as_slice()));
            }
        }
    }
    Ok(missing)
}

/// How far the database has come with an execution that has not ended; none where there is no such execution.
struct End(Option<(String, Seq)>);

impl End {
    fn of(connection: &Connection, key: i64) -> Result<Self, StoreError> {
        let found: Option<(String, i64)> = connection
            .prepare_cached(
                "SELECT id, coalesce((SELECT max(seq) FROM events WHERE execution = key), 0)
                 FROM executions WHERE key = ?1 AND ended_at IS NULL",
            )?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        // its events begin with their type, a plain word, and the id
        Ok(Self(found.map(|(id, last)| {
            (format!("\",\"execution_id\":\"{id}\""), last.unsigned_abs())
        })))
    }

    /// Whether it is the next event, of this execution and of no other that had the same number in another database.
    fn takes(&mut self, seq: Seq, json: &[u8]) -> bool {
        let Some((id, last)) = &mut self.0 else {
            return false;
        };
        let is_next = seq == *last + 1;
        if is_next && is_of(json, id) {
            *last = seq;
            return true;
        }
        false
    }
}

fn is_of(json: &[u8], id: &str) -> bool {
    let rest = json.strip_prefix(b"{\"event_type\":\"").unwrap_or_default();
    let word = rest.iter().take_while(|byte| **byte != b'"').count();
    rest.get(word..)
        .is_some_and(|rest| rest.starts_with(id.as_bytes()))
}

/// A view in place of the table: the database may get meanwhile what is shown beside it.
const OVERLAY: &str = "
CREATE TEMP TABLE ahead (execution INTEGER NOT NULL, seq INTEGER NOT NULL, first INTEGER NOT NULL,
    json BLOB NOT NULL, PRIMARY KEY (execution, seq)) STRICT, WITHOUT ROWID;
CREATE TEMP VIEW events AS
    SELECT execution, seq, first, json FROM main.events
    UNION ALL
    SELECT execution, seq, first, json FROM ahead AS kept WHERE seq >
        coalesce((SELECT max(seq) FROM main.events WHERE main.events.execution = kept.execution), 0);
";
