//! Whether a database is as it was written: looked at before anything of it is served.
//!
//! SQLite keeps no checksums. What is found is a broken structure, a file cut off, and events that are missing;
//! a changed byte inside an event is found where it is no event any more.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};
use stepcast_core::id::Seq;

use super::super::store::StoreError;
use super::rows::signed;

/// Whether the file can be a database: it is not there yet, it is empty, or it begins as one.
pub(super) fn is_database(path: &Path) -> Result<(), StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return emptied(path),
        Err(error) => return Err(error.into()),
    };
    let mut head = Vec::new();
    file.by_ref().take(16).read_to_end(&mut head)?;
    if head.is_empty() {
        return emptied(path);
    }
    if head != b"SQLite format 3\0" {
        return Err(unsound(
            path,
            "it does not begin as an SQLite database does",
        ));
    }
    Ok(())
}

/// Nothing in the database, but something in its journal: it was taken away.
fn emptied(path: &Path) -> Result<(), StoreError> {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-wal");
    match std::fs::metadata(PathBuf::from(journal)) {
        Ok(journal) if journal.len() > 0 => Err(unsound(
            path,
            "it is missing or empty, and its -wal file is not",
        )),
        _ => Ok(()),
    }
}

/// The structure of the whole file, and every execution's events without a hole.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let found = first_flaw(connection).map_err(|error| told(error, path))?;
    found.map_or(Ok(()), |finding| Err(unsound(path, finding)))
}

fn first_flaw(connection: &Connection) -> Result<Option<String>, StoreError> {
    let structure: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if structure != "ok" {
        return Ok(Some(structure));
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(None);
    }
    let mut found = connection.prepare(&holes(connection)?)?;
    let mut found = found.query([])?;
    Ok(match found.next()? {
        Some(row) => Some(hole(row)?),
        None => None,
    })
}

/// What a row of [`holes`] says.
pub(super) fn hole(row: &rusqlite::Row<'_>) -> rusqlite::Result<String> {
    let (id, count, first, last): (Option<String>, i64, i64, i64) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    Ok(match id {
        Some(id) => format!("execution {id} has {count} of its events {first} to {last}"),
        None => format!("{count} events are of no execution"),
    })
}

/// Whether a row that begins with `first` goes on after `before`; the first row of a page may begin earlier. Retention
/// takes the oldest only: the first may also begin later where there is none before it; all else that is missing is
/// damage, and no gap to announce.
pub(super) fn follows(
    connection: &Connection,
    key: i64,
    before: Seq,
    first: Seq,
    is_first: bool,
) -> Result<(), StoreError> {
    let due = before + 1;
    if first == due || (is_first && first < due) {
        return Ok(());
    }
    let older = "SELECT EXISTS (SELECT 1 FROM events WHERE execution = ?1 AND seq <= ?2)";
    let is_hole = !is_first
        || connection
            .prepare_cached(older)?
            .query_row([key, signed(before)], |row| row.get(0))?;
    if is_hole {
        return Err(StoreError::Damaged(format!(
            "event {due} of execution {key} is missing"
        )));
    }
    Ok(())
}

/// An error of a database that cannot be read is damage, and is told with what can be done.
pub(super) fn told(error: StoreError, path: &Path) -> StoreError {
    let StoreError::Database(cause) = &error else {
        return error;
    };
    let is_damage = matches!(
        cause.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    );
    if is_damage {
        return unsound(path, cause.to_string());
    }
    error
}

fn unsound(path: &Path, finding: impl Into<String>) -> StoreError {
    StoreError::Unsound {
        path: path.to_owned(),
        finding: finding.into(),
    }
}

/// Selects the executions whose events are not one after the other, and events of no execution. A database of an earlier
/// version, looked at before it is brought up to date, has one event in each row.
pub(super) fn holes(connection: &Connection) -> Result<String, StoreError> {
    let has_first =
        "SELECT EXISTS (SELECT 1 FROM pragma_table_info('events') WHERE name = 'first')";
    let first = match connection.query_row(has_first, [], |row| row.get(0))? {
        true => "first",
        false => "seq",
    };
    Ok(format!(
        "SELECT id, n, first, last FROM
         (SELECT execution, sum(seq - {first} + 1) AS n, min({first}) AS first, max(seq) AS last
          FROM events GROUP BY execution)
         LEFT JOIN executions ON key = execution WHERE id IS NULL OR n <> last - first + 1"
    ))
}
