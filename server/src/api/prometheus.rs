//! `GET /metrics`: what is counted in this process, as Prometheus and OpenMetrics read it.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::error::Problem;
use crate::executions::Executions;
use crate::telemetry::{Exposition, Format};

/// One scrape.
pub(crate) async fn scrape(
    State(executions): State<Executions>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let accept = headers.get(header::ACCEPT);
    let format = Format::accepted(accept.and_then(|value| value.to_str().ok()));
    let text = Exposition::new(executions)
        .write(format)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    Ok((
        [
            (header::CONTENT_TYPE, format.media_type()),
            (header::CACHE_CONTROL, "no-store"),
        ],
        text,
    )
        .into_response())
}
