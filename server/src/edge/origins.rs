//! Pages of other sites: none may read anything, except those that the operator names.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::settings::EdgeSettings;

/// What lets the pages of the allowed origins read responses; `None` where there are none.
///
/// Cookies do not go along: a page of another site shows a token of its own.
pub(crate) fn cross_origin(settings: &EdgeSettings) -> Option<CorsLayer> {
    if settings.allowed_origins.is_empty() {
        return None;
    }
    let allowed = settings.clone();
    let is_allowed = move |origin: &HeaderValue, _: &_| {
        origin.to_str().is_ok_and(|origin| allowed.allows(origin))
    };
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(ASKED.map(HeaderName::from_static))
        .expose_headers(TOLD.map(HeaderName::from_static))
        .max_age(PREFLIGHT);
    Some(layer)
}

/// What scripts of such a page may send beside what every page may.
const ASKED: [&str; 14] = [
    "authorization",
    "content-type",
    "last-event-id",
    "if-none-match",
    "producer-id",
    "producer-epoch",
    "producer-seq",
    "stream-closed",
    "stream-expires-at",
    "stream-seq",
    "stream-ttl",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// What they may read beside what every page may.
const TOLD: [&str; 16] = [
    "etag",
    "location",
    "producer-epoch",
    "producer-expected-seq",
    "producer-received-seq",
    "producer-seq",
    "retry-after",
    "stepcast-gap",
    "stream-closed",
    "stream-cursor",
    "stream-expires-at",
    "stream-next-offset",
    "stream-sse-data-encoding",
    "stream-ttl",
    "stream-up-to-date",
    "x-request-id",
];

/// How long a browser may keep what it was told.
const PREFLIGHT: Duration = Duration::from_secs(600);
