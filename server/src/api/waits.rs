//! `/api/executions/{id}/waits`: what a run asks people, and their answers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use super::body::Body;
use super::parts::{Path, Query};
use crate::access::Caller;
use crate::error::{Flaw, Problem};
use crate::executions::Executions;

/// The body of `POST /api/executions/{id}/waits/{wait_id}/answer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answering {
    answer: Map<String, Value>,
    by: Option<String>,
}

/// What `GET /api/waits` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    limit: Option<usize>,
}

/// `GET /api/waits?limit=`: what waits for people, in all runs under way.
pub(crate) async fn all(
    State(executions): State<Executions>,
    caller: Caller,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<Value>, Problem> {
    let limit = parameters.limit.unwrap_or(500).clamp(1, 10_000);
    let (waits, total) = executions.open_waits(limit, caller.identity.only())?;
    Ok(Json(json!({ "waits": waits, "total": total })))
}

/// `GET /api/executions/{id}/waits`: every question of a run.
pub(crate) async fn list(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let id: ExecutionId = id.parse()?;
    let waits = executions.waits(&id).await?;
    Ok(Json(json!({ "execution_id": id, "waits": waits })))
}

/// `POST /api/executions/{id}/waits/{wait_id}/answer`. Where there are accounts, the answer is by whoever is signed in,
/// whatever name they give.
pub(crate) async fn answer(
    State(executions): State<Executions>,
    caller: Caller,
    Path((id, wait_id)): Path<(String, String)>,
    Body(answering): Body<Answering>,
) -> Result<Json<Value>, Problem> {
    let id: ExecutionId = id.parse()?;
    let by = attributed(&caller, answering.by)?;
    let given = fitting(&executions, answering.answer)?;
    let answer = executions.answer(&id, &wait_id, given, by).await?;
    let mut body = json!(answer);
    if let Some(object) = body.as_object_mut() {
        object.insert("execution_id".into(), json!(id));
        object.insert("wait_id".into(), wait_id.into());
    }
    Ok(Json(body))
}

/// An answer that is not too large.
pub(crate) fn fitting(
    executions: &Executions,
    answer: Map<String, Value>,
) -> Result<Map<String, Value>, Problem> {
    let most = executions.config().max_event_bytes;
    if json!(answer).to_string().len() > most {
        let detail = format!("An answer may have {most} bytes; the setting is max_event_bytes.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(answer)
}

/// Whose answer it is: whoever is signed in, whatever name they give.
pub(crate) fn attributed(caller: &Caller, by: Option<String>) -> Result<Option<String>, Problem> {
    caller
        .owner()
        .map_or_else(|| named(by), |user| Ok(Some(user)))
}

/// Who answers: a name that fits on one line.
fn named(by: Option<String>) -> Result<Option<String>, Problem> {
    let Some(by) = by
        .map(|by| by.trim().to_owned())
        .filter(|by| !by.is_empty())
    else {
        return Ok(None);
    };
    if by.chars().count() <= LONGEST_NAME && !by.chars().any(char::is_control) {
        return Ok(Some(by));
    }
    let flaw = Flaw {
        path: "$.by".into(),
        message: format!("`by` is a name of at most {LONGEST_NAME} characters, on one line"),
        suggestion: None,
    };
    Err(Problem::invalid(
        "The answer cannot be attributed.",
        vec![flaw],
    ))
}

/// Characters of a name.
const LONGEST_NAME: usize = 200;
