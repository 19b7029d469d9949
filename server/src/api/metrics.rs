//! `/api/metrics`: reliability over the executions of a window.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use stepcast_core::id::StepId;
use stepcast_core::metrics::Metric;
use stepcast_core::time::parse_unix_millis;

use super::answer::Metrics;
use super::parts::Query;
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::Window;
use crate::metrics::{By, Definition, Report, Wanted};

/// What `GET /api/metrics` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Parameters {
    /// Runs that were made from here on, such as 2026-11-26T08:00:00Z.
    #[schemars(extend("format" = "date-time"))]
    from: Option<String>,
    /// Runs that were made before.
    #[schemars(extend("format" = "date-time"))]
    to: Option<String>,
    /// Runs of this pipeline.
    pipeline: Option<String>,
    /// Of this step.
    step: Option<String>,
    /// Runs of this user; one's own where it is left out, unless one may see all.
    owner: Option<String>,
    /// Each of these by itself too.
    #[schemars(extend("enum" = ["pipeline", "step", "hour", "day"]))]
    by: Option<String>,
    /// The foremost steps, so many of each kind, up to 100.
    top: Option<u64>,
}

/// `GET /api/metrics/definitions`: each metric with its formula and its target, whatever was counted.
pub(crate) async fn definitions(State(executions): State<Executions>) -> Json<Metrics> {
    let targets = &executions.config().metrics.targets;
    let metrics = Metric::ALL.map(|metric| Definition::new(metric, targets));
    Json(Metrics {
        metrics: metrics.to_vec(),
    })
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
        top: parameters.top.unwrap_or_default().min(MAX_TOP) as usize,
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
const MAX_TOP: u64 = 100;
