//! Whether the process lives, and whether it can do its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};

use super::answer::{Health, Ready};
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::ListQuery;

/// `GET /healthz`: the process answers.
pub(crate) async fn live() -> Json<Health> {
    Json(Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    })
}

/// `GET /readyz`: the log can be read, and the process is not stopping.
pub(crate) async fn ready(State(executions): State<Executions>, caller: Caller) -> Response {
    if executions.stopping().is_cancelled() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The server is stopping.")
            .into_response();
    }
    match executions.list(&ListQuery {
        limit: 1,
        ..ListQuery::default()
    }) {
        // how much others do is nothing for strangers
        Ok(_) => {
            let admin = caller.identity.is_admin();
            Json(Ready {
                status: "ready",
                running: admin.then(|| executions.running()),
                totals: admin.then(|| executions.metrics().snapshot()),
            })
            .into_response()
        }
        Err(error) => {
            tracing::error!(%error, "not ready");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "The log cannot be read.").into_response()
        }
    }
}
