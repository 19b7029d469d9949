//! `GET /api/executions/{id}/events`: the log by pages, and as a long poll.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use stepcast_core::control::GapReason;
use stepcast_core::id::ExecutionId;
use stepcast_core::wire::page::{self, PageEnd, PageGap};

use super::page::{Read, read};
use super::parts::{Path, Query};
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::telemetry::{Batch, Connection, End, Lane, Transport};
use crate::transport::parameters::Selection;

/// What it takes beside the selection.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct PageParameters {
    limit: Option<usize>,
    wait_ms: Option<u64>,
}

/// One page of what comes after the cursor. With `wait_ms` the answer waits until there is something, or that
/// time has passed.
pub(crate) async fn page(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Query(parameters): Query<PageParameters>,
    selection: Selection,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let selection = selection.unpaced()?;
    let wait = parameters
        .wait_ms
        .map(|wait| Duration::from_millis(wait.min(LONGEST_WAIT_MS)));
    let limit = parameters
        .limit
        .unwrap_or(DEFAULT_LIMIT)
        .clamp(1, LARGEST_LIMIT);
    let lane = Lane {
        transport: Transport::Poll,
        shared: false,
        wire: caller.wire,
    };
    let connection = Connection::open(executions.delivery().clone(), lane);
    let read = read(&executions, &id, &caller.pass, selection, limit, wait).await?;
    let body = serde_json::to_string(&written(id, &read))
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    count(connection, &read, body.len());
    let head = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((head, body).into_response())
}

/// The page is handed to HTTP, which writes it next.
fn count(mut connection: Connection, read: &Read, bytes: usize) {
    if let Some(gap) = &read.gap {
        connection.gap(gap.reason, (gap.from, gap.to));
    }
    connection.delivered(&Batch::of(&read.records, bytes));
    connection.ends(End::Finished);
}

/// A page as it is written.
fn written(execution_id: ExecutionId, read: &Read) -> page::Page<&RawValue> {
    let records = read.records.iter();
    page::Page {
        execution_id,
        epoch: read.epoch,
        earliest: read.earliest,
        last_seq: read.last_seq,
        events: records
            .filter_map(|record| serde_json::from_str(record.json()).ok())
            .collect(),
        next: read.next,
        gap: read.gap.map(|gap| PageGap {
            from: gap.from,
            to: gap.to,
            reason: gap.reason,
            epoch: (gap.reason == GapReason::Epoch).then_some(read.epoch),
        }),
        closed: read.end.map(|end| PageEnd {
            last_seq: end.last_seq,
            reason: end.reason,
        }),
    }
}

/// Events in a page where the request names no number.
const DEFAULT_LIMIT: usize = 500;

/// The most events in a page.
const LARGEST_LIMIT: usize = 5_000;

/// The longest wait: below the idle limits of common proxies.
const LONGEST_WAIT_MS: u64 = 50_000;
