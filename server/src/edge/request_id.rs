//! The id of a request: the caller's own, or a new one; in the answer, and in every line of the log about it.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use axum::response::Response;
use stepcast_core::id::ExecutionId;
use tracing::Span;
use tracing::field::Empty;

/// What the log calls a request.
pub(super) struct Name {
    id: HeaderValue,
    method: Method,
    uri: Uri,
    begun: Instant,
}

impl Name {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            id: given(request.headers()).unwrap_or_else(made),
            method: request.method().clone(),
            uri: request.uri().clone(),
            begun: Instant::now(),
        }
    }

    /// In which everything is logged that happens meanwhile.
    pub(super) fn span(&self) -> Span {
        let text = self.id.to_str().unwrap_or_default();
        let span = tracing::error_span!("request", request_id = text, execution_id = Empty);
        if !span.is_disabled()
            && let Some(execution) = about(self.uri.path())
        {
            span.record("execution_id", execution.as_str());
        }
        span
    }

    /// Logs what was answered, and names the request in it.
    pub(super) fn answered(self, response: &mut Response) {
        let (status, took) = (response.status().as_u16(), self.begun.elapsed());
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        // without the query, where tickets stand
        let (method, path) = (&self.method, self.uri.path());
        tracing::debug!(%method, path, status, ms, "answered");
        response.headers_mut().insert(X_REQUEST_ID, self.id);
    }
}

/// The caller's own id, where it can stand in a line.
fn given(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(X_REQUEST_ID)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/@".contains(byte);
    let fits = (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(plain);
    fits.then(|| id.clone())
}

fn made() -> HeaderValue {
    // it is no secret: the system need not be asked for it
    let random = fastrand::u128(..).to_ne_bytes();
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    let id = id.simple().to_string();
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
