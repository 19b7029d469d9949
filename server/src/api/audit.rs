//! `GET /api/audit`: who did what.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::Query;
use super::session::accounts;
use crate::access::AuditQuery;
use crate::error::Problem;
use crate::executions::Executions;

/// What `GET /api/audit` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    limit: Option<usize>,
    before: Option<i64>,
    user: Option<String>,
    execution_id: Option<String>,
}

/// The newest entries first.
pub(crate) async fn list(
    State(executions): State<Executions>,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Value>, Problem> {
    let closed = accounts(&executions)?;
    let limit = parameters.limit.unwrap_or(100).clamp(1, 1_000);
    let rows = closed.register.audit(&AuditQuery {
        limit,
        before: parameters.before,
        user: parameters.user,
        execution: parameters.execution_id,
    })?;
    let next = (rows.len() == limit)
        .then(|| rows.last().map(|row| row.id))
        .flatten();
    Ok(Json(json!({ "entries": rows, "next": next })))
}
