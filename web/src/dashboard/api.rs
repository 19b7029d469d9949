//! The server's HTTP API, as far as the dashboard alone needs it.

use gloo_net::http::Request;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use crate::api::{ApiError, Flaw, accept, escaped, read};

/// A run in the list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Execution {
    /// Its id.
    pub execution_id: String,
    /// The pipeline's name.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// Whose it is; nobody's on a server without accounts.
    #[serde(default)]
    pub owner: Option<String>,
    /// Where it stands.
    pub status: String,
    /// RFC 3339.
    #[serde(default)]
    pub created_at: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub started_at: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub ended_at: Option<String>,
    /// Its last event.
    #[serde(default)]
    pub last_seq: u64,
    /// 0 to 1; none where the server has not followed the run.
    #[serde(default)]
    pub progress: Option<f64>,
}

/// A page of the list.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Executions {
    /// The newest first.
    pub executions: Vec<Execution>,
    /// Where the next page begins; none on the last.
    #[serde(default)]
    pub next: Option<Value>,
}

/// A pipeline that the server has stored.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Pipeline {
    /// What to start it by.
    pub name: String,
    /// What to call it.
    #[serde(default)]
    pub title: Option<String>,
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// What it takes.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
    /// What the server would not do as written.
    #[serde(default)]
    pub warnings: Vec<Flaw>,
    /// Why it does not load.
    #[serde(default)]
    pub errors: Vec<Flaw>,
}

/// A definition that loads.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Checked {
    /// What it takes.
    #[serde(default)]
    pub(super) parameters: Vec<Parameter>,
    /// What the server would not do as written.
    #[serde(default)]
    pub(super) warnings: Vec<Flaw>,
}

/// Something that a pipeline takes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether a run needs it.
    #[serde(default)]
    pub required: bool,
    /// What it is where it is left out.
    #[serde(default)]
    pub default: Option<Value>,
    /// Its JSON Schema.
    #[serde(default)]
    pub schema: Option<Value>,
}

/// The newest runs, at most `limit`, with one of these statuses; with any where there are none.
pub(super) async fn executions(limit: u32, statuses: &str) -> Result<Executions, ApiError> {
    let which = if statuses.is_empty() { "" } else { "&status=" };
    let url = format!("/api/executions?limit={limit}{which}{statuses}");
    read(Request::get(&url).send().await).await
}

/// The stored pipelines.
pub(super) async fn pipelines() -> Result<Vec<Pipeline>, ApiError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Answer {
        Bare(Vec<Pipeline>),
        Named { pipelines: Vec<Pipeline> },
    }
    let answer = read(Request::get("/api/pipelines").send().await).await?;
    Ok(match answer {
        Answer::Bare(pipelines) | Answer::Named { pipelines } => pipelines,
    })
}

/// A stored pipeline's definition.
pub(super) async fn definition(name: &str) -> Result<Value, ApiError> {
    #[derive(Deserialize)]
    struct Stored {
        definition: Value,
    }
    let url = format!("/api/pipelines/{}", escaped(name));
    let stored: Stored = read(Request::get(&url).send().await).await?;
    Ok(stored.definition)
}

/// Asks whether a definition would load.
pub(super) async fn validate(definition: &Value) -> Result<Checked, ApiError> {
    let request = Request::post("/api/pipelines/validate")
        .json(definition)
        .map_err(|error| ApiError::Unreadable(error.to_string()))?;
    read(request.send().await).await
}

/// Starts a run of a stored pipeline; its id.
pub(super) async fn start(pipeline: &str, input: Map<String, Value>) -> Result<String, ApiError> {
    start_as(&json!({"pipeline": pipeline, "input": input})).await
}

/// Starts a run of a definition; its id.
pub(super) async fn start_definition(
    definition: &Value,
    input: Map<String, Value>,
) -> Result<String, ApiError> {
    start_as(&json!({"definition": definition, "input": input})).await
}

async fn start_as(body: &Value) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Started {
        execution_id: String,
    }
    let request = Request::post("/api/executions")
        .json(body)
        .map_err(|error| ApiError::Unreadable(error.to_string()))?;
    let started: Started = read(request.send().await).await?;
    Ok(started.execution_id)
}

/// Asks for a run to be cancelled.
pub(super) async fn cancel(id: &ExecutionId) -> Result<(), ApiError> {
    let url = format!("/api/executions/{id}/cancel");
    let response = accept(Request::post(&url).send().await).await?;
    drop(response);
    Ok(())
}
