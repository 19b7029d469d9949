//! The dashboard, inside the binary.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

use crate::edge;
use crate::error::Problem;

/// The files that `cargo xtask web` or `trunk build` put into `dist/`. A build without them serves a page that
/// says how to make them.
#[derive(Embed)]
#[folder = "../dist"]
#[allow_missing = true]
struct Dist;

/// Serves the dashboard's files; every path without a dot is the page itself, but not where the API lives.
pub(crate) async fn serve(uri: Uri) -> Response {
    let path = uri.path().trim_start_matches('/');
    if ["api", "stream", "ws"].contains(&path.split('/').next().unwrap_or_default()) {
        return Problem::new(StatusCode::NOT_FOUND, "There is no such resource.").into_response();
    }
    let name = if path.is_empty() || !path.contains('.') {
        "index.html"
    } else {
        path
    };
    match Dist::get(name) {
        Some(file) => found(name, &file),
        None if name == "index.html" => not_built(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn found(name: &str, file: &EmbeddedFile) -> Response {
    let mut response = Body::from(file.data.clone().into_owned()).into_response();
    let headers = response.headers_mut();
    if let Ok(mime) = HeaderValue::from_str(file.metadata.mimetype()) {
        headers.insert(header::CONTENT_TYPE, mime);
    }
    // Every file but the page has its content's hash in its name.
    let cache = if name == "index.html" {
        "no-cache"
    } else {
        "public, max-age=31536000, immutable"
    };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if name == "index.html"
        && let Ok(policy) = HeaderValue::from_str(&page_policy(file))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Made anew each time: a debug build reads the page from its folder, where it may have changed.
fn page_policy(file: &EmbeddedFile) -> String {
    edge::of_page(&String::from_utf8_lossy(&file.data))
}

fn not_built() -> Response {
    const PAGE: &str = "<!doctype html><title>Stepcast</title><p>This server was built without its dashboard. \
        The API works; <code>cargo xtask start</code> builds both.</p>";
    (
        StatusCode::SERVICE_UNAVAILABLE,
        [(header::CONTENT_TYPE, "text/html; charset=utf-8")],
        PAGE,
    )
        .into_response()
}
