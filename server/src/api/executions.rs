//! `/api/executions`: start, list, show, cancel, resume.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepcast_core::id::ExecutionId;
use stepcast_core::time::Timestamp;

use super::announce::Described;
use super::answer::{
    Announced, Cancelling, Created, Finished, Links, Listed, Resumed, Shown, Started, Summary,
};
use super::body::Body;
use super::parts::{Path, Query};
use crate::access::{Action, Caller};
use crate::error::Problem;
use crate::executions::{Announcement, Definition, Executions, Request};
use crate::log::{ExecutionRow, ExecutionStatus, ListQuery};
use crate::trace::TraceContext;

/// The body of `POST /api/executions`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(rename = "StartRequest", description = "What to run.")]
#[serde(deny_unknown_fields)]
pub(crate) struct Start {
    /// A stored pipeline's name; this or `definition`. With the mode `external` any name.
    #[schemars(extend("examples" = ["hello"]))]
    pipeline: Option<String>,
    /// A pipeline's definition.
    definition: Option<Value>,
    /// What the run is given.
    #[serde(default)]
    input: Map<String, Value>,
    /// The id that the execution is to have; one that nobody can guess where it is left out.
    #[schemars(with = "Option<ExecutionId>")]
    execution_id: Option<String>,
    /// What becomes of it.
    #[serde(default)]
    mode: Mode,
    /// With the mode `external`: what the pipeline is for.
    description: Option<String>,
    /// With the mode `external`: the pipeline's version.
    version: Option<String>,
    /// With the mode `external`: the steps, by id, or with `id`, `name` and `kind`.
    #[schemars(with = "Option<Vec<Value>>")]
    steps: Option<Value>,
    /// With the mode `external`: the paths, with `from`, `to` and `condition`.
    #[schemars(with = "Option<Vec<Map<String, Value>>>")]
    paths: Option<Value>,
    /// With the mode `external`: how long the producer may be silent.
    #[schemars(range(min = 100, max = 86_400_000))]
    lease_ms: Option<u64>,
}

/// What becomes of an execution.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Start it, and answer with its id.
    #[default]
    Stream,
    /// Make it known, and wait for `POST /api/executions/{id}/start`: a viewer can be there first.
    Create,
    /// Run it to its end, keep no log, and answer with the result.
    Blocking,
    /// Make it known; a program elsewhere runs it, and posts its events. `pipeline` is any name.
    External,
}

/// `POST /api/executions`
pub(crate) async fn start(
    State(executions): State<Executions>,
    caller: Caller,
    headers: HeaderMap,
    Body(mut start): Body<Start>,
) -> Result<Response, Problem> {
    let described = Described {
        description: start.description.take(),
        version: start.version.take(),
        steps: start.steps.take(),
        paths: start.paths.take(),
        lease_ms: start.lease_ms.take(),
    };
    if start.mode != Mode::External {
        described.must_be_absent()?;
    }
    let (owner, trace) = (caller.owner(), caller.trace);
    match start.mode {
        Mode::External => announce(&executions, start, described, &headers, (owner, trace)).await,
        Mode::Blocking => {
            let (id, result) = executions
                .run_blocking(request(start, owner, trace)?)
                .await?;
            let body = Finished {
                execution_id: id,
                result,
            };
            Ok(Json(body).into_response())
        }
        Mode::Create => {
            let id = executions.create(request(start, owner, trace)?).await?;
            Ok(created(&id, ExecutionStatus::Pending))
        }
        Mode::Stream => {
            let id = executions
                .create_and_start(request(start, owner, trace)?)
                .await?;
            Ok(created(&id, ExecutionStatus::Running))
        }
    }
}

fn request(
    start: Start,
    owner: Option<String>,
    trace: Option<TraceContext>,
) -> Result<Request, Problem> {
    let pipeline = match (start.pipeline, start.definition) {
        (Some(name), None) => Definition::Stored(name),
        (None, Some(definition)) => Definition::Inline(definition),
        _ => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "Give either `pipeline`, a stored pipeline's name, or `definition`, a pipeline.",
            ));
        }
    };
    Ok(Request {
        pipeline,
        input: start.input,
        execution_id: parsed_id(start.execution_id.as_deref())?,
        owner,
        trace,
    })
}

fn created(id: &ExecutionId, status: ExecutionStatus) -> Response {
    let body = Created {
        execution_id: id.clone(),
        status,
        links: Links::of(id),
    };
    located(id, StatusCode::CREATED, body)
}

/// An execution of a producer elsewhere: 201, or 200 where the same request made it before.
async fn announce(
    executions: &Executions,
    start: Start,
    described: Described,
    headers: &HeaderMap,
    (owner, trace): (Option<String>, Option<TraceContext>),
) -> Result<Response, Problem> {
    let (Some(name), None) = (start.pipeline, start.definition) else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "Give `pipeline`, any name, and `steps` if you like; this server has no use for a definition that it does not run.",
        ));
    };
    let id = parsed_id(start.execution_id.as_deref())?;
    let announcement = described.announcement(
        name,
        start.input,
        id,
        headers,
        executions.config().max_event_bytes,
    )?;
    let announcement = Announcement {
        owner,
        trace,
        ..announcement
    };
    let (row, new) = executions.announce(announcement).await?;
    let status = if new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let body = Announced {
        execution_id: row.id.clone(),
        status: row.status,
        lease_ms: row.lease_ms,
        last_seq: row.last_seq,
        links: Links::of_external(&row.id),
    };
    Ok(located(&row.id, status, body))
}

fn parsed_id(text: Option<&str>) -> Result<Option<ExecutionId>, Problem> {
    Ok(text.map(str::parse).transpose()?)
}

fn located(id: &ExecutionId, status: StatusCode, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/executions/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// `POST /api/executions/{id}/start`
pub(crate) async fn start_created(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    executions.start(&id).await?;
    let body = Started {
        execution_id: id,
        status: ExecutionStatus::Running,
    };
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// `POST /api/executions/{id}/cancel`
pub(crate) async fn cancel(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = id.parse()?;
    executions.cancel(&id).await?;
    let body = Cancelling {
        execution_id: id,
        cancelling: true,
    };
    Ok((StatusCode::ACCEPTED, Json(body)).into_response())
}

/// `POST /api/executions/{id}/resume`: a new execution, which goes on where this one stood.
pub(crate) async fn resume(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let from: ExecutionId = id.parse()?;
    let id = executions.resume(&from, caller.trace).await?;
    let body = Resumed {
        execution_id: id.clone(),
        status: ExecutionStatus::Running,
        resumed_from: from,
        links: Links::of(&id),
    };
    Ok(located(&id, StatusCode::CREATED, body))
}

/// `DELETE /api/executions/{id}`: takes away one that has ended, with all its events.
pub(crate) async fn remove(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    executions.delete(&id.parse()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What `GET /api/executions` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// How many, up to 500; 50 where it is left out.
    limit: Option<u64>,
    /// The `next` of the page before.
    before: Option<i64>,
    /// Those that stand so, separated by commas.
    status: Option<String>,
}

/// `GET /api/executions?limit=&before=&status=`: newest first.
pub(crate) async fn list(
    State(executions): State<Executions>,
    caller: Caller,
    Query(parameters): Query<ListParameters>,
) -> Result<Json<Listed>, Problem> {
    let unknown = || {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "`status` is a comma-separated list of pending, running, waiting, completed, failed, cancelled, interrupted, timeout, producer_lost.",
        )
    };
    let words = parameters
        .status
        .as_deref()
        .unwrap_or_default()
        .split(',')
        .filter(|word| !word.is_empty());
    let statuses = words
        .map(|word| ExecutionStatus::parse(word).ok_or_else(unknown))
        .collect::<Result<Vec<_>, _>>()?;
    let limit = parameters.limit.unwrap_or(50).clamp(1, 500) as usize;
    let rows = executions.list(&ListQuery {
        limit,
        before: parameters.before,
        statuses,
        owner: caller.identity.only(),
        ..ListQuery::default()
    })?;
    let next = (rows.len() == limit)
        .then(|| rows.last().map(|row| row.key.key))
        .flatten();
    let mut summaries = Vec::with_capacity(rows.len());
    for row in &rows {
        summaries.push(summary(&executions, row).await);
    }
    Ok(Json(Listed {
        executions: summaries,
        next,
    }))
}

/// What `GET /api/executions/{id}` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowParameters {
    /// Whether to tell everything that a page shows of it.
    #[serde(default)]
    view: bool,
}

/// `GET /api/executions/{id}?view=true`: one; with `view`, everything that a page shows of it.
pub(crate) async fn show(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Query(parameters): Query<ShowParameters>,
) -> Result<Json<Shown>, Problem> {
    let id: ExecutionId = id.parse()?;
    let row = executions
        .find(&id)?
        .ok_or_else(Problem::unknown_execution)?;
    let summary = summary(&executions, &row).await;
    let view = if parameters.view {
        caller.may(Action::WatchAll, &row)?;
        executions.view(&id).await?
    } else {
        None
    };
    Ok(Json(Shown {
        summary,
        links: Links::of(&id),
        view,
    }))
}

async fn summary(executions: &Executions, row: &ExecutionRow) -> Summary {
    let time = |ms: u64| Timestamp::from_unix_millis(ms);
    let completed = row.status == ExecutionStatus::Completed;
    let progress = if completed {
        Some(1.0)
    } else {
        executions.progress(&row.id).await
    };
    Summary {
        execution_id: row.id.clone(),
        pipeline: row.pipeline.clone(),
        status: row.status,
        error: row.error.clone(),
        created_at: time(row.created_at),
        started_at: row.started_at.map(time),
        ended_at: row.ended_at.map(time),
        earliest: row.earliest,
        last_seq: row.last_seq,
        progress,
        resumed_from: row.resumed_from.clone(),
        owner: row.owner.clone(),
        external: row.lease_ms.is_some(),
        lease_ms: row.lease_ms,
    }
}
