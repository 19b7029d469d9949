//! `/api/executions/{id}/waits`: what a run asks people, and their answers.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use super::answer::{Answered, OpenWaits, Waits};
use super::body::Body;
use super::parts::{Path, Query};
use crate::access::Caller;
use crate::error::{Flaw, Problem};
use crate::executions::Executions;

/// The body of `POST /api/executions/{id}/waits/{wait_id}/answer`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "AnswerRequest", description = "An answer.")]
#[serde(deny_unknown_fields)]
pub(crate) struct Answering {
    /// One entry for each field of the form.
    answer: Map<String, Value>,
    /// What whoever answers calls themselves; counts where there are no accounts.
    by: Option<String>,
}

/// What `GET /api/waits` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// How many, up to 10000; 500 where it is left out.
    limit: Option<u64>,
}

/// `GET /api/waits?limit=`: what waits for people, in all runs under way.
pub(crate) async fn all(
    State(executions): State<Executions>,
    caller: Caller,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<OpenWaits>, Problem> {
    let limit = parameters.limit.unwrap_or(500).clamp(1, 10_000) as usize;
    let (waits, total) = executions.open_waits(limit, caller.identity.only())?;
    Ok(Json(OpenWaits { waits, total }))
}

/// `GET /api/executions/{id}/waits`: every question of a run.
pub(crate) async fn list(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<Json<Waits>, Problem> {
    let id: ExecutionId = id.parse()?;
    let waits = executions.waits(&id).await?;
    Ok(Json(Waits {
        execution_id: id,
        waits,
    }))
}

/// `POST /api/executions/{id}/waits/{wait_id}/answer`. Where there are accounts, the answer is by whoever is signed in,
/// whatever name they give.
pub(crate) async fn answer(
    State(executions): State<Executions>,
    caller: Caller,
    Path((id, wait_id)): Path<(String, String)>,
    Body(answering): Body<Answering>,
) -> Result<Json<Answered>, Problem> {
    let id: ExecutionId = id.parse()?;
    let by = attributed(&caller, answering.by)?;
    let given = fitting(&executions, answering.answer)?;
    let answer = executions.answer(&id, &wait_id, given, by).await?;
    Ok(Json(Answered {
        answer,
        execution_id: id,
        wait_id,
    }))
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
