//! The id of a request: the caller's own, or a new one; in the answer, and in every line of the log about it.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use stepcast_core::id::ExecutionId;
use tracing::Instrument as _;
use tracing::field::Empty;

/// Answers with `X-Request-Id`, and names it and the execution that the path is about in what is logged meanwhile.
pub(crate) async fn name(request: Request, next: Next) -> Response {
    let id = given(request.headers()).unwrap_or_else(made);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let text = id.to_str().unwrap_or_default();
    let span = tracing::error_span!("request", request_id = text, execution_id = Empty);
    if let Some(execution) = about(&path) {
        span.record("execution_id", execution.as_str());
    }
    let begun = Instant::now();
    let answered = async {
        let response = next.run(request).await;
        let (status, took) = (response.status().as_u16(), begun.elapsed());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // without the query, where tickets stand
        tracing::debug!(%method, path, status, ms, "answered");
        response
    };
    let mut response = answered.instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The caller's own id, where it can stand in a line.
fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
    let fits = (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(plain);
    fits.then(|| id.clone())
}

fn made() -> HeaderValue {
    let id = uuid::Uuid::new_v4().simple().to_string();
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
}

/// The execution that a path names.
fn about(path: &str) -> Option<ExecutionId> {
    let mut parts = path.split('/');
    parts.find(|part| ["executions", "pipeline"].contains(part))?;
    parts.next()?.parse().ok()
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const LONGEST: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_cannot_stand_in_a_line_is_not_taken() {
        let given = |text: &'static str| {
            let headers = [(X_REQUEST_ID, HeaderValue::from_static(text))];
            given(&headers.into_iter().collect()).is_some()
        };
        assert!(given("7b1c-4f.A_b:c=/+@"));
        assert!(!given("") && !given("a b") && !given("\"}") && !given("a,b"));
        let long = HeaderValue::try_from("x".repeat(129)).unwrap();
        assert!(super::given(&[(X_REQUEST_ID, long)].into_iter().collect()).is_none());
    }

    #[test]
    fn the_execution_of_a_path_is_found() {
        for (path, id) in [
            ("/api/executions/a-1", Some("a-1")),
            ("/api/executions/a-1/events", Some("a-1")),
            ("/stream/pipeline/a-1", Some("a-1")),
            ("/api/agui/executions/a-1", Some("a-1")),
            ("/api/executions", None),
            ("/api/pipelines/hello", None),
        ] {
            let found = about(path);
            assert_eq!(found.as_ref().map(ExecutionId::as_str), id, "{path}");
        }
    }
}
