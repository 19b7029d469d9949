//! `/api/executions/{id}/shares`: links to one run, for people without an account.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::time::Timestamp;

use super::answer::{Share, Shares};
use super::body::Body;
use super::parts::Path;
use super::session::accounts;
use crate::access::{Caller, Credential};
use crate::clock::unix_millis;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::ExecutionRow;

/// The body of `POST /api/executions/{id}/shares`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(
    rename = "ShareRequest",
    description = "What to share, and for how long."
)]
#[serde(deny_unknown_fields)]
pub(crate) struct Make {
    /// What comes after this cursor only; all of the run where it is left out.
    after: Option<String>,
    /// How long the link is valid; a day where it is left out.
    #[schemars(range(min = 1, max = 31_536_000))]
    expires_in_seconds: Option<u64>,
}

/// Makes a link.
pub(crate) async fn make(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Body(make): Body<Make>,
) -> Result<Response, Problem> {
    let closed = accounts(&executions)?;
    let row = found(&executions, &id)?;
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
    let after = match make.after.as_deref().map(str::parse::<Position>) {
        None | Some(Ok(Position::Earliest)) => None,
        Some(Ok(Position::After(cursor))) => Some(cursor),
        Some(Ok(Position::Now) | Err(_)) => {
            return Err(bad("`after` is a cursor, as the stream gives it."));
        }
    };
    if after.is_some_and(|after| after.epoch != row.key.epoch || after.seq > row.last_seq) {
        return Err(bad("`after` is no cursor of this execution."));
    }
    let seconds = make.expires_in_seconds.unwrap_or(DAY);
    if !(1..=LONGEST).contains(&seconds) {
        return Err(bad("`expires_in_seconds` is from 1 to 31536000, a year."));
    }
    let expires = unix_millis() + seconds * 1_000;
    let by = caller.identity.user();
    let (number, secret) = closed.register.make_share(&row, after, by, expires)?;
    let body = Share {
        id: number,
        token: secret.reveal().to_owned(),
        // what follows the # is sent to no server
        page: format!("/#/shared/{}/{}", row.id, secret.reveal()),
        execution_id: row.id,
        after: after.map(|after| after.to_string()),
        expires_at: Timestamp::from_unix_millis(expires),
    };
    Ok((
        StatusCode::CREATED,
        [(header::CACHE_CONTROL, "no-store")],
        Json(body),
    )
        .into_response())
}

/// Lists the links that were made.
pub(crate) async fn list(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<Json<Shares>, Problem> {
    let closed = accounts(&executions)?;
    let row = found(&executions, &id)?;
    let shares = closed.register.shares(&row)?;
    Ok(Json(Shares {
        execution_id: row.id,
        shares,
    }))
}

/// Revokes a link: who watches by it is sent away.
pub(crate) async fn revoke(
    State(executions): State<Executions>,
    Path((id, share)): Path<(String, i64)>,
) -> Result<StatusCode, Problem> {
    let closed = accounts(&executions)?;
    let row = found(&executions, &id)?;
    if !closed.register.revoke_share(&row, share)? {
        let detail = "The execution has no share of this number.";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    closed.end(Credential::Share(share));
    Ok(StatusCode::NO_CONTENT)
}

fn found(executions: &Executions, id: &str) -> Result<ExecutionRow, Problem> {
    let id: ExecutionId = id.parse()?;
    executions.find(&id)?.ok_or_else(Problem::unknown_execution)
}

/// How long a link is valid where nothing is said, in seconds.
const DAY: u64 = 24 * 3_600;

/// The longest time that a link is valid, in seconds.
const LONGEST: u64 = 365 * DAY;
