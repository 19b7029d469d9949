//! An execution out of a database, as text; out of a damaged one, as much of it as can be read.

use std::io::Write;

use rusqlite::{OptionalExtension, params};
use serde_json::value::RawValue;
use stepcast_core::id::Seq;

use super::super::archive::{self, Header, Mark, Saved, VERSION};
use super::super::execution::ExecutionRow;
use super::super::store::StoreError;
use super::block::{BLOCK, Block};
use super::file::LogFile;
use super::rows::signed;

/// What became of an execution's events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Exported {
    /// Written.
    pub events: u64,
    /// Between the first and the last that is known of, and could not be read.
    pub lost: u64,
    /// The last events are among those that could not be read, and nobody knows how many they were.
    pub cut_off: bool,
}

impl LogFile {
    /// Writes an execution as it is at one instant: a line that says what it was, and its events.
    ///
    /// # Errors
    /// Where it cannot be read or written. With `salvage`, what cannot be read is left out.
    pub fn export(
        &self,
        row: &ExecutionRow,
        salvage: bool,
        out: &mut dyn Write,
    ) -> Result<Exported, StoreError> {
        let _one_instant = self.connection.unchecked_transaction()?;
        // as it is in this transaction: it may have grown, or gone, since it was listed
        let row = match self.find(&row.id) {
            Ok(Some(now)) if now.key == row.key => now,
            Ok(_) => return Ok(Exported::default()),
            Err(_) if salvage => row.clone(),
            Err(error) => return Err(error),
        };
        let header = match self.header(&row) {
            Err(error) if salvage => {
                tracing::warn!(execution_id = %row.id, %error, "what it was started with cannot be read");
                bare(&row)
            }
            header => header?,
        };
        let line = serde_json::to_string(&header).map_err(damaged)?;
        writeln!(out, "{line}")?;
        if salvage {
            self.readable(&row, out)
        } else {
            self.all(&row, out)
        }
    }

    fn header(&self, row: &ExecutionRow) -> Result<Header, StoreError> {
        let key = row.key.key;
        let (definition, input): (String, String) = self
            .connection
            .prepare_cached("SELECT definition, input FROM executions WHERE key = ?1")?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut producers = self.connection.prepare_cached(
            "SELECT producer, epoch, seq FROM producers WHERE execution = ?1 ORDER BY producer",
        )?;
        let producers = producers.query_map([key], |row| {
            Ok(Mark {
                producer: row.get(0)?,
                epoch: row.get::<_, i64>(1)?.unsigned_abs(),
                seq: row.get::<_, i64>(2)?.unsigned_abs(),
            })
        })?;
        Ok(Header {
            checkpoint: self.saved(key)?,
            producers: producers.collect::<Result<_, _>>()?,
            definition: RawValue::from_string(definition).map_err(damaged)?,
            input: RawValue::from_string(input).map_err(damaged)?,
            ..bare(row)
        })
    }

    fn saved(&self, key: i64) -> Result<Option<Saved>, StoreError> {
        let found: Option<(i64, Vec<u8>)> = self
            .connection
            // what was taken out of the events does not leave by the checkpoint
            .prepare_cached(
                "SELECT seq, state FROM checkpoints WHERE execution = ?1 AND confidential = 0",
            )?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((seq, state)) = found else {
            return Ok(None);
        };
        let mut results = self.connection.prepare_cached(
            "SELECT number, json FROM results WHERE execution = ?1 ORDER BY number",
        )?;
        let results =
            results.query_map([key], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)))?;
        let results = results
            .map(|result| {
                let (number, json) = result?;
                Ok((number, String::from_utf8(json).map_err(damaged)?))
            })
            .collect::<Result<_, StoreError>>()?;
        Ok(Some(Saved {
            seq: seq.unsigned_abs(),
            state: String::from_utf8(state).map_err(damaged)?,
            results,
        }))
    }

    fn all(&self, row: &ExecutionRow, out: &mut dyn Write) -> Result<Exported, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{BLOCK} WHERE execution = ?1 ORDER BY seq"))?;
        let mut rows = statement.query([row.key.key])?;
        let (mut events, mut next) = (0, row.earliest);
        while let Some(found) = rows.next()? {
            let block = Block::of(found)?;
            if block.first != next {
                return Err(damaged(format!("event {next} of {} is missing", row.id)));
            }
            for (seq, json) in block.events(0) {
                archive::event(json, &row.id, seq).map_err(damaged)?;
                out.write_all(json)?;
                out.write_all(b"\n")?;
                (events, next) = (events + 1, seq + 1);
            }
        }
        Ok(Exported {
            events,
            ..Exported::default()
        })
    }

    /// Row by row: a page that is damaged costs only what is on it.
    fn readable(&self, row: &ExecutionRow, out: &mut dyn Write) -> Result<Exported, StoreError> {
        let key = row.key.key;
        let bound = |which: &str| -> Option<Seq> {
            let query = format!("SELECT {which} FROM events WHERE execution = ?1");
            let found: rusqlite::Result<Option<i64>> =
                self.connection.query_row(&query, [key], |row| row.get(0));
            found.ok().map(|seq| seq.unwrap_or_default().unsigned_abs())
        };
        let first = bound("min(first)").unwrap_or(row.earliest).max(1);
        let last = bound("max(seq)");
        let mut statement = self
            .connection
            .prepare_cached(&format!("{BLOCK} WHERE execution = ?1 AND seq = ?2"))?;
        let mut due = first;
        let mut exported = Exported {
            cut_off: last.is_none(),
            ..Exported::default()
        };
        for seq in first.. {
            if last.map_or(seq - due >= MISSED, |last| seq > last) {
                break;
            }
            let mut rows = statement.query(params![key, signed(seq)])?;
            let Some(block) = rows.next().ok().flatten().map(Block::of) else {
                continue;
            };
            let before = due - 1;
            for (seq, json) in block.into_iter().flat_map(|block| block.events(before)) {
                if let Ok(event) = archive::event(json, &row.id, seq) {
                    out.write_all(json)?;
                    out.write_all(b"\n")?;
                    exported.events += 1;
                    exported.lost += seq - due;
                    due = seq + 1;
                    exported.cut_off = last.is_none() && !event.event_type.is_terminal();
                }
            }
        }
        if let Some(last) = last {
            exported.lost += (last + 1).saturating_sub(due);
        }
        Ok(exported)
    }
}

/// A header of what the row says.
fn bare(row: &ExecutionRow) -> Header {
    Header {
        stepcast_execution: VERSION,
        execution_id: row.id.clone(),
        pipeline: row.pipeline.clone(),
        status: row.status,
        error: row.error.clone(),
        created_at: row.created_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        lease_ms: row.lease_ms,
        resumed_from: row.resumed_from.clone(),
        owner: row.owner.clone(),
        trace: row.trace.clone(),
        earliest: row.earliest,
        last_seq: row.last_seq,
        checkpoint: None,
        producers: Vec::new(),
        definition: RawValue::NULL.to_owned(),
        input: RawValue::NULL.to_owned(),
    }
}

fn damaged(what: impl ToString) -> StoreError {
    StoreError::Damaged(what.to_string())
}

/// Where nobody knows how far an execution goes, it is looked for so many events past the last one found.
const MISSED: u64 = 100_000;
