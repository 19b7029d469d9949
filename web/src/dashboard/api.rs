//! The server's HTTP API, as far as the dashboard needs it.

use std::fmt;

use gloo_net::http::{Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

/// A run in the list.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Execution {
    /// Its id.
    pub execution_id: String,
    /// The pipeline's name.
    #[serde(default)]
    pub pipeline: Option<String>,
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
    pub warnings: Vec<Value>,
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

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// The server was not reached.
    Unreachable,
    /// It refused, and says why (RFC 9457).
    Refused(Box<Problem>),
    /// It answered something else.
    Unreadable(String),
}

/// An RFC 9457 problem.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong in general.
    #[serde(default)]
    pub title: String,
    /// What is wrong here.
    #[serde(default)]
    pub detail: Option<String>,
    /// Where exactly.
    #[serde(default)]
    pub errors: Vec<Flaw>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Flaw {
    /// Where.
    #[serde(default)]
    pub path: String,
    /// What.
    #[serde(default)]
    pub message: String,
    /// What may have been meant.
    #[serde(default)]
    pub suggestion: Option<String>,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server does not answer"),
            Self::Unreadable(what) => write!(f, "the server's answer is not understood: {what}"),
            Self::Refused(problem) => {
                f.write_str(problem.detail.as_deref().unwrap_or(&problem.title))?;
                for flaw in &problem.errors {
                    write!(f, "\n{}: {}", flaw.path, flaw.message)?;
                    if let Some(suggestion) = &flaw.suggestion {
                        write!(f, " ({suggestion})")?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// The newest runs, at most `limit`.
pub(super) async fn executions(limit: u32) -> Result<Executions, ApiError> {
    let url = format!("/api/executions?limit={limit}");
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

/// Starts a run; its id.
pub(super) async fn start(pipeline: &str, input: Map<String, Value>) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Started {
        execution_id: String,
    }
    let body = json!({"pipeline": pipeline, "input": input});
    let request = Request::post("/api/executions")
        .json(&body)
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

async fn read<T: DeserializeOwned>(
    answer: Result<Response, gloo_net::Error>,
) -> Result<T, ApiError> {
    let response = accept(answer).await?;
    let body = response.json().await;
    body.map_err(|error| ApiError::Unreadable(error.to_string()))
}

/// The response, where it says yes.
async fn accept(answer: Result<Response, gloo_net::Error>) -> Result<Response, ApiError> {
    let response = answer.map_err(|_network| ApiError::Unreachable)?;
    if response.ok() {
        return Ok(response);
    }
    let status = response.status();
    // a proxy in between answers with a page of its own
    let mut problem: Problem = response.json().await.unwrap_or_default();
    if problem.title.is_empty() && problem.detail.is_none() {
        if matches!(status, 502..=504) {
            return Err(ApiError::Unreachable);
        }
        problem.title = format!("status {status}");
    }
    Err(ApiError::Refused(Box::new(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_where_and_what_was_meant() {
        let problem = json!({"type":"about:blank","title":"Unprocessable","status":422,"detail":"the input does not fit",
            "errors":[{"path":"input.n","message":"is not a number","suggestion":"3"},{"path":"input.m","message":"is missing"}]});
        let error = ApiError::Refused(Box::new(serde_json::from_value(problem).unwrap()));
        assert_eq!(
            error.to_string(),
            "the input does not fit\ninput.n: is not a number (3)\ninput.m: is missing"
        );
    }
}
