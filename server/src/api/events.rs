//! `GET /api/executions/{id}/events`: the log by pages, and as a long poll.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::value::RawValue;
use stepcast_core::control::GapReason;
use stepcast_core::id::{Cursor, ExecutionId};
use stepcast_core::wire::page::{self, PageEnd, PageGap};

use super::parts::{Path, Query};
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::{Page, Reader, Record};
use crate::telemetry::{Batch, Connection, End, Lane, Transport, tell_replay};
use crate::transport::parameters::{self, Selection};

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
    let stream = executions
        .log()
        .open(&id)?
        .ok_or_else(Problem::unknown_execution)?;
    let row = executions
        .find(&id)?
        .ok_or_else(Problem::unknown_execution)?;
    let after = caller.pass.begin(selection.after);
    let began = stream.tail().last_seq;
    let start = parameters::start(after, stream.epoch(), began)?;
    let lane = Lane {
        transport: Transport::Poll,
        shared: false,
        wire: caller.wire,
    };
    let connection = Connection::open(executions.delivery().clone(), lane);
    let mut reader = Reader::new(stream.clone(), start.after);
    if let (Some(wait), None) = (parameters.wait_ms, start.void) {
        let wait = Duration::from_millis(wait.min(LONGEST_WAIT_MS));
        tokio::select! {
            _ = reader.grown() => {}
            () = tokio::time::sleep(wait) => {}
            () = executions.stopping().cancelled() => {}
        }
    }
    let limit = parameters
        .limit
        .unwrap_or(DEFAULT_LIMIT)
        .clamp(1, LARGEST_LIMIT);
    let mut read = reader.read(limit).await?;
    if start.void.is_some() && read.gap.is_some() {
        // one gap a page: the next one tells of what this log has dropped
        read = Page::default();
        reader.seek(start.after);
    }
    tell_replay(&mut read.records, began);
    let retention = read.gap.map(|(from, to)| PageGap {
        from,
        to,
        reason: GapReason::Retention,
        epoch: None,
    });
    let passing = read
        .records
        .iter()
        .filter(|record| selection.filter.is_empty() || passes(&selection, record));
    let passing: Vec<&Record> = passing.collect();
    let events: Vec<&RawValue> = passing
        .iter()
        .filter_map(|record| serde_json::from_str(record.json()).ok())
        .collect();
    let earliest = row.earliest.max(read.gap.map_or(1, |(_, to)| to + 1));
    let page = page::Page {
        execution_id: id,
        epoch: stream.epoch(),
        earliest,
        last_seq: stream.tail().last_seq,
        events,
        next: Cursor {
            epoch: stream.epoch(),
            seq: reader.after(),
        },
        gap: start
            .void
            .map(|(from, to)| PageGap {
                from,
                to,
                reason: GapReason::Epoch,
                epoch: Some(stream.epoch()),
            })
            .or(retention),
        closed: read
            .ended
            .map(|(last_seq, reason)| PageEnd { last_seq, reason }),
    };
    answered(&page, &passing, connection)
}

/// The page as an answer, counted.
fn answered(
    page: &page::Page<&RawValue>,
    records: &[&Record],
    mut connection: Connection,
) -> Result<Response, Problem> {
    let body = serde_json::to_string(page)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    if let Some(gap) = &page.gap {
        connection.gap(gap.reason, (gap.from, gap.to));
    }
    // handed to HTTP, which writes it next
    connection.delivered(&Batch::of(records.iter().copied(), body.len()));
    connection.ends(End::Finished);
    Ok((
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        body,
    )
        .into_response())
}

fn passes(selection: &Selection, record: &Record) -> bool {
    let json = || record.json().into();
    (selection.filter).passes(&record.event_type().into(), record.step_id(), json)
}

/// Events in a page where the request names no number.
const DEFAULT_LIMIT: usize = 500;

/// The most events in a page.
const LARGEST_LIMIT: usize = 5_000;

/// The longest wait: below the idle limits of common proxies.
const LONGEST_WAIT_MS: u64 = 50_000;
