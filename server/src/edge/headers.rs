//! What every response tells a browser.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::content_policy::NOTHING;
use super::settings::EdgeSettings;

/// For how long browsers are to come under TLS only, as they are told; nothing where they are not.
pub(super) fn strict(settings: &EdgeSettings) -> Option<HeaderValue> {
    let seconds = settings.hsts_seconds;
    let told = (seconds > 0).then(|| HeaderValue::try_from(format!("max-age={seconds}")));
    told.and_then(Result::ok)
}

/// Adds what holds for all responses; what a handler has set stays.
pub(super) fn harden(headers: &mut HeaderMap, strict: Option<HeaderValue>) {
    headers.reserve(ALWAYS.len() + 1);
    for (name, value) in ALWAYS {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if let Some(strict) = strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, strict);
    }
}

/// Says that this is an event stream, and that nobody on the way is to hold it back.
pub(crate) fn event_stream(headers: &mut HeaderMap) {
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/event-stream");
    // no-transform keeps proxies from compressing, and so from holding back; nginx obeys the last one only
    set(header::CACHE_CONTROL, "no-store, no-transform");
    set(HeaderName::from_static("x-accel-buffering"), "no");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
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
