//! Stored pipelines.

use async_graphql::{Context, Json, Object, Result};
use serde_json::{Value, json};

use super::asking::Asking;
use crate::api::pipelines::summary;
use crate::catalog::Stored;

/// A stored pipeline, as read.
#[derive(Clone, Debug)]
pub(super) struct Pipeline(Stored);

impl Pipeline {
    pub(super) fn new(stored: Stored) -> Self {
        Self(stored)
    }
}

/// A stored pipeline.
#[Object]
impl Pipeline {
    /// What it is started by.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What `GET /api/pipelines` has of it: `title`, `description`, `version`, `parameters`, or `errors`.
    #[graphql(complexity = 10)]
    async fn summary(&self, context: &Context<'_>) -> Result<Json<Value>> {
        Ok(Json(json!(summary(
            &Asking::of(context)?.executions,
            &self.0
        ))))
    }

    /// The whole of it; null where the file is not JSON.
    #[graphql(complexity = 10)]
    async fn definition(&self) -> Option<Json<&Value>> {
        self.0.definition.as_ref().ok().map(Json)
    }
}
