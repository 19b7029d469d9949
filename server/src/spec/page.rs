//! The page that shows the documents to people: three files inside the binary, which know nothing of the API.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::api::parts::Path;
use crate::edge;
use crate::error::Problem;

const INDEX: &str = include_str!("page/index.html");

/// What the page loads: its name, its type and its text.
pub(super) const FILES: [(&str, &str, &str); 3] = [
    (
        "page.css",
        "text/css; charset=utf-8",
        include_str!("page/page.css"),
    ),
    (
        "page.js",
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    ),
    (
        "schema.js",
        "text/javascript; charset=utf-8",
        include_str!("page/schema.js"),
    ),
];

/// `GET /api/docs`
pub(crate) async fn index() -> Response {
    let mut response = sent("text/html; charset=utf-8", INDEX);
    if let Ok(policy) = HeaderValue::from_str(&edge::of_page(INDEX)) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// `GET /api/docs/{file}`
pub(crate) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    let found = FILES.into_iter().find(|(file, ..)| *file == name);
    let (_, media_type, text) =
        found.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "The page has no such file."))?;
    Ok(sent(media_type, text))
}

fn sent(media_type: &'static str, text: &'static str) -> Response {
    (
        [
            (header::CONTENT_TYPE, media_type),
            // another version of the server may have another page
            (header::CACHE_CONTROL, "no-cache"),
        ],
        text,
    )
        .into_response()
}
