//! Counts of executions, in a table of their own.

use rusqlite::{Connection, TransactionBehavior, params};
use stepcast_core::id::ExecutionId;

use super::super::measure::{Measured, Window};
use super::super::store::StoreError;
use super::rows::signed;

/// The newest of them first, at most so many.
pub(super) fn measured(
    connection: &Connection,
    window: &Window,
    before: i64,
    limit: usize,
) -> Result<Vec<Measured>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT key, id, pipeline, ended_at IS NOT NULL, json, created_at FROM executions
         LEFT JOIN counts ON counts.execution = key
         WHERE key < ?1 AND created_at >= ?2 AND created_at < ?3 AND (?4 IS NULL OR pipeline = ?4)
         AND (?6 IS NULL OR owner = ?6)
         ORDER BY key DESC LIMIT ?5",
    )?;
    let (from, to) = (
        signed(window.from.unwrap_or_default()),
        window.to.map_or(i64::MAX, signed),
    );
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = select.query(params![
        before,
        from,
        to,
        window.pipeline,
        limit,
        window.owner
    ])?;
    let mut measured = Vec::new();
    while let Some(row) = rows.next()? {
        measured.push(Measured {
            key: row.get(0)?,
            id: id_of(&row.get::<_, String>(1)?)?,
            pipeline: row.get(2)?,
            ended: row.get(3)?,
            counts: row.get(4)?,
            created_at: row.get::<_, i64>(5)?.unsigned_abs(),
        });
    }
    Ok(measured)
}

fn id_of(text: &str) -> Result<ExecutionId, StoreError> {
    text.parse()
        .map_err(|_bad| StoreError::Damaged(format!("{text:?} is no id of an execution")))
}

/// Executions that have ended and have no counts, the oldest first.
pub(super) fn unmeasured(
    connection: &Connection,
    limit: usize,
) -> Result<Vec<ExecutionId>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT id FROM executions WHERE ended_at IS NOT NULL AND measured = 0 ORDER BY key LIMIT ?1",
    )?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let ids = select.query_map([limit], |row| row.get::<_, String>(0))?;
    ids.map(|id| id_of(&id?)).collect()
}

/// Keeps the counts of an execution that has ended.
pub(super) fn keep(connection: &mut Connection, key: i64, counts: &[u8]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let noted = transaction
        .prepare_cached(
            "UPDATE executions SET measured = 1 WHERE key = ?1 AND ended_at IS NOT NULL",
        )?
        .execute([key])?;
    // it may have been deleted meanwhile
    if noted > 0 {
        transaction
            .prepare_cached(
                "INSERT INTO counts (execution, json) VALUES (?1, ?2)
                 ON CONFLICT (execution) DO UPDATE SET json = excluded.json",
            )?
            .execute(params![key, counts])?;
    }
    transaction.commit()?;
    Ok(())
}
