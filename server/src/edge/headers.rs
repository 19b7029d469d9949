//! What every response tells a browser.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::content_policy::NOTHING;

/// Adds what holds for all responses; what a handler has set stays.
pub(crate) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    add(response.headers_mut());
    response
}

fn add(headers: &mut HeaderMap) {
    for (name, value) in ALWAYS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
}

const ALWAYS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, NOTHING),
    // what is said to be text is not looked at for markup
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // for browsers that do not know `frame-ancestors`
    (header::X_FRAME_OPTIONS, "DENY"),
    // ids of runs and tickets stand in addresses
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "accelerometer=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), \
         microphone=(), midi=(), payment=(), usb=()",
    ),
    // a page that this one opens, or that opens it, gets no hold of it
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];
