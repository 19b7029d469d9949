//! Rows of `events`: each holds some events that follow one another, a line each, under the place of the last.
//!
//! What a transaction adds to an execution is one row, or few: a row costs the database some microseconds, whatever is
//! in it. No event holds a line break, so `SELECT json FROM events` gives JSON Lines.

use rusqlite::{CachedStatement, Connection, Row, Transaction, params};
use stepcast_core::id::Seq;

use super::super::store::StoreError;
use super::rows::signed;

/// A row read with [`BLOCK`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) first: Seq,
    pub(super) last: Seq,
    lines: &'a [u8],
}

impl<'a> Block<'a> {
    /// What the row holds, where it is as many events as it says.
    pub(super) fn of(row: &'a Row<'_>) -> Result<Self, StoreError> {
        let (last, first): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (last, first) = (last.unsigned_abs(), first.unsigned_abs());
        let lines = row.get_ref(2)?.as_bytes();
        let lines = lines.map_err(|error| StoreError::Damaged(error.to_string()))?;
        let count = 1 + memchr::memchr_iter(b'\n', lines).count() as u64;
        if last.checked_sub(first).map(|more| more + 1) != Some(count) {
            return Err(StoreError::Damaged(format!(
                "a row of events {first} to {last} holds {count}"
            )));
        }
        Ok(Self { first, last, lines })
    }

    /// The events after `after`.
    pub(super) fn events(self, after: Seq) -> impl Iterator<Item = (Seq, &'a [u8])> {
        (self.first..).zip(self.json()).skip(self.up_to(after))
    }

    /// How many of them are not after `seq`.
    fn up_to(self, seq: Seq) -> usize {
        usize::try_from((seq + 1).saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    fn lines_after(self, seq: Seq) -> &'a [u8] {
        let gone = self.json().take(self.up_to(seq));
        let gone = gone.map(|line| line.len() + 1).sum::<usize>();
        self.lines.get(gone..).unwrap_or_default()
    }

    /// Each event's JSON, in order.
    fn json(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = Some(self.lines);
        std::iter::from_fn(move || {
            let lines = rest?;
            let (line, more) = match memchr::memchr(b'\n', lines) {
                Some(at) => (lines.get(..at)?, lines.get(at + 1..)),
                None => (lines, None),
            };
            rest = more;
            Some(line)
        })
    }
}

/// Events to be added, gathered into rows.
pub(super) struct Blocks<'a> {
    insert: CachedStatement<'a>,
    key: i64,
    first: Seq,
    last: Seq,
    lines: Vec<u8>,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(connection: &'a Connection) -> Result<Self, StoreError> {
        let insert = connection.prepare_cached(
            "INSERT INTO events (execution, seq, first, json) VALUES (?1, ?2, ?3, ?4)",
        )?;
        Ok(Self {
            insert,
            key: 0,
            first: 0,
            last: 0,
            lines: Vec::new(),
        })
    }

    /// Adds an event; it is in the database with the next [`Blocks::flush`] at the latest.
    pub(super) fn push(&mut self, key: i64, seq: Seq, json: &[u8]) -> Result<(), StoreError> {
        let follows = key == self.key && seq == self.last + 1;
        if !follows || self.lines.len() + json.len() >= MOST_BYTES {
            self.flush()?;
        }
        if self.lines.is_empty() {
            (self.key, self.first) = (key, seq);
        } else {
            self.lines.push(b'\n');
        }
        self.lines.extend_from_slice(json);
        self.last = seq;
        Ok(())
    }

    /// Everything added is in the database.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        if !self.lines.is_empty() {
            let (first, last) = (signed(self.first), signed(self.last));
            let row = params![self.key, last, first, self.lines];
            self.insert.execute(row)?;
            self.lines.clear();
        }
        Ok(())
    }

    /// What was added since the last flush is not wanted.
    pub(super) fn forget(&mut self) {
        self.lines.clear();
    }
}

/// Takes the events up to `through` out of the row that holds more than them, where there is one; the bytes taken.
pub(super) fn cut(
    transaction: &Transaction<'_>,
    key: i64,
    through: Seq,
) -> Result<u64, StoreError> {
    let mut select = transaction.prepare_cached(&format!(
        "{BLOCK} WHERE execution = ?1 AND seq > ?2 AND first <= ?2 ORDER BY seq LIMIT 1"
    ))?;
    let mut rows = select.query(params![key, signed(through)])?;
    let Some(row) = rows.next()? else {
        return Ok(0);
    };
    let block = Block::of(row)?;
    let (last, kept) = (block.last, block.lines_after(through).to_vec());
    let taken = block.lines.len() - kept.len();
    drop(rows);
    transaction
        .prepare_cached(
            "UPDATE events SET first = ?3, json = ?4 WHERE execution = ?1 AND seq = ?2",
        )?
        .execute(params![key, signed(last), signed(through + 1), kept])?;
    Ok(taken as u64)
}

/// The first event in this row up to which it has at least so many bytes.
pub(super) fn through(
    connection: &Connection,
    key: i64,
    last: i64,
    bytes: u64,
) -> Result<Seq, StoreError> {
    let mut select =
        connection.prepare_cached(&format!("{BLOCK} WHERE execution = ?1 AND seq = ?2"))?;
    let mut rows = select.query([key, last])?;
    let Some(row) = rows.next()? else {
        return Ok(last.unsigned_abs());
    };
    let (block, mut sum) = (Block::of(row)?, 0);
    let reached = block.events(0).find(|(_, json)| {
        sum += json.len() as u64 + 1;
        sum >= bytes
    });
    Ok(reached.map_or(block.last, |(seq, _)| seq))
}

/// Columns of a [`Block`].
pub(super) const BLOCK: &str = "SELECT seq, first, json FROM events";

/// Bytes of one row, past the first event: what a reader of one event in it reads.
const MOST_BYTES: usize = 16 << 10;
