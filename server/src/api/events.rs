//! `GET /api/executions/{id}/events`: the log by pages, and as a long poll.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use stepcast_core::control::GapReason;
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::wire::page::{self, PageEnd, PageGap};

use super::artifacts::is_known;
use super::page::{Read, read};
use super::parts::{Path, Query};
use crate::access::Caller;
use crate::cloudevent;
use crate::error::Problem;
use crate::executions::{Executions, STREAM_CLOSED, STREAM_NEXT_OFFSET, cursor_value};
use crate::log::Record;
use crate::telemetry::{Batch, Connection, End, Lane, Transport};
use crate::transport::parameters::Selection;

/// What it takes beside the selection.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct PageParameters {
    /// How many events, up to 5000; 500 where it is left out.
    limit: Option<u64>,
    /// How long to wait for something to say, in milliseconds, up to 50000.
    wait_ms: Option<u64>,
    #[serde(default)]
    format: Format,
}

/// How a page is written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "PageFormat")]
enum Format {
    /// Ours; CloudEvents where the client accepts nothing else.
    #[default]
    Full,
    /// A batch of CloudEvents.
    Cloudevents,
}

/// One page of what comes after the cursor. With `wait_ms` the answer waits until there is something, or that
/// time has passed.
pub(crate) async fn page(
    State(executions): State<Executions>,
    mut caller: Caller,
    Path(id): Path<String>,
    Query(parameters): Query<PageParameters>,
    headers: HeaderMap,
    selection: Selection,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let batch = parameters.format == Format::Cloudevents || accepts_batch(&headers);
    let selection = selection.of_a_page()?;
    let wait = parameters
        .wait_ms
        .map(|wait| Duration::from_millis(wait.min(LONGEST_WAIT_MS)));
    let limit = parameters
        .limit
        .unwrap_or(DEFAULT_LIMIT)
        .clamp(1, LARGEST_LIMIT) as usize;
    let after = selection.after;
    if wait.is_some_and(|wait| !wait.is_zero()) {
        caller.hold(&executions)?;
    }
    let lane = Lane {
        transport: if batch {
            Transport::CloudEvents
        } else {
            Transport::Poll
        },
        shared: false,
        wire: caller.wire,
    };
    let connection = Connection::open(executions.delivery().clone(), lane);
    let read = read(&executions, &id, &caller.pass, selection, limit, wait).await?;
    let shared = !executions.access().is_closed() && is_lasting(after, &read);
    let caching = if shared { SHARED } else { "no-store" };
    let tag = tag(batch, &read);
    // weak: it leaves in several codings
    let weak = format!("W/{tag}");
    let head = [
        (header::CACHE_CONTROL, caching),
        (header::VARY, "Accept"),
        (header::ETAG, &weak),
    ];
    if is_known(&headers, &tag) {
        count(connection, None, 0);
        return Ok((StatusCode::NOT_MODIFIED, head).into_response());
    }
    let (media, body) = if batch {
        (cloudevent::BATCH, cloud_events(&id, &read))
    } else {
        let body = serde_json::to_string(&written(id, &read));
        let failed = |error: serde_json::Error| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        };
        ("application/json", body.map_err(failed)?)
    };
    count(connection, Some(&read), body.len());
    let mut response = (head, [(header::CONTENT_TYPE, media)], body).into_response();
    if batch {
        let headers = response.headers_mut();
        headers.insert(STREAM_NEXT_OFFSET, cursor_value(read.next));
        if read.end.is_some() {
            headers.insert(STREAM_CLOSED, HeaderValue::from_static("true"));
        }
    }
    Ok(response)
}

/// The page is handed to HTTP, which writes it next.
fn count(mut connection: Connection, read: Option<&Read>, bytes: usize) {
    if let Some(read) = read {
        if let Some(gap) = &read.gap {
            connection.gap(gap.reason, (gap.from, gap.to));
        }
        connection.delivered(&Batch::of(&read.records, bytes));
    }
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

/// What tells this answer from every other that the same address gives.
fn tag(batch: bool, read: &Read) -> String {
    let first = read.records.first().map_or(0, Record::seq);
    let (format, closed) = (
        if batch { "c" } else { "" },
        if read.end.is_some() { ":c" } else { "" },
    );
    let (gap, count) = (read.gap.map_or(0, |gap| gap.to), read.records.len());
    let (epoch, next, last, earliest) = (read.epoch, read.next.seq, read.last_seq, read.earliest);
    format!("\"{format}{epoch}:{first}:{count}:{next}:{last}:{earliest}:{gap}{closed}\"")
}

/// Whether a page says the same whenever it is asked for: what follows a cursor begins with it, whatever comes later.
pub(crate) fn is_lasting(after: Position, read: &Read) -> bool {
    let placed = matches!(after, Position::After(cursor) if cursor.epoch == read.epoch);
    placed && read.gap.is_none() && !read.records.is_empty()
}

/// Whether a client asks for a batch of CloudEvents.
fn accepts_batch(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    accepted.any(|range| range.split(';').next().unwrap_or_default().trim() == cloudevent::BATCH)
}

/// A page as a batch of CloudEvents; what a page has beside its events is in headers.
fn cloud_events(id: &ExecutionId, read: &Read) -> String {
    let gap = read
        .gap
        .map(|gap| cloudevent::gap(id, read.epoch, (gap.from, gap.to), json!(gap.reason)));
    let events = read.records.iter().filter_map(|record| {
        let event = record.parse().ok()?;
        Some(cloudevent::written(&event, record.cursor()))
    });
    Value::Array(gap.into_iter().chain(events).collect()).to_string()
}

/// Events in a page where the request names no number.
const DEFAULT_LIMIT: u64 = 500;

/// The most events in a page.
const LARGEST_LIMIT: u64 = 5_000;

/// A cache may answer with a page for this long: those who poll at once are one request here. Not for longer, since an
/// execution may be deleted.
pub(crate) const SHARED: &str = "public, max-age=10";

/// The longest wait: below the idle limits of common proxies.
const LONGEST_WAIT_MS: u64 = 50_000;
