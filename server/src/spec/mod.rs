//! What travels here, as documents that programs read. They are made from the code: `docs/spec/` holds copies, and a
//! test compares them.

mod asyncapi;
mod openapi;

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
    /// OpenAPI 3.1 of every route.
    #[value(name = "openapi")]
    OpenApi,
    /// AsyncAPI 3 of the streams.
    #[value(name = "asyncapi")]
    AsyncApi,
    /// The schema of GraphQL in its definition language.
    #[value(name = "graphql")]
    GraphQl,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Events, Self::OpenApi, Self::AsyncApi, Self::GraphQl];

    /// Its file, in `docs/spec/` and under `/api/spec/`.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Events => "events.schema.json",
            Self::OpenApi => "openapi.json",
            Self::AsyncApi => "asyncapi.json",
            Self::GraphQl => "schema.graphql",
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Events => "application/schema+json",
            Self::OpenApi | Self::AsyncApi => "application/json",
            Self::GraphQl => "text/plain; charset=utf-8",
        }
    }

    /// Its text, on many lines, the same for every server of this version.
    pub fn text(self) -> &'static str {
        static EVENTS: LazyLock<String> = LazyLock::new(|| lines(&schema::document()));
        static OPEN_API: LazyLock<String> = LazyLock::new(|| lines(&openapi::document()));
        static ASYNC_API: LazyLock<String> = LazyLock::new(|| lines(&asyncapi::document()));
        static GRAPHQL: LazyLock<String> = LazyLock::new(crate::graphql::sdl);
        match self {
            Self::Events => &EVENTS,
            Self::OpenApi => &OPEN_API,
            Self::AsyncApi => &ASYNC_API,
            Self::GraphQl => &GRAPHQL,
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
