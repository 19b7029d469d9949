//! The one place where an error becomes a response: RFC 9457 problem documents.

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use stepcast_core::id::IdError;

use crate::context::EmitError;
use crate::log::StoreError;

/// One thing that is wrong in a document, with its place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Flaw {
    /// A JSON path: `$.flow.paths[2].condition.type`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// A problem document.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: String,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Flaw>,
    #[serde(flatten)]
    more: Option<Box<More>>,
}

/// What few problems have: apart, so that a result that can fail stays small.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
struct More {
    #[serde(flatten)]
    members: Map<String, Value>,
    #[serde(skip)]
    headers: HeaderMap,
}

impl Problem {
    /// A problem of this status; `detail` says what is wrong and what to do, and never echoes input.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            kind: "about:blank".into(),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            more: None,
        }
    }

    /// There is no such execution.
    pub fn unknown_execution() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "There is no execution with this id. GET /api/executions lists those there are.",
        )
    }

    /// A document does not validate.
    pub fn invalid(detail: impl Into<String>, errors: Vec<Flaw>) -> Self {
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
        }
    }

    /// Come back later.
    pub fn too_many(detail: impl Into<String>, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, detail)
            .header(header::RETRY_AFTER, retry_after_seconds)
    }

    /// Says one more thing that a program can read.
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        let more = self.more.get_or_insert_default();
        more.members.insert(member.to_owned(), value.into());
        self
    }

    /// Says it in a header of the response.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        let more = self.more.get_or_insert_default();
        more.headers.insert(name, value.into());
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What is wrong, and what to do.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// What is wrong in a document.
    pub fn flaws(&self) -> &[Flaw] {
        &self.errors
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let own = self
            .more
            .as_mut()
            .map(|more| std::mem::take(&mut more.headers));
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.extend(own.unwrap_or_default());
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl From<IdError> for Problem {
    fn from(error: IdError) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Exists) {
            return Self::new(
                StatusCode::CONFLICT,
                "An execution with this id exists already.",
            );
        }
        if matches!(error, StoreError::UnderWay) {
            return Self::new(
                StatusCode::CONFLICT,
                "The execution has not ended. POST /api/executions/{id}/cancel ends it.",
            );
        }
        if matches!(error, StoreError::Full(_)) {
            return Self::new(StatusCode::INSUFFICIENT_STORAGE, full(&error.to_string()));
        }
        tracing::error!(%error, "the log failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The log could not be read or written; the server's own log says why.",
        )
    }
}

impl From<EmitError> for Problem {
    fn from(error: EmitError) -> Self {
        match error {
            EmitError::EventType => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            EmitError::Ended => Self::new(StatusCode::CONFLICT, "The execution has ended."),
            EmitError::Store(failure) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, full(&failure))
            }
        }
    }
}

fn full(failure: &str) -> String {
    format!("The log cannot take more at present: {failure}.")
}
