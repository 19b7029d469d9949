//! `GET /api/audit`: who did what.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::answer::Entries;
use super::parts::Query;
use super::session::accounts;
use crate::access::AuditQuery;
use crate::error::Problem;
use crate::executions::Executions;

/// What `GET /api/audit` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// How many, up to 1000; 100 where it is left out.
    limit: Option<u64>,
    /// The `next` of the page before.
    before: Option<i64>,
    /// What this one did.
    user: Option<String>,
    /// What was done to this execution.
    execution_id: Option<String>,
}

/// The newest entries first.
pub(crate) async fn list(
    State(executions): State<Executions>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Entries>, Problem> {
    let closed = accounts(&executions)?;
    let limit = parameters.limit.unwrap_or(100).clamp(1, 1_000) as usize;
    let rows = closed.register.audit(&AuditQuery {
        limit,
        before: parameters.before,
        user: parameters.user,
        execution: parameters.execution_id,
    })?;
    let next = (rows.len() == limit)
        .then(|| rows.last().map(|row| row.id))
        .flatten();
    Ok(Json(Entries {
        entries: rows,
        next,
    }))
}
