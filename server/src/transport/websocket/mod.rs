//! `WS /ws/pipeline/{execution_id}`: one JSON text frame an event.

pub(crate) mod artifact;
pub(crate) mod frame;
pub(super) mod handshake;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use stepcast_core::id::ExecutionId;

use self::handshake::Handshake;
use super::dialect::Dialect;
use super::feed::Feed;
use super::live::Live;
use super::parameters::Selection;
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;

/// Accepts a WebSocket. What is refused is refused in band, with a close code that says whether to come back:
/// a page cannot see the status of a handshake.
pub(crate) async fn open(
    State(executions): State<Executions>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    selection: Selection,
    handshake: Result<Handshake, Problem>,
) -> Result<Response, Problem> {
    let Path(id) =
        id.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let id: ExecutionId = id.parse()?;
    let handshake = handshake?;
    let feed = Feed::single(executions.clone(), id, selection, caller);
    Ok(handshake.accept(move |socket, read| {
        Live::new(executions, socket, Dialect::WebSocket).run(feed, read)
    }))
}
