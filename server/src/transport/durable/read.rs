//! `GET` and `HEAD`: what there is, and what comes next.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use stepcast_core::control::GapReason;
use stepcast_core::id::{ExecutionId, Position};
use tokio::time::Instant;

use super::{STREAM_CURSOR, STREAM_UP_TO_DATE, Stream, live, put, say};
use crate::access::{Action, Caller};
use crate::api::artifacts::is_known;
use crate::api::events::{SHARED, is_lasting};
use crate::api::page::{self, Gap, Read};
use crate::api::parts::Path;
use crate::clock::unix_millis;
use crate::durable::{self, Asked, Live, Offset};
use crate::error::Problem;
use crate::executions::{Executions, STREAM_CLOSED, STREAM_NEXT_OFFSET};
use crate::log::Tail;
use crate::telemetry::{Batch, Connection, End, Lane, Transport};
use crate::transport::parameters::Selection;

/// `GET` and `HEAD /v1/stream/{id}`
pub(crate) async fn read(
    State(executions): State<Executions>,
    mut caller: Caller,
    Path(id): Path<String>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let asked = Asked::parse(uri.query().unwrap_or_default())
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, detail))?;
    let stream = Stream::find(&executions, &id)?;
    if method == Method::HEAD {
        return head(&executions, &stream);
    }
    if stream
        .kept
        .as_ref()
        .is_some_and(|kept| kept.ttl_seconds.is_some())
    {
        executions.used(&id);
    }
    if asked.live == Live::Sse {
        if let Some(closed) = executions.access().closed() {
            let counted = closed.counted(&caller.identity, caller.source, Action::Open, Some(&id));
            caller.place = counted.await?;
        }
        return live::open(executions, stream, asked, caller);
    }
    if asked.live == Live::LongPoll {
        caller.hold(&executions)?;
    }
    let lane = Lane {
        transport: Transport::Durable,
        shared: false,
        wire: caller.wire,
    };
    let mut connection = Connection::open(executions.delivery().clone(), lane);
    let (read, body) = page(&executions, &stream, &caller, asked).await?;
    if let Some(gap) = &read.gap {
        connection.gap(gap.reason, (gap.from, gap.to));
    }
    connection.delivered(&Batch::of(&read.records, body.as_ref().map_or(0, Vec::len)));
    connection.ends(End::Finished);
    let (is_open, is_live) = (!executions.access().is_closed(), asked.live != Live::No);
    let tag = (asked.after != Position::Now).then(|| tag(asked.after, &read));
    let is_known = tag.as_ref().is_some_and(|tag| is_known(&headers, tag));
    let mut response = match body {
        _ if is_known => StatusCode::NOT_MODIFIED.into_response(),
        None if is_live => StatusCode::NO_CONTENT.into_response(),
        body => Body::from(stream.content.body(body.unwrap_or_default())).into_response(),
    };
    let status = response.status();
    if status == StatusCode::OK {
        stream.describe(&mut response);
    }
    let headers = response.headers_mut();
    let lasting = status != StatusCode::NO_CONTENT && is_open && is_lasting(asked.after, &read);
    let caching = if lasting { SHARED } else { "no-store" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(caching));
    headers.insert(SAME_ORIGIN.0, HeaderValue::from_static(SAME_ORIGIN.1));
    if status != StatusCode::NO_CONTENT {
        let tag = tag.and_then(|tag| HeaderValue::try_from(tag).ok());
        headers.extend(tag.map(|tag| (header::ETAG, tag)));
    }
    tell(headers, &stream, &read);
    if is_live && read.end.is_none() {
        let cursor = durable::cursor(unix_millis(), asked.cursor, |most| fastrand::u64(0..most));
        headers.insert(STREAM_CURSOR, cursor.into());
    }
    Ok(response)
}

/// What is there to know of it, without anything of it.
fn head(executions: &Executions, stream: &Stream) -> Result<Response, Problem> {
    let log = executions.log().open(&stream.row.id)?;
    let log = log.ok_or_else(Problem::unknown_execution)?;
    let tail = log.tail();
    let mut response = StatusCode::OK.into_response();
    stream.describe(&mut response);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    put(headers, stream.offset(log.cursor(), tail));
    if tail.ended.is_some() {
        say(headers, STREAM_CLOSED);
    }
    Ok(response)
}

/// Where a reader stands that has read this, and whether that is the end.
fn tell(headers: &mut HeaderMap, stream: &Stream, read: &Read) {
    let tail = Tail {
        last_seq: read.last_seq,
        ended: read.end.map(|end| end.reason),
    };
    put(headers, stream.offset(read.next, tail));
    if read.next.seq >= read.last_seq {
        say(headers, STREAM_UP_TO_DATE);
    }
    if read.end.is_some() {
        say(headers, STREAM_CLOSED);
    }
    if let Some(gap) = read.gap {
        let told = HeaderValue::try_from(format!("{}-{}", gap.from, gap.to));
        headers.extend(told.map(|told| (GAP, told)));
    }
}

/// Reads on until there is something of the stream, for as long as may be waited. None where there is nothing.
async fn page(
    executions: &Executions,
    stream: &Stream,
    caller: &Caller,
    asked: Asked,
) -> Result<(Read, Option<Vec<u8>>), Problem> {
    let until = Instant::now() + LONGEST_WAIT;
    let mut after = asked.after;
    loop {
        let wait = (asked.live == Live::LongPoll).then(|| until - Instant::now());
        let selection = Selection {
            after,
            ..Selection::default()
        };
        let read = page::read(
            executions,
            &stream.row.id,
            &caller.pass,
            selection,
            EVENTS,
            wait,
        );
        let read = read.await?;
        refuse_gap(after, &read)?;
        let mut body = Vec::new();
        let mut any = false;
        for record in &read.records {
            any |= stream.content.add(&mut body, record.json());
        }
        let is_more = read.next.seq < read.last_seq;
        let waits = asked.live == Live::LongPoll && Instant::now() < until;
        if any || read.end.is_some() || !(is_more || waits) || executions.stopping().is_cancelled()
        {
            return Ok((read, any.then_some(body)));
        }
        // what was read says nothing of what was appended
        after = Position::After(read.next);
    }
}

/// A reader that says where it was is told that what follows is gone.
///
/// # Errors
/// 410 where it is.
fn refuse_gap(after: Position, read: &Read) -> Result<(), Problem> {
    match (after, read.gap) {
        (Position::After(_), Some(gap)) => {
            // of a log that is gone nothing is left
            let from = match gap.reason {
                GapReason::Epoch => 0,
                GapReason::Retention | _ => gap.to,
            };
            Err(gone(gap, Offset::new(read.epoch, from)))
        }
        _ => Ok(()),
    }
}

/// What a reader asks for is gone; `next` is where it may go on.
pub(super) fn gone(gap: Gap, next: Offset) -> Problem {
    let detail = "What follows this offset is gone; Stream-Next-Offset is where what is left begins, and `from` and `to` say what is missing.";
    let problem = Problem::new(StatusCode::GONE, detail)
        .with("from", gap.from)
        .with("to", gap.to);
    match HeaderValue::try_from(next.to_string()) {
        Ok(next) => problem.header(STREAM_NEXT_OFFSET, next),
        Err(_) => problem,
    }
}

/// What tells two answers apart: where they begin and end, and whether that is the end.
fn tag(after: Position, read: &Read) -> String {
    let from = match after {
        Position::After(cursor) => cursor.seq,
        Position::Earliest | Position::Now => 0,
    };
    let closed = if read.end.is_some() { ":c" } else { "" };
    format!("\"{}:{from}:{}{closed}\"", read.epoch, read.next.seq)
}

/// Events in one answer.
const EVENTS: usize = 5_000;

/// How long a long poll waits: below what proxies allow.
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// What is missing before the first event that is still there, of a stream that was asked for from its beginning.
const GAP: HeaderName = HeaderName::from_static("stepcast-gap");

/// A page of another site has no use for it but by asking as a script.
const SAME_ORIGIN: (HeaderName, &str) = (
    HeaderName::from_static("cross-origin-resource-policy"),
    "same-origin",
);
