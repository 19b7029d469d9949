//! `/api/docs`, which shows the documents of [`crate::spec`] to people, and knows nothing of the API itself.

use axum::response::Response;

use super::{File, Page};
use crate::api::parts::Path;
use crate::error::Problem;

pub(crate) static PAGE: Page = Page {
    html: include_str!("docs/index.html"),
    files: &[
        File::css("page.css", include_str!("docs/page.css")),
        File::script("page.js", include_str!("docs/page.js")),
        File::script("schema.js", include_str!("docs/schema.js")),
    ],
};

/// `GET /api/docs`
pub(crate) async fn index() -> Response {
    PAGE.index()
}

/// `GET /api/docs/{file}`
pub(crate) async fn file(Path(name): Path<String>) -> Result<Response, Problem> {
    PAGE.file(&name)
}
