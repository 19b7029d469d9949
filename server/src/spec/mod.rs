//! What travels here, as documents that programs read. They are made from the code: `docs/spec/` holds copies, and a
//! test compares them.

use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use stepcast_core::schema;

use crate::api::parts::Path;
use crate::error::Problem;

/// One of the documents.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub enum Document {
    /// JSON Schema of every event and of every frame.
    Events,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Events];

    /// Its file, in `docs/spec/` and under `/api/spec/`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Events => "events.schema.json",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Events => "application/schema+json",
        }
    }

    /// Its text: JSON on many lines, the same for every server of this version.
    pub fn text(self) -> &'static str {
        static EVENTS: LazyLock<String> = LazyLock::new(|| lines(&schema::document()));
        match self {
            Self::Events => &EVENTS,
        }
    }
}

fn lines(document: &Value) -> String {
    format!("{document:#}\n")
}

/// `GET /api/spec/{document}`
pub(crate) async fn send(Path(file): Path<String>) -> Result<Response, Problem> {
    let found = Document::ALL.into_iter().find(|it| it.file() == file);
    let document = found.ok_or_else(|| {
        let files = Document::ALL.map(Document::file).join(", ");
        let detail = format!("There is no such document; there are {files}.");
        Problem::new(StatusCode::NOT_FOUND, detail)
    })?;
    Ok((
        [
            (header::CONTENT_TYPE, document.media_type()),
            // another version of the server may say something else
            (header::CACHE_CONTROL, "no-cache"),
        ],
        document.text(),
    )
        .into_response())
}
