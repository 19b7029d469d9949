//! Every route on one screen.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::executions::Executions;
use crate::transport::{sse, websocket};
use crate::{api, assets, guard};

/// The whole application.
pub(crate) fn router(executions: Executions) -> Router {
    let limit = DefaultBodyLimit::max(executions.config().max_body_bytes);
    Router::new()
        .route("/healthz", get(api::health::live))
        .route("/readyz", get(api::health::ready))
        .route("/api/pipelines", get(api::pipelines::list))
        .route("/api/pipelines/validate", post(api::pipelines::validate))
        .route("/api/pipelines/{name}", get(api::pipelines::show))
        .route(
            "/api/executions",
            get(api::executions::list).post(api::executions::start),
        )
        .route(
            "/api/executions/{id}",
            get(api::executions::show).delete(api::executions::remove),
        )
        .route(
            "/api/executions/{id}/start",
            post(api::executions::start_created),
        )
        .route("/api/executions/{id}/cancel", post(api::executions::cancel))
        .route("/api/executions/{id}/resume", post(api::executions::resume))
        .route("/api/metrics", get(api::metrics::report))
        .route("/api/waits", get(api::waits::all))
        .route("/api/executions/{id}/waits", get(api::waits::list))
        .route(
            "/api/executions/{id}/waits/{wait_id}/answer",
            post(api::waits::answer),
        )
        .route(
            "/api/executions/{id}/events",
            get(api::events::page).post(api::ingest::events),
        )
        .route(
            "/api/executions/{id}/heartbeat",
            post(api::ingest::heartbeat),
        )
        .route("/ws/pipeline/{execution_id}", get(websocket::open))
        .route("/stream/pipeline/{execution_id}", get(sse::open))
        .fallback(get(assets::serve))
        .layer(limit)
        .layer(from_fn_with_state(executions.clone(), guard::same_site))
        .with_state(executions)
}
