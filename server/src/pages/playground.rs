//! `/graphql/playground`, where people on the server's own machine try queries out.

use axum::Extension;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;

use super::{File, Page};
use crate::api::parts::Path;
use crate::edge::Source;
use crate::error::Problem;

pub(crate) static PAGE: Page = Page {
    html: include_str!("playground/index.html"),
    files: &[
        File::css("page.css", include_str!("playground/page.css")),
        File::script("page.js", include_str!("playground/page.js")),
        File::script("examples.js", include_str!("playground/examples.js")),
        File::script("ask.js", include_str!("playground/ask.js")),
    ],
};

/// `GET /graphql/playground`
pub(crate) async fn index(
    Extension(source): Extension<Source>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    near(source, &headers)?;
    Ok(PAGE.index())
}

/// `GET /graphql/playground/{asset}`
pub(crate) async fn file(
    Path(name): Path<String>,
    Extension(source): Extension<Source>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    near(source, &headers)?;
    PAGE.file(&name)
}

/// Refuses who is not known to sit at this machine: behind a proxy on it, everybody comes from loopback.
fn near(source: Source, headers: &HeaderMap) -> Result<(), Problem> {
    let is_local = source.address.is_some_and(|it| it.is_loopback());
    let is_proxied = headers.contains_key(header::FORWARDED)
        || headers.contains_key("x-forwarded-for")
        || headers.contains_key(header::VIA);
    match is_local && !is_proxied {
        true => Ok(()),
        false => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "The playground is for browsers on the server's own machine. Elsewhere, a GraphQL client asks /graphql.",
        )),
    }
}
