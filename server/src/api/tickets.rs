//! `POST /api/tickets`: what stands in an address where a browser cannot set a header.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use stepcast_core::id::ExecutionId;

use super::answer::Drawn;
use super::body::Body;
use super::session::accounts;
use crate::access::ticket::{LIFE, Purpose};
use crate::access::{Action, Caller, Denied, On, Unproven, decide};
use crate::error::Problem;
use crate::executions::Executions;

/// The body of `POST /api/tickets`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "TicketRequest", description = "What the ticket is for.")]
#[serde(deny_unknown_fields)]
pub(crate) struct Draw {
    /// The run.
    #[schemars(with = "ExecutionId")]
    execution_id: String,
    /// What of it.
    purpose: Purpose,
}

/// Draws a ticket for a run that the caller may watch.
pub(crate) async fn draw(
    State(executions): State<Executions>,
    caller: Caller,
    Body(draw): Body<Draw>,
) -> Result<Response, Problem> {
    let closed = accounts(&executions)?;
    let known = caller.known().ok_or(Denied::Stranger)?;
    let id: ExecutionId = draw.execution_id.parse()?;
    let row = executions.find(&id)?;
    decide(&caller.identity, Action::Open, On::Execution(row.as_ref()))?;
    let path = match draw.purpose {
        Purpose::Websocket => format!("/ws/pipeline/{id}"),
        Purpose::Sse => format!("/stream/pipeline/{id}"),
        Purpose::Artifact => format!("/api/executions/{id}/artifacts/"),
    };
    let drawn = closed.tickets.draw(known, id, draw.purpose);
    let ticket = drawn
        .map_err(|error| {
            tracing::error!(%error, "no ticket could be drawn");
            Unproven::Failed
        })?
        .map_err(|_too_many| {
            Problem::too_many("Too many tickets have not been used.", LIFE.as_secs())
        })?;
    let body = Drawn {
        ticket: ticket.reveal().to_owned(),
        path,
        expires_in_seconds: LIFE.as_secs(),
    };
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json(body),
    )
        .into_response())
}
