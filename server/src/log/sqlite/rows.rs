//! Rows of `executions`, read.

use rusqlite::Row;
use stepcast_core::id::ExecutionId;

use super::super::execution::{ExecutionRow, ExecutionStatus, RowKey};
use super::super::store::StoreError;
use crate::trace::TraceContext;

pub(super) type Parsed = Result<ExecutionRow, StoreError>;

pub(super) fn row_of(row: &Row<'_>) -> rusqlite::Result<Parsed> {
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
        lease_ms: row.get::<_, Option<i64>>(11)?.map(unsigned),
        resumed_from: row
            .get::<_, Option<String>>(12)?
            .and_then(|id| id.parse().ok()),
        owner: row.get(13)?,
        trace: trace(row.get(14)?, row.get(15)?),
    }))
}

fn trace(traceparent: Option<String>, tracestate: Option<String>) -> Option<TraceContext> {
    let traceparent = traceparent?;
    Some(TraceContext {
        traceparent,
        tracestate,
    })
}

/// SQLite's integers are signed; no sequence or time of ours comes near the end of either.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) const SELECT: &str = "SELECT key, id, epoch, pipeline, status, error, created_at, started_at, ended_at,
    coalesce((SELECT first FROM events WHERE execution = key ORDER BY seq LIMIT 1), 1), coalesce((SELECT max(seq) FROM events WHERE execution = key), 0),
    lease_ms, resumed_from, owner, traceparent, tracestate
    FROM executions";
