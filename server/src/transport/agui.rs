//! `/api/agui`: runs as agents of AG-UI.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::{Map, Value};
use stepcast_core::id::ExecutionId;

use super::translated::{self, Begin};
use crate::access::{Action, Caller};
use crate::agui::input::{Resume, RunAgentInput};
use crate::agui::{AgUi, NextRun};
use crate::api::body::Body;
use crate::api::parts::Path;
use crate::api::waits::fitting;
use crate::error::{Flaw, Problem};
use crate::executions::{Definition, Executions, Request};
use crate::log::ExecutionRow;

/// `POST /api/agui/{name}`: starts a stored pipeline, or answers what one of its runs asks, and streams what follows.
pub(crate) async fn run(
    State(executions): State<Executions>,
    caller: Caller,
    Path(name): Path<String>,
    Body(input): Body<RunAgentInput>,
) -> Result<Response, Problem> {
    if !input.resume.is_empty() {
        return resume(&executions, caller, input, |row| row.pipeline == name).await;
    }
    // a client that asks again is shown the run that it has, not given another
    let id = input.run_id.parse::<ExecutionId>().ok();
    let asked = [name.clone(), input.thread_id.clone(), input.run_id.clone()];
    let request = Request {
        pipeline: Definition::Stored(name),
        input: input.into_input(),
        execution_id: id.clone(),
        owner: caller.owner(),
        trace: caller.trace.clone(),
    };
    let id = match (executions.create_and_start(request).await, id) {
        (Ok(id), _) => id,
        (Err(problem), Some(id)) if problem.status() == StatusCode::CONFLICT.as_u16() => {
            let same = is_same(&executions, &caller, &id, &asked);
            same.then_some(id).ok_or(problem)?
        }
        (Err(problem), _) => return Err(problem),
    };
    let translation = AgUi::new(&id, None);
    translated::open(&executions, &id, caller, Begin::Earliest, translation)
}

/// `GET /api/agui/executions/{id}`: a run from its beginning, or from behind what was seen of it.
pub(crate) async fn join(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    begin: Begin,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let translation = AgUi::new(&id, None);
    translated::open(&executions, &id, caller, begin, translation)
}

/// `POST /api/agui/executions/{id}`: answers what this run asks, and streams what follows.
pub(crate) async fn go_on(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Body(input): Body<RunAgentInput>,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    resume(&executions, caller, input, |row| row.id == id).await
}

/// Answers, or cancels. Others' runs are as unknown as those that are not there.
async fn resume(
    executions: &Executions,
    caller: Caller,
    input: RunAgentInput,
    is_meant: impl FnOnce(&ExecutionRow) -> bool,
) -> Result<Response, Problem> {
    let Resume {
        execution_id: id,
        answers,
        cancels,
    } = input.resumes()?;
    let row = executions.find(&id)?;
    let row = row.ok_or_else(Problem::unknown_execution)?;
    // who may answer may not always read
    caller.may(Action::WatchAll, &row)?;
    if !answers.is_empty() {
        caller.may(Action::Answer, &row)?;
    }
    if cancels {
        caller.may(Action::Cancel, &row)?;
    }
    if !is_meant(&row) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "The interrupts are of another run than the address names.",
        ));
    }
    let waits: Vec<String> = answers.keys().cloned().collect();
    for (wait, payload) in answers {
        let answer = values(executions, &id, &wait, payload).await?;
        let answer = fitting(executions, answer)?;
        executions
            .answer(&id, &wait, answer, caller.owner())
            .await?;
    }
    if cancels {
        executions.cancel(&id).await?;
    }
    let next = NextRun {
        run: input.run_id,
        waits: waits.clone(),
    };
    let translation = AgUi::new(&id, Some(next));
    translated::open(executions, &id, caller, Begin::Answer(waits), translation)
}

/// The values of a form's fields. What is no object is the value of the only field that there is.
async fn values(
    executions: &Executions,
    id: &ExecutionId,
    wait: &str,
    payload: Value,
) -> Result<Map<String, Value>, Problem> {
    if let Value::Object(values) = payload {
        return Ok(values);
    }
    let waits = executions.waits(id).await?;
    let asked = waits.iter().find(|it| it.wait_id() == wait);
    let fields = asked
        .and_then(|it| it.question.get("form")?.get("fields")?.as_array())
        .map_or(&[][..], Vec::as_slice);
    if let [field] = fields
        && let Some(name) = field.get("name").and_then(Value::as_str)
        && !payload.is_null()
    {
        return Ok(Map::from_iter([(name.to_owned(), payload)]));
    }
    let flaw = Flaw {
        path: "$.resume[*].payload".into(),
        message: "the payload is an object with one entry for each field of the form".into(),
        suggestion: None,
    };
    Err(Problem::invalid("The answer does not fit.", vec![flaw]))
}

/// Whether this caller's execution was started by the very same request.
fn is_same(
    executions: &Executions,
    caller: &Caller,
    id: &ExecutionId,
    [pipeline, thread, run]: &[String; 3],
) -> bool {
    let Ok(Some(row)) = executions.find(id) else {
        return false;
    };
    let Ok(Some(input)) = executions.input(&row) else {
        return false;
    };
    let named = |key: &str| {
        input
            .pointer(&format!("/agui/{key}"))
            .and_then(Value::as_str)
    };
    caller.may(Action::WatchAll, &row).is_ok()
        && row.pipeline == *pipeline
        && named("thread_id") == Some(thread)
        && named("run_id") == Some(run)
}
