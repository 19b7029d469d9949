//! Executions from text into a database, each in one transaction: whole, or not at all.

use std::io::BufRead;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde_json::{Value, json};
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, ExecutionId, Seq};

use super::super::archive::{self, HEADER, Header, VERSION};
use super::super::record::{Parts, Record};
use super::super::store::StoreError;
use super::SqliteStore;
use super::block::Blocks;
use super::rows::signed;
use crate::clock::unix_millis;

/// How an import goes about what is not as it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportOptions {
    /// Executions that are there already are passed over; else the first one ends the import.
    pub skip_existing: bool,
    /// The text is of a damaged log: of an execution with a hole, what follows the last one is taken.
    pub salvaged: bool,
}

/// What became of the executions of a text.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// Executions taken in.
    pub executions: u64,
    /// Their events.
    pub events: u64,
    /// Executions passed over.
    pub skipped: u64,
    /// Executions that had no end, and were ended as interrupted.
    pub ended: u64,
    /// Events before a hole, left out.
    pub left_out: u64,
}

impl SqliteStore {
    /// Reads what exports wrote. Each execution enters this log's epoch, in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Line`] at the first line that does not fit; what was taken in before it stays.
    pub fn import(
        &self,
        text: &mut dyn BufRead,
        options: ImportOptions,
    ) -> Result<Imported, StoreError> {
        let mut lines = Lines {
            text,
            number: 0,
            line: String::new(),
        };
        let mut imported = Imported::default();
        lines.next()?;
        while !lines.line.is_empty() {
            let header = lines.header()?;
            self.writing(|connection| {
                one(connection, &header, &mut lines, options, &mut imported)
            })?;
        }
        Ok(imported)
    }
}

/// The line at hand; empty at the end.
struct Lines<'a> {
    text: &'a mut dyn BufRead,
    number: u64,
    line: String,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<(), StoreError> {
        self.line.clear();
        self.number += 1;
        match self.text.read_line(&mut self.line) {
            Ok(0) => Ok(()),
            Ok(_) if self.line.ends_with('\n') => {
                self.line.pop();
                if self.line.is_empty() {
                    return Err(self.wrong("it is empty"));
                }
                Ok(())
            }
            Ok(_) => Err(self.wrong("it is cut off")),
            Err(error) => Err(self.wrong(error)),
        }
    }

    fn header(&self) -> Result<Header, StoreError> {
        if !self.line.starts_with(HEADER) {
            return Err(self.wrong("a line that begins an execution is expected here"));
        }
        let header: Header = serde_json::from_str(&self.line).map_err(|error| self.wrong(error))?;
        if header.stepcast_execution != VERSION {
            let version = header.stepcast_execution;
            return Err(self.wrong(format!("format {version} is not known to this build")));
        }
        Ok(header)
    }

    fn is_event(&self) -> bool {
        !self.line.is_empty() && !self.line.starts_with(HEADER)
    }

    fn wrong(&self, what: impl ToString) -> StoreError {
        StoreError::Line {
            line: self.number,
            what: what.to_string(),
        }
    }
}

/// How far an execution has been taken in.
#[derive(Default)]
struct Taken {
    events: u64,
    last: Seq,
    end: Option<EventType>,
}

/// The execution whose header is at hand, and the lines that belong to it.
fn one(
    connection: &mut Connection,
    header: &Header,
    lines: &mut Lines<'_>,
    options: ImportOptions,
    imported: &mut Imported,
) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(key) = enter(&transaction, header)? else {
        if !options.skip_existing {
            let id = &header.execution_id;
            return Err(lines.wrong(format!(
                "execution {id} is in this log already; --skip-existing passes over such"
            )));
        }
        imported.skipped += 1;
        lines.next()?;
        while lines.is_event() {
            lines.next()?;
        }
        return Ok(());
    };
    let mut taken = Taken::default();
    let mut blocks = Blocks::new(&transaction)?;
    let at = lines.number;
    lines.next()?;
    while lines.is_event() {
        event(
            &transaction,
            &mut blocks,
            key,
            header,
            lines,
            options,
            (&mut taken, imported),
        )?;
        lines.next()?;
    }
    if !options.salvaged {
        whole(header, &taken).map_err(|what| StoreError::Line { line: at, what })?;
    }
    if taken.end.is_none() {
        interrupt(&transaction, &mut blocks, key, header, &mut taken)?;
        imported.ended += 1;
    }
    blocks.flush()?;
    drop(blocks);
    transaction.commit()?;
    imported.executions += 1;
    imported.events += taken.events;
    Ok(())
}

/// Whether what came is what the header says.
fn whole(header: &Header, taken: &Taken) -> Result<(), String> {
    let (id, last) = (&header.execution_id, header.last_seq);
    if taken.last != last {
        return Err(format!(
            "execution {id} goes to event {last}, and its events end with {}",
            taken.last
        ));
    }
    if taken.end.is_some() != header.status.end().is_some() {
        let status = header.status.as_str();
        return Err(format!(
            "execution {id} is {status}, and its last event says otherwise"
        ));
    }
    Ok(())
}

/// Its row, and what belongs to it; `None` where the id is taken.
fn enter(transaction: &Transaction<'_>, header: &Header) -> Result<Option<i64>, StoreError> {
    let key: Option<i64> = transaction
        .prepare_cached(
            "INSERT INTO executions
             (id, epoch, pipeline, status, error, created_at, started_at, ended_at, definition, input, lease_ms, resumed_from, owner, traceparent, tracestate)
             SELECT ?1, epoch, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14 FROM incarnation WHERE true
             ON CONFLICT (id) DO NOTHING RETURNING key",
        )?
        .query_row(
            params![
                header.execution_id.as_str(),
                header.pipeline,
                header.status.as_str(),
                header.error,
                signed(header.created_at),
                header.started_at.map(signed),
                header.ended_at.map(signed),
                header.definition.get(),
                header.input.get(),
                header.lease_ms.map(signed),
                header.resumed_from.as_ref().map(ExecutionId::as_str),
                header.owner,
                header.trace.as_ref().map(|trace| &trace.traceparent),
                header.trace.as_ref().and_then(|trace| trace.tracestate.as_ref()),
            ],
            |row| row.get(0),
        )
        .optional()?;
    let Some(key) = key else {
        return Ok(None);
    };
    if let Some(saved) = &header.checkpoint {
        transaction
            .prepare_cached("INSERT INTO checkpoints (execution, seq, state) VALUES (?1, ?2, ?3)")?
            .execute(params![key, signed(saved.seq), saved.state.as_bytes()])?;
        let mut result = transaction
            .prepare_cached("INSERT INTO results (execution, number, json) VALUES (?1, ?2, ?3)")?;
        for (number, json) in &saved.results {
            result.execute(params![key, number, json.as_bytes()])?;
        }
    }
    let mut mark = transaction.prepare_cached(
        "INSERT INTO producers (execution, producer, epoch, seq) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for place in &header.producers {
        mark.execute(params![
            key,
            place.producer,
            signed(place.epoch),
            signed(place.seq)
        ])?;
    }
    Ok(Some(key))
}

/// The event at hand.
fn event(
    transaction: &Transaction<'_>,
    blocks: &mut Blocks<'_>,
    key: i64,
    header: &Header,
    lines: &Lines<'_>,
    options: ImportOptions,
    (taken, imported): (&mut Taken, &mut Imported),
) -> Result<(), StoreError> {
    #[derive(serde::Deserialize)]
    struct Place {
        seq: Seq,
    }
    let Place { seq } = serde_json::from_str(&lines.line).map_err(|error| lines.wrong(error))?;
    let parsed = archive::event(lines.line.as_bytes(), &header.execution_id, seq)
        .map_err(|what| lines.wrong(what))?;
    if taken.end.is_some() {
        return Err(lines.wrong(format!("event {seq} follows the end of its execution")));
    }
    let due = if taken.events == 0 {
        header.earliest
    } else {
        taken.last + 1
    };
    if seq != due {
        if !options.salvaged || seq < due {
            return Err(lines.wrong(format!(
                "event {seq} is where event {due} is due; --salvaged takes what follows the last hole"
            )));
        }
        blocks.forget();
        transaction.execute("DELETE FROM events WHERE execution = ?1", [key])?;
        imported.left_out += std::mem::take(&mut taken.events);
    }
    blocks.push(key, seq, lines.line.as_bytes())?;
    taken.events += 1;
    taken.last = seq;
    if parsed.event_type.is_terminal() {
        taken.end = Some(parsed.event_type);
    }
    Ok(())
}

/// What was under way elsewhere is not under way here.
fn interrupt(
    transaction: &Transaction<'_>,
    blocks: &mut Blocks<'_>,
    key: i64,
    header: &Header,
    taken: &mut Taken,
) -> Result<(), StoreError> {
    let message = "The execution had no end when it was exported.";
    let error: Value = json!({
        "category": "unknown", "severity": "error", "message": message, "recoverable": false,
    });
    let data = json!({ "error": error, "reason": EndReason::Interrupted, "duration_ms": 0 });
    let parts = Parts {
        event_type: EventType::PipelineError.as_str(),
        execution_id: &header.execution_id,
        step_id: None,
        data: &data.to_string(),
        metadata: None,
    };
    let (seq, now) = (taken.last + 1, unix_millis());
    let record = Record::assemble(&parts, Cursor { epoch: 0, seq }, now);
    blocks.push(key, seq, record.json().as_bytes())?;
    transaction.execute(
        "UPDATE executions SET status = 'interrupted', error = ?2, ended_at = ?3 WHERE key = ?1",
        params![key, message, signed(now)],
    )?;
    taken.events += 1;
    Ok(())
}
