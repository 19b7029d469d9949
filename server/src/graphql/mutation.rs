//! What can be done.

use async_graphql::{Context, ID, Json, Object, Result};
use serde_json::{Map, Value};
use stepcast_core::id::ExecutionId;

use super::asking::Asking;
use super::execution::Execution;
use super::wait::Wait;
use crate::access::{Action, Pass};
use crate::api::waits::{attributed, fitting};
use crate::error::Problem;
use crate::executions::{Definition, Request};

/// What can be done.
#[derive(Debug)]
pub(crate) struct Mutation;

#[Object]
impl Mutation {
    /// Starts a run: of a stored pipeline by its name, or of a definition.
    #[graphql(complexity = "START + child_complexity")]
    async fn start_execution(
        &self,
        context: &Context<'_>,
        pipeline: Option<String>,
        definition: Option<Json<Value>>,
        input: Option<Json<Map<String, Value>>>,
        execution_id: Option<ID>,
    ) -> Result<Execution> {
        let asking = Asking::of(context)?;
        asking.may(Action::Start).await?;
        let pipeline = match (pipeline, definition) {
            (Some(name), None) => Definition::Stored(name),
            (None, Some(Json(definition))) => Definition::Inline(definition),
            _ => return Err(super::bad("give either `pipeline` or `definition`").into()),
        };
        let id = execution_id.map(|id| id.parse::<ExecutionId>()).transpose();
        let request = Request {
            pipeline,
            input: input.map(|Json(input)| input).unwrap_or_default(),
            execution_id: id.map_err(Problem::from)?,
            owner: asking.caller.owner(),
            trace: asking.caller.trace.clone(),
        };
        let started = asking.executions.create_and_start(request).await;
        let status = started.as_ref().map_or_else(Problem::status, |_id| 200);
        asking
            .note(Action::Start, started.as_ref().ok(), status)
            .await;
        let row = asking.executions.find(&started?).map_err(Problem::from)?;
        let row = row.ok_or_else(Problem::unknown_execution)?;
        Ok(Execution::new(row, Pass::default()))
    }

    /// Ends a run.
    #[graphql(complexity = "START + child_complexity")]
    async fn cancel_execution(&self, context: &Context<'_>, id: ID) -> Result<Execution> {
        let asking = Asking::of(context)?;
        let (row, _pass) = asking.execution(&id, Action::Cancel).await?;
        let cancelled = asking.executions.cancel(&row.id).await;
        asking.noted(Action::Cancel, &row.id, cancelled).await?;
        Ok(Execution::new(row, Pass::default()))
    }

    /// Answers what a run asks. The first answer counts; the same again is taken.
    #[graphql(complexity = "START + child_complexity")]
    async fn answer_wait(
        &self,
        context: &Context<'_>,
        execution_id: ID,
        wait_id: ID,
        answer: Json<Map<String, Value>>,
        by: Option<String>,
    ) -> Result<Wait> {
        let asking = Asking::of(context)?;
        let (row, _pass) = asking.execution(&execution_id, Action::Answer).await?;
        let by = attributed(&asking.caller, by)?;
        let given = fitting(&asking.executions, answer.0)?;
        let answered = asking.executions.answer(&row.id, &wait_id, given, by).await;
        asking.noted(Action::Answer, &row.id, answered).await?;
        let waits = asking.executions.waits(&row.id).await?;
        let mut waits = waits
            .into_iter()
            .filter(|it| it.wait_id() == wait_id.as_str());
        let wait = waits.next_back().ok_or_else(Problem::unknown_execution)?;
        Ok(Wait::new(wait))
    }
}

/// What a deed costs: a request has few of them.
const START: usize = 500;
