//! Compressed responses, and the settings of compression, `[compression]` in the file. Event streams are compressed where
//! they are written, in `transport/coding/`.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use tower_http::compression::predicate::SizeAbove;
use tower_http::compression::{Compression, CompressionLevel};
use tower_service::Service;

/// What leaves compressed, to clients that take it so. `docs/configuration.md` holds it as a table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CompressionSettings {
    /// Event streams. Off: on a network that somebody listens to, the lengths of what is compressed tell something of a
    /// run's secrets to whoever can also put words of theirs into the run.
    pub streams: bool,
    /// Pages, files of the dashboard, and answers of the API.
    pub responses: bool,
}

impl Default for CompressionSettings {
    fn default() -> Self {
        Self {
            streams: false,
            responses: true,
        }
    }
}

/// What a client takes.
pub(super) struct Accepted(Vec<HeaderValue>);

impl Accepted {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        Self(values.cloned().collect())
    }

    /// Compresses what is worth it. A body that is not has no room for the state of a compressor: there are streams that
    /// take days.
    pub(super) async fn compress(self, response: Response) -> Response {
        if !is_ours(response.headers()) {
            return response;
        }
        let mut accepts = Request::new(Body::empty());
        for value in self.0 {
            accepts.headers_mut().append(header::ACCEPT_ENCODING, value);
        }
        let compressed = Compression::new(Answered(Some(response)))
            .quality(CompressionLevel::Precise(QUALITY))
            .compress_when(SizeAbove::new(LEAST))
            .call(accepts);
        match compressed.await {
            Ok(response) => response.map(Body::new),
            Err(never) => match never {},
        }
    }
}

/// A response that is there, as a service that gives it once.
struct Answered(Option<Response>);

impl Service<Request> for Answered {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: Request) -> Self::Future {
        ready(Ok(self.0.take().unwrap_or_default()))
    }
}

/// Whether these headers are those of a text of ours. Files of runs are not: their bytes are named by a hash, asked for by
/// ranges, and often compressed already.
fn is_ours(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map(|value| value.to_str().unwrap_or_default());
    let kind = kind.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    KINDS.contains(&kind)
        && headers.get(header::ETAG).is_none_or(is_weak)
        && !headers.contains_key(header::ACCEPT_RANGES)
}

/// Whether it stands for the same in another coding too; a strong one stands for these bytes.
fn is_weak(tag: &HeaderValue) -> bool {
    tag.as_bytes().starts_with(b"W/")
}

const KINDS: [&str; 8] = [
    "application/javascript",
    "application/json",
    "application/problem+json",
    "application/wasm",
    "image/svg+xml",
    "text/css",
    "text/html",
    "text/javascript",
];

/// Tickets, tokens and links to share are shorter: what holds a secret and little else stays as it is.
const LEAST: u16 = 1024;

/// Of brotli, a level meant for answers made on the spot; its highest is meant for files compressed once. Of the others
/// it is about the default.
const QUALITY: i32 = 4;
