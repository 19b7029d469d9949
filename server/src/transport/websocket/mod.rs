//! `WS /ws/pipeline/{execution_id}`: a message an event, or several in one.

pub(crate) mod artifact;
mod deflate;
pub(crate) mod frame;
pub(super) mod handshake;
mod text;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use stepcast_core::id::ExecutionId;

use self::handshake::Handshake;
use super::dialect::Dialect;
use super::feed::Feed;
use super::live::Live;
use super::parameters::Selection;
use crate::access::Caller;
use crate::api::parts::Query;
use crate::error::Problem;
use crate::executions::Executions;

/// What it takes beside the selection.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
pub(crate) struct Parameters {
    /// Whether one message may hold several events.
    #[serde(default)]
    pub(super) batch: bool,
}

/// Accepts a WebSocket. What is refused is refused in band, with a close code that says whether to come back:
/// a page cannot see the status of a handshake.
pub(crate) async fn open(
    State(executions): State<Executions>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    Query(Parameters { batch }): Query<Parameters>,
    selection: Selection,
    handshake: Result<Handshake, Problem>,
) -> Result<Response, Problem> {
    let Path(id) =
        id.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let id: ExecutionId = id.parse()?;
    let (handshake, encoding) = handshake?.encoded();
    let (handshake, coding) = handshake.compressed(executions.config().compression.streams);
    let feed = Feed::single(executions.clone(), id, selection, caller).encoded(encoding);
    Ok(handshake.accept(move |socket, read| {
        let dialect = Dialect::WebSocket {
            encoding,
            batched: batch,
            coding,
        };
        Live::new(executions, socket, dialect, false).run(Box::new(feed), read)
    }))
}
