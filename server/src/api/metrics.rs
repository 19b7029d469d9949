//! `/api/metrics`: reliability over the executions of a window.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use stepcast_core::id::StepId;
use stepcast_core::metrics::Metric;
use stepcast_core::time::parse_unix_millis;

use super::parts::Query;
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::Window;
use crate::metrics::{By, Definition, Report, Wanted};

/// What `GET /api/metrics` takes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    from: Option<String>,
    to: Option<String>,
    pipeline: Option<String>,
    step: Option<String>,
    owner: Option<String>,
    by: Option<String>,
    top: Option<usize>,
}

/// `GET /api/metrics/definitions`: each metric with its formula and its target, whatever was counted.
pub(crate) async fn definitions(State(executions): State<Executions>) -> Json<Value> {
    let targets = &executions.config().metrics.targets;
    let metrics = Metric::ALL.map(|metric| Definition::new(metric, targets));
    Json(json!({ "metrics": metrics }))
}

/// `GET /api/metrics?from=&to=&pipeline=&step=&owner=&by=&top=`
pub(crate) async fn report(
    State(executions): State<Executions>,
    caller: Caller,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Report>, Problem> {
    let by = match parameters.by.as_deref() {
        None => By::All,
        Some("pipeline") => By::Pipeline,
        Some("step") => By::Step,
        Some("hour") => By::Hour,
        Some("day") => By::Day,
        Some(other) => {
            let detail =
                format!("by is {other:?}; it is pipeline, step, hour or day, or left out.");
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
    };
    let window = Window {
        from: time("from", parameters.from.as_deref())?,
        to: time("to", parameters.to.as_deref())?,
        pipeline: parameters.pipeline,
        owner: caller.whose(parameters.owner)?,
    };
    let wanted = Wanted {
        by,
        step: parameters.step.map(StepId::from),
        top: parameters.top.unwrap_or_default().min(MAX_TOP),
    };
    Ok(Json(executions.report(&window, &wanted).await?))
}

fn time(name: &str, text: Option<&str>) -> Result<Option<u64>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    let time = parse_unix_millis(text).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            format!("{name} is {text:?}; a time looks like 2026-11-26T08:00:00Z."),
        )
    })?;
    Ok(Some(time))
}

/// The most steps in each list of the foremost.
const MAX_TOP: usize = 100;
