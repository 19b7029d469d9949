//! `/api/pipelines`: what can be started, and whether a definition would load.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use super::answer::{self, Pipelines, ShownPipeline, Valid};
use super::body::Body;
use super::parts::Path;
use crate::catalog::Stored;
use crate::error::{Flaw, Problem};
use crate::executions::{Executions, flaws};
use crate::pipeline::Pipeline;

/// `GET /api/pipelines`: the stored pipelines, those that do not load too, with what is wrong.
pub(crate) async fn list(State(executions): State<Executions>) -> Result<Json<Pipelines>, Problem> {
    let stored = stored(&executions)?;
    let pipelines: Vec<answer::Stored> = stored
        .iter()
        .map(|stored| summary(&executions, stored))
        .collect();
    Ok(Json(Pipelines {
        folder_is_empty: pipelines.is_empty(),
        pipelines,
    }))
}

/// Every stored pipeline.
pub(crate) fn stored(executions: &Executions) -> Result<Vec<Stored>, Problem> {
    executions.catalog().list().map_err(|error| {
        tracing::error!(%error, folder = %executions.catalog().folder().display(), "the pipelines cannot be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "The folder of pipelines cannot be read.")
    })
}

/// `GET /api/pipelines/{name}`: one, with its definition.
pub(crate) async fn show(
    State(executions): State<Executions>,
    Path(name): Path<String>,
) -> Result<Json<ShownPipeline>, Problem> {
    let stored = executions.catalog().find(&name).ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_FOUND,
            "There is no stored pipeline of this name.",
        )
    })?;
    Ok(Json(ShownPipeline {
        pipeline: summary(&executions, &stored),
        definition: stored.definition.ok(),
    }))
}

/// `POST /api/pipelines/validate`: would this definition load? 200 with what it holds, or 422 with every flaw.
pub(crate) async fn validate(
    State(executions): State<Executions>,
    Body(definition): Body<Value>,
) -> Result<Json<Valid>, Problem> {
    let loaded = Pipeline::from_json(&definition, executions.registry_of_users());
    let pipeline = loaded
        .map_err(|problems| Problem::invalid("The pipeline does not validate.", flaws(problems)))?;
    Ok(Json(Valid {
        valid: true,
        pipeline: pipeline.describe(),
        parameters: pipeline.parameters().to_vec(),
        warnings: flaws(pipeline.warnings().to_vec()),
    }))
}

/// What is told of one without its definition.
pub(crate) fn summary(executions: &Executions, stored: &Stored) -> answer::Stored {
    let broken = |title: &str, errors| answer::Stored::Broken {
        name: stored.name.clone(),
        title: title.to_owned(),
        errors,
    };
    let definition = match &stored.definition {
        Ok(definition) => definition,
        Err(error) => {
            let flaw = Flaw {
                path: "$".to_owned(),
                message: error.to_string(),
                suggestion: None,
            };
            return broken(&stored.name, vec![flaw]);
        }
    };
    let text = |key: &str| definition.get(key).and_then(Value::as_str);
    let title = text("name").unwrap_or(&stored.name);
    match Pipeline::from_json(definition, executions.registry()) {
        Ok(pipeline) => answer::Stored::Sound {
            name: stored.name.clone(),
            title: title.to_owned(),
            description: text("description").map(str::to_owned),
            version: text("version").map(str::to_owned),
            steps: pipeline.steps().len(),
            parameters: pipeline.parameters().to_vec(),
            warnings: flaws(pipeline.warnings().to_vec()),
        },
        Err(problems) => broken(title, flaws(problems)),
    }
}
