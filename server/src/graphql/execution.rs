//! Executions.

use async_graphql::{Context, Enum, ID, InputObject, Json, Object, Result, SimpleObject};
use serde_json::{Value, json};
use stepcast_core::event::EventType;
use stepcast_core::filter::Filter;
use stepcast_core::time::Timestamp;

use super::asking::Asking;
use super::event::{End, Event, EventPage, Gap};
use super::query::page;
use super::scalar::Long;
use super::wait::Wait;
use crate::access::{Action, Pass};
use crate::api::page::read;
use crate::error::Problem;
use crate::log::{self, ExecutionRow};
use crate::transport::parameters::Selection;

/// Where an execution stands.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "log::ExecutionStatus")]
pub(super) enum ExecutionStatus {
    /// Created, and not started.
    Pending,
    /// Under way.
    Running,
    /// Waits for people.
    Waiting,
    /// Ended as it should.
    Completed,
    /// A step failed, and nothing caught it.
    Failed,
    /// Somebody ended it.
    Cancelled,
    /// The server stopped in the middle of it.
    Interrupted,
    /// It took longer than it may.
    Timeout,
    /// The program that posted its events fell silent.
    ProducerLost,
}

/// One run of a pipeline, as its reader may see it.
#[derive(Clone, Debug)]
pub(super) struct Execution {
    row: ExecutionRow,
    pass: Pass,
}

impl Execution {
    pub(super) fn new(row: ExecutionRow, pass: Pass) -> Self {
        Self { row, pass }
    }
}

/// One run of a pipeline.
#[Object]
impl Execution {
    async fn id(&self) -> ID {
        self.row.id.as_str().into()
    }

    async fn pipeline(&self) -> &str {
        &self.row.pipeline
    }

    async fn status(&self) -> ExecutionStatus {
        self.row.status.into()
    }

    /// Why it failed.
    async fn error(&self) -> Option<&str> {
        self.row.error.as_deref()
    }

    async fn created_at(&self) -> String {
        time(self.row.created_at)
    }

    async fn started_at(&self) -> Option<String> {
        self.row.started_at.map(time)
    }

    async fn ended_at(&self) -> Option<String> {
        self.row.ended_at.map(time)
    }

    /// The first event that is still there.
    async fn earliest(&self) -> Long {
        Long(self.row.earliest)
    }

    /// The last event so far.
    async fn last_seq(&self) -> Long {
        Long(self.row.last_seq)
    }

    /// The part that is done, from 0 to 1, where that is known.
    #[graphql(complexity = 10)]
    async fn progress(&self, context: &Context<'_>) -> Result<Option<f64>> {
        if self.row.status == log::ExecutionStatus::Completed {
            return Ok(Some(1.0));
        }
        Ok(Asking::of(context)?.executions.progress(&self.row.id).await)
    }

    /// Whose it is, on a server with accounts.
    async fn owner(&self) -> Option<&str> {
        self.row.owner.as_deref()
    }

    /// The execution whose history it goes on with.
    async fn resumed_from(&self) -> Option<ID> {
        self.row.resumed_from.as_ref().map(|id| id.as_str().into())
    }

    /// Whether a program elsewhere runs it, and posts its events.
    async fn external(&self) -> bool {
        self.row.lease_ms.is_some()
    }

    /// Its events after a cursor: `first` of them, 100 where that is left out, at most 1000; with `filter` some of them.
    #[graphql(complexity = "page(first, 100, 1000) * child_complexity")]
    async fn events(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        filter: Option<EventFilter>,
    ) -> Result<EventPage> {
        let asking = Asking::of(context)?;
        let selection = selection(after, filter)?;
        let limit = page(first, 100, 1000);
        let read = read(
            &asking.executions,
            &self.row.id,
            &self.pass,
            selection,
            limit,
            None,
        )
        .await?;
        let events: Result<Vec<Event>, Problem> = read.records.iter().map(Event::new).collect();
        Ok(EventPage {
            events: events?,
            next: read.next.to_string(),
            gap: read.gap.map(|gap| Gap::new(gap.from, gap.to, gap.reason)),
            end: read.end.map(|end| End::new(end.last_seq, end.reason)),
        })
    }

    /// What it asks people, in the order in which it asked.
    #[graphql(complexity = "10 + 10 * child_complexity")]
    async fn waits(&self, context: &Context<'_>) -> Result<Vec<Wait>> {
        let asking = Asking::of(context)?;
        asking
            .execution(self.row.id.as_str(), Action::WatchAll)
            .await?;
        let waits = asking.executions.waits(&self.row.id).await?;
        Ok(waits.into_iter().map(Wait::new).collect())
    }

    /// Everything that a page shows of it, as `GET /api/executions/{id}?view=true` has it.
    #[graphql(complexity = 500)]
    async fn view(&self, context: &Context<'_>) -> Result<Json<Value>> {
        let asking = Asking::of(context)?;
        asking
            .execution(self.row.id.as_str(), Action::WatchAll)
            .await?;
        Ok(Json(json!(asking.executions.view(&self.row.id).await?)))
    }
}

/// A page of executions.
#[derive(Debug, SimpleObject)]
pub(super) struct ExecutionPage {
    executions: Vec<Execution>,
    /// Where the next page begins; null where there is none.
    next: Option<String>,
}

impl ExecutionPage {
    /// Rows that their reader owns, or administers.
    pub(super) fn new(rows: Vec<ExecutionRow>, limit: usize) -> Self {
        let last = rows.last().map(|row| row.key.key.to_string());
        let next = last.filter(|_| rows.len() == limit);
        let whole = |row| Execution::new(row, Pass::default());
        Self {
            executions: rows.into_iter().map(whole).collect(),
            next,
        }
    }
}

/// Which events: those that every member lets through that is there.
#[derive(Debug, InputObject)]
pub(super) struct EventFilter {
    /// Types, for example `step_complete`; all where there are none.
    types: Option<Vec<String>>,
    /// Steps; all where there are none.
    steps: Option<Vec<String>>,
    /// The least level: `debug`, `info`, `warning` or `error`.
    level: Option<String>,
    /// What must hold of the whole event, in JMESPath.
    #[graphql(name = "where")]
    condition: Option<String>,
}

/// From where, and what.
pub(super) fn selection(
    after: Option<String>,
    filter: Option<EventFilter>,
) -> Result<Selection, Problem> {
    let after = after.unwrap_or_default().parse();
    let mut selection = Selection {
        after: after.map_err(|error| super::bad(&format!("`after`: {error}")))?,
        ..Selection::default()
    };
    if let Some(filter) = filter {
        let types = filter.types.unwrap_or_default();
        let level = filter.level.map(|text| text.parse()).transpose();
        let condition = filter.condition.map(|text| text.parse()).transpose();
        selection.filter = Filter {
            types: types
                .iter()
                .map(|it| EventType::from(it.as_str()))
                .collect(),
            steps: filter
                .steps
                .unwrap_or_default()
                .into_iter()
                .map(Into::into)
                .collect(),
            level: level.map_err(|error| super::bad(&format!("`level`: {error}")))?,
            condition: condition.map_err(|error| super::bad(&format!("`where`: {error}")))?,
        };
    }
    Ok(selection)
}

fn time(unix_millis: u64) -> String {
    Timestamp::from_unix_millis(unix_millis).to_string()
}
