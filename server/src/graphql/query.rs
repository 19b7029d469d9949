//! What can be read.

use async_graphql::{Context, Enum, ID, Json, Object, Result};
use serde_json::{Value, json};
use stepcast_core::time::parse_unix_millis;

use super::asking::Asking;
use super::execution::{Execution, ExecutionPage, ExecutionStatus};
use super::pipeline::Pipeline;
use super::wait::Wait;
use crate::access::Action;
use crate::api::pipelines;
use crate::error::Problem;
use crate::log::{ListQuery, Window};
use crate::metrics::{By, Wanted};

/// What can be read.
#[derive(Debug)]
pub(crate) struct Query;

/// How metrics are grouped.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(super) enum Grouping {
    /// All together.
    All,
    /// By pipeline.
    Pipeline,
    /// By step.
    Step,
    /// By hour.
    Hour,
    /// By day.
    Day,
}

#[expect(
    clippy::too_many_arguments,
    reason = "a field's arguments are its function's"
)]
#[Object]
impl Query {
    /// Executions that you may see, the newest first: `first` of them, 50 where that is left out, at most 500. `after` is
    /// the `next` of the page before.
    #[graphql(complexity = "page(first, 50, 500) * child_complexity")]
    async fn executions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        status: Option<Vec<ExecutionStatus>>,
        pipeline: Option<Vec<String>>,
    ) -> Result<ExecutionPage> {
        let asking = Asking::of(context)?;
        asking.may(Action::List).await?;
        let limit = page(first, 50, 500);
        let before = after.map(|text| text.parse::<i64>()).transpose();
        let before =
            before.map_err(|_no_number| super::bad("`after` is the `next` of the page before"))?;
        let statuses = status.unwrap_or_default();
        let rows = asking.executions.list(&ListQuery {
            limit,
            before,
            statuses: statuses.into_iter().map(Into::into).collect(),
            owner: asking.caller.identity.only(),
            pipelines: pipeline.unwrap_or_default(),
            ..ListQuery::default()
        });
        Ok(ExecutionPage::new(rows.map_err(Problem::from)?, limit))
    }

    /// One execution; null where there is none of this id that you may see.
    async fn execution(&self, context: &Context<'_>, id: ID) -> Result<Option<Execution>> {
        let asking = Asking::of(context)?;
        match asking.execution(&id, Action::Watch).await {
            Ok((row, pass)) => Ok(Some(Execution::new(row, pass))),
            Err(problem) if problem.status() == 404 => Ok(None),
            Err(problem) => Err(problem.into()),
        }
    }

    /// The stored pipelines, those that do not load too, with what is wrong.
    async fn pipelines(&self, context: &Context<'_>) -> Result<Vec<Pipeline>> {
        let asking = Asking::of(context)?;
        asking.may(Action::Browse).await?;
        Ok(pipelines::stored(&asking.executions)?
            .into_iter()
            .map(Pipeline::new)
            .collect())
    }

    /// One stored pipeline; null where there is none of this name.
    async fn pipeline(&self, context: &Context<'_>, name: String) -> Result<Option<Pipeline>> {
        let asking = Asking::of(context)?;
        asking.may(Action::Browse).await?;
        Ok(asking.executions.catalog().find(&name).map(Pipeline::new))
    }

    /// What waits for people to answer, the oldest first: `first` of them, 100 where that is left out, at most 1000.
    #[graphql(complexity = "page(first, 100, 1000) * child_complexity")]
    async fn waits(&self, context: &Context<'_>, first: Option<i32>) -> Result<Vec<Wait>> {
        let asking = Asking::of(context)?;
        asking.may(Action::List).await?;
        let limit = page(first, 100, 1000);
        let (waits, _total) = asking
            .executions
            .open_waits(limit, asking.caller.identity.only())
            .map_err(Problem::from)?;
        Ok(waits.into_iter().map(Wait::new).collect())
    }

    /// Reliability over the executions of a window, as `GET /api/metrics` has it.
    #[graphql(complexity = 100)]
    async fn metrics(
        &self,
        context: &Context<'_>,
        from: Option<String>,
        to: Option<String>,
        pipeline: Option<String>,
        step: Option<String>,
        owner: Option<String>,
        #[graphql(default_with = "Grouping::All")] by: Grouping,
    ) -> Result<Json<Value>> {
        let asking = Asking::of(context)?;
        asking.may(Action::Measure).await?;
        let window = Window {
            from: time("from", from.as_deref())?,
            to: time("to", to.as_deref())?,
            pipeline,
            owner: asking.caller.whose(owner)?,
        };
        let by = match by {
            Grouping::All => By::All,
            Grouping::Pipeline => By::Pipeline,
            Grouping::Step => By::Step,
            Grouping::Hour => By::Hour,
            Grouping::Day => By::Day,
        };
        let wanted = Wanted {
            by,
            step: step.map(Into::into),
            top: 0,
        };
        let report = asking.executions.report(&window, &wanted).await;
        Ok(Json(json!(report.map_err(Problem::from)?)))
    }
}

fn time(name: &str, text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    let wrong = || super::bad(&format!("`{name}`: a time looks like 2026-11-26T08:00:00Z"));
    Ok(Some(parse_unix_millis(text).ok_or_else(wrong)?))
}

/// How many are asked for.
pub(super) fn page(first: Option<i32>, default: usize, most: usize) -> usize {
    let first = first.map(|first| usize::try_from(first).unwrap_or(0));
    first.unwrap_or(default).clamp(1, most)
}
