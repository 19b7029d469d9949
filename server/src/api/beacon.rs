//! `/api/beacon`: how late events come to clients, told by themselves, where the operator asks for it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use stepcast_core::beacon::{MOST, Report};

use super::body::Body;
use crate::clock::unix_millis;
use crate::error::Problem;
use crate::executions::Executions;

/// What is asked of clients.
#[derive(Debug, JsonSchema, Serialize)]
#[schemars(rename = "Beacon")]
pub(crate) struct Asked {
    /// A report every so many seconds; none is wanted where it is 0.
    interval_seconds: u64,
}

/// `GET /api/beacon`
pub(crate) async fn asked(State(executions): State<Executions>) -> Json<Asked> {
    Json(Asked {
        interval_seconds: executions.config().metrics.beacon_seconds,
    })
}

/// `POST /api/beacon`
pub(crate) async fn report(
    State(executions): State<Executions>,
    Body(report): Body<Report>,
) -> Result<StatusCode, Problem> {
    if executions.config().metrics.beacon_seconds == 0 {
        let detail = "This server asks for no reports; the setting is metrics.beacon_seconds.";
        return Err(Problem::new(StatusCode::NOT_FOUND, detail));
    }
    if report.late_ms.len() > MOST {
        let detail = format!("A report tells of at most {MOST} events.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let clients = executions.delivery().clients();
    if !clients.admit() {
        return Err(Problem::too_many("Too many reports come at present.", 10));
    }
    clients.take(&report, unix_millis());
    Ok(StatusCode::NO_CONTENT)
}
