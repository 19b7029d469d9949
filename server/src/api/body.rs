//! Reads a JSON request body, with errors that say where.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use serde::de::DeserializeOwned;

use crate::error::Problem;
use crate::executions::Executions;
use crate::limits::{Arriving, is_deeper};

/// A JSON body. An absent one is read as `{}`.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Executions> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: Request, executions: &Executions) -> Result<Self, Response> {
        let json = media_type(request.headers()) == "application/json";
        let bytes = read(request, executions)
            .await
            .map_err(Problem::into_response)?;
        // Asking for the type keeps pages of other origins out: a browser sends it across origins only after asking.
        if !json && !bytes.is_empty() {
            let detail = "Send the body as Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into_response());
        }
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        let deepest = executions.config().limits.json_depth;
        if is_deeper(text, deepest) {
            return Err(too_deep(deepest).into_response());
        }
        serde_json::from_slice(text).map(Self).map_err(|error| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("The body cannot be read: {error}."),
            )
            .into_response()
        })
    }
}

/// The whole body, where it is not too large and comes in its time.
pub(crate) async fn read(request: Request, executions: &Executions) -> Result<Bytes, Problem> {
    let config = executions.config();
    let most = config.max_body_bytes;
    let body = request.into_body();
    let expected = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let mut whole = BytesMut::with_capacity(expected.min(READ_AHEAD).min(most));
    let mut arriving = Arriving::new(body, &config.limits);
    while let Some(piece) = arriving.next().await {
        let piece = piece?;
        if piece.len() > most - whole.len() {
            let detail = "The request body is larger than the setting max_body_bytes allows.";
            return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// Arrays and objects stand in each other deeper than the setting allows.
pub(crate) fn too_deep(deepest: usize) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!(
            "Arrays and objects may stand in each other {deepest} deep; the setting is limits.json_depth."
        ),
    )
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

/// Room that is made for a body before it comes.
const READ_AHEAD: usize = 64 << 10;
