//! `GET /stream/pipeline/{execution_id}`: server-sent events.

use std::io;

use axum::Extension;
use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use serde::Deserialize;
use stepcast_core::id::ExecutionId;

use super::coding::{Coding, accepted};
use super::dialect::{Dialect, Format};
use super::feed::{Feed, batch_of};
use super::live::Live;
use super::parameters::{self, Selection};
use super::pen::Pen;
use crate::access::Caller;
use crate::api::parts::{Path, Query};
use crate::edge;
use crate::error::Problem;
use crate::executions::Executions;
use crate::socket::{Handover, is_reset};
use crate::telemetry::{Batch, Connection, End, Lane};

/// What it takes beside the selection.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(crate) struct Parameters {
    #[serde(default)]
    pub(super) format: Format,
}

/// How a request came, and how its answer may be coded.
#[derive(Debug)]
pub(crate) struct Http {
    method: Method,
    version: Version,
    accepted: Option<Coding>,
}

impl<S: Send + Sync> FromRequestParts<S> for Http {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self {
            method: parts.method.clone(),
            version: parts.version,
            accepted: accepted(&parts.headers),
        })
    }
}

/// Opens a stream. A cursor at the end of an ended execution is answered with 204: there is no more.
pub(crate) async fn open(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Query(Parameters { format }): Query<Parameters>,
    selection: Selection,
    http: Http,
    handover: Option<Extension<Handover>>,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let stream = executions
        .log()
        .open(&id)?
        .ok_or_else(Problem::unknown_execution)?;
    let tail = stream.tail();
    let after = caller.pass.begin(selection.after);
    let start = parameters::start(after, stream.epoch(), tail.last_seq)?;
    if tail.ended.is_some()
        && start.void.is_none()
        && start.after >= tail.last_seq
        && tail.last_seq > 0
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let feed = Feed::single(executions.clone(), id, selection, caller);
    Ok(respond(executions, feed, format, http, handover))
}

/// Answers with what a feed gives.
pub(super) fn respond(
    executions: Executions,
    feed: Feed,
    format: Format,
    Http {
        method,
        version,
        accepted,
    }: Http,
    handover: Option<Extension<Handover>>,
) -> Response {
    let coding = accepted.filter(|_| executions.config().compression.streams);
    // HTTP/1.0 has no chunks, and a HEAD no body: those two stay with HTTP
    let plain = method == Method::GET && version == Version::HTTP_11;
    let handover = handover.filter(|_| plain);
    let leaves = handover.is_some();
    let shared = feed.is_shared();
    let body = match handover {
        Some(Extension(handover)) => {
            let dialect = Dialect::Sse {
                format,
                chunked: true,
                coding,
            };
            handover.streaming(move |socket, read| {
                Live::new(executions, socket, dialect, shared).run(Box::new(feed), read)
            })
        }
        None => {
            let dialect = Dialect::Sse {
                format,
                chunked: false,
                coding,
            };
            let lane = Lane {
                transport: dialect.transport(),
                shared,
                wire: feed.wire(),
            };
            let connection = Connection::open(executions.delivery().clone(), lane);
            body(feed, dialect, connection)
        }
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    edge::event_stream(headers);
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::VARY, "Accept-Encoding");
    if let Some(coding) = coding {
        set(header::CONTENT_ENCODING, coding.name());
    }
    if leaves {
        // the socket does not come back to HTTP: a client must not send its next request on it
        set(header::CONNECTION, "close");
    }
    response
}

/// A stream that HTTP writes.
struct Carried {
    feed: Feed,
    pen: Pen,
    connection: Connection,
    /// What was given to HTTP last.
    given: Batch,
}

impl Drop for Carried {
    fn drop(&mut self) {
        if is_reset() {
            self.connection.ends(End::WriteDeadline);
        }
    }
}

/// The stream as a body that HTTP writes.
fn body(feed: Feed, dialect: Dialect, connection: Connection) -> Body {
    let carried = Carried {
        feed,
        pen: Pen::new(dialect),
        connection,
        given: Batch::default(),
    };
    let begun = (carried, false);
    Body::from_stream(stream::unfold(
        begun,
        move |(mut carried, over)| async move {
            let Carried {
                feed,
                pen,
                connection,
                given,
            } = &mut carried;
            // that more is asked for says that the last was taken
            feed.written();
            connection.delivered(&std::mem::take(given));
            if over {
                return None;
            }
            loop {
                let frames = feed.ready().await;
                connection.resumed(feed.take_resumes());
                if frames.is_empty() {
                    feed.wait().await;
                    continue;
                }
                let mut chunk = BytesMut::new();
                let closes = match pen.encode(&frames, &mut chunk) {
                    Ok(closes) => closes,
                    Err(error) => return Some((Err(error), (carried, true))),
                };
                *given = batch_of(&frames, chunk.len(), connection);
                if let Some(code) = closes {
                    connection.ends(End::of_close(code));
                }
                let over = closes.is_some();
                return Some((Ok::<Bytes, io::Error>(chunk.freeze()), (carried, over)));
            }
        },
    ))
}
