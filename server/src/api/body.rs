//! Reads a JSON request body, with errors that say where.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::Problem;

/// A JSON body. An absent one is read as `{}`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let json = media_type(request.headers()) == "application/json";
        let bytes = read(request, state).await.map_err(Problem::into_response)?;
        // Asking for the type keeps pages of other origins out: a browser sends it across origins only after asking.
        if !json && !bytes.is_empty() {
            let detail = "Send the body as Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text).map(Self).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("The body cannot be read: {error}."),
            )
            .into_response()
        })
    }
}

/// The whole body, where it is not too large.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state)
        .await
        .map_err(|rejection| {
            let detail = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                "The request body is larger than the setting max_body_bytes allows.".to_owned()
            } else {
                rejection.body_text()
            };
            Problem::new(rejection.status(), detail)
        })
}

/// What the body is said to be, without parameters.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let mime = content_type.split(';').next().unwrap_or_default().trim();
    mime.to_ascii_lowercase()
}
