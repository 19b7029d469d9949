//! Executions of programs elsewhere: this server keeps their events and watches over their end.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Value, json};
use stepcast_core::id::ExecutionId;

use super::folded::Folded;
use super::gate::{Alongside, Gate, Gates, Receipt, Unit};
use super::leases::{Awaited, Leases};
use super::producer::Producer;
use super::refusal::Refusal;
use super::{Executions, random_id};
use crate::clock::unix_millis;
use crate::config::LEASE_MS;
use crate::context::Draft;
use crate::error::Problem;
use crate::log::{
    Budget, ExecutionRow, ExecutionStatus, NewExecution, StoreError, Stream, redacted,
};
use crate::trace::TraceContext;

/// What this process knows of executions that it does not run itself, and of those that nobody has started.
#[derive(Debug, Default)]
pub(super) struct External {
    pub(super) gates: Gates,
    pub(super) leases: Arc<Leases>,
}

/// An execution that a program elsewhere is going to run.
#[derive(Clone, Debug)]
pub struct Announcement {
    /// An id of the producer's choosing.
    pub execution_id: Option<ExecutionId>,
    /// The pipeline's name, for lists.
    pub name: String,
    /// The pipeline as `pipeline_start` describes it.
    pub pipeline: Value,
    /// What it is given.
    pub input: Value,
    /// How long the producer may be silent.
    pub lease: Option<Duration>,
    /// The producer's name, where it has one.
    pub producer: Option<String>,
    /// Whose it is going to be; nobody's where there are no accounts.
    pub owner: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
}

impl Executions {
    /// Makes an execution known that a program elsewhere runs. Repeated word for word it is the same execution: false
    /// where it was there already.
    ///
    /// # Errors
    /// 409 where the id is taken by another, 429 where too many have not ended.
    pub async fn announce(&self, announced: Announcement) -> Result<(ExecutionRow, bool), Problem> {
        let this = self.clone();
        self.detached(async move {
            let new = this.announced(announced);
            if let Some(row) = this.find(&new.id)? {
                return this.same(row, &new);
            }
            let most = this.0.config.max_external;
            let place = this.0.external.leases.reserve(Awaited::Producer, most);
            let place = place.ok_or_else(|| {
                let detail = "Too many executions of producers elsewhere have not ended; the setting is max_external.";
                Problem::too_many(detail, 5)
            })?;
            // one that was deleted may have left its gate; nobody opens another before the execution is there
            this.0.external.gates.remove(&new.id);
            let (budget, creating) = (this.external_budget(), new.clone());
            let created = this.storing(move |log| Ok(log.create(&creating, budget))).await?;
            let created = match created {
                Ok(_) => true,
                Err(StoreError::Exists) => false,
                Err(error) => return Err(error.into()),
            };
            let row = this.find(&new.id)?.ok_or_else(Problem::unknown_execution)?;
            if !created {
                return this.same(row, &new);
            }
            this.grant(place, &row)?;
            Ok((row, true))
        })
        .await
    }

    fn announced(&self, announced: Announcement) -> NewExecution {
        let lease = announced.lease.map_or(self.0.config.lease_ms, |lease| {
            u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)
        });
        let new = NewExecution {
            id: announced.execution_id.unwrap_or_else(random_id),
            pipeline: announced.name,
            definition: json!({ "external": announced.pipeline, "producer": announced.producer }),
            input: announced.input,
            created_at: unix_millis(),
            lease_ms: Some(lease),
            resumed_from: None,
            owner: announced.owner,
            shown: None,
            trace: announced.trace,
        };
        // as it is going to be kept: the same request once more is compared with that
        redacted(&new, &self.0.log.redaction()).unwrap_or(new)
    }

    /// The execution that is there, where it was announced in the same words.
    fn same(&self, row: ExecutionRow, new: &NewExecution) -> Result<(ExecutionRow, bool), Problem> {
        let origin = self.0.log.store().origin(row.key.key)?;
        let alike = row.lease_ms == new.lease_ms
            && row.owner == new.owner
            && row.pipeline == new.pipeline
            && origin.is_some_and(|it| it == (new.definition.clone(), new.input.clone()));
        if alike {
            return Ok((row, false));
        }
        Err(Problem::new(
            StatusCode::CONFLICT,
            "An execution with this id exists already, and was not created by the same request.",
        ))
    }

    /// Adds a producer's events to its execution. They are kept once the stream of [`Executions::external`] has settled.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub async fn take(
        &self,
        id: &ExecutionId,
        drafts: &mut Vec<Draft>,
        producer: Option<&Producer>,
        unit: Unit,
    ) -> Result<Receipt, Refusal> {
        let along = Alongside::default();
        self.take_with(id, drafts, along, producer, unit).await
    }

    /// [`Executions::take`], with what goes along.
    pub(super) async fn take_with(
        &self,
        id: &ExecutionId,
        drafts: &mut Vec<Draft>,
        along: Alongside<'_>,
        producer: Option<&Producer>,
        unit: Unit,
    ) -> Result<Receipt, Refusal> {
        let gate = self.gate(id)?;
        let begin = async || self.begin(&gate.stream).await;
        let taken = gate.take(drafts, along, producer, unit, begin).await;
        if matches!(taken, Err(Refusal::Ended { .. })) {
            // nobody is told of an end that might not stay
            gate.settled().await?;
        }
        taken
    }

    /// The log of an execution that a program elsewhere runs.
    ///
    /// # Errors
    /// 404 where there is none, 409 where this server runs it.
    pub fn external(&self, id: &ExecutionId) -> Result<Arc<Stream>, Refusal> {
        Ok(self.gate(id)?.stream.clone())
    }

    /// The producer lives, and has nothing to say. One that has been replaced is told so.
    ///
    /// # Errors
    /// 403 where a newer incarnation has written, 404, 409 where the execution has ended or is none of a producer.
    pub async fn heartbeat(
        &self,
        id: &ExecutionId,
        producer: Option<(&str, u64)>,
    ) -> Result<ExecutionRow, Refusal> {
        let row = self.external_row(id)?;
        self.gate(id)?.hear(producer).await?;
        Ok(row)
    }

    /// Where a view of it is at hand, as far as it was folded last.
    pub(super) fn external_view(
        &self,
        id: &ExecutionId,
    ) -> Option<Arc<tokio::sync::Mutex<Folded>>> {
        Some(self.0.external.gates.get(id)?.view.clone())
    }

    /// The gate of an execution; opened where nobody has used it lately.
    pub(super) fn gate(&self, id: &ExecutionId) -> Result<Arc<Gate>, Refusal> {
        if let Some(gate) = self.0.external.gates.get(id) {
            return Ok(gate);
        }
        let row = self.external_row(id)?;
        let stream = self.0.log.open(id)?;
        let stream = stream.ok_or_else(Problem::unknown_execution)?;
        stream.set_budget(self.external_budget());
        let marks = self.0.log.store().producers(row.key.key)?;
        let per_second = self.0.config.max_events_per_second;
        let (leases, metrics) = (self.0.external.leases.clone(), self.0.metrics.clone());
        let is_fleeting = self.kept(&row)?.is_some_and(|kept| kept.is_fleeting());
        let gate = Gate::new(stream, marks, per_second, leases, metrics, is_fleeting);
        Ok(self.0.external.gates.insert(id, gate))
    }

    fn external_row(&self, id: &ExecutionId) -> Result<ExecutionRow, Refusal> {
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        if row.lease_ms.is_none() {
            let detail =
                "This server runs the execution itself: no other program can write its events.";
            return Err(Problem::new(StatusCode::CONFLICT, detail).into());
        }
        Ok(row)
    }

    fn external_budget(&self) -> Budget {
        Budget {
            events: self.0.config.buffer_size,
            bytes: self.0.config.buffer_bytes,
            ..Budget::default()
        }
    }

    /// It is under way from now on: what its `pipeline_start` says.
    async fn begin(&self, stream: &Arc<Stream>) -> Result<Value, Refusal> {
        let (key, now) = (stream.key(), unix_millis());
        self.storing(move |log| log.store().set_status(key, ExecutionStatus::Running, now))
            .await?;
        let (definition, input) = self.0.log.store().origin(key)?.unwrap_or_default();
        Ok(json!({ "pipeline": definition.get("external"), "input": input }))
    }
}

/// How long its producer may be silent.
pub(super) fn length_of(row: &ExecutionRow) -> Duration {
    Duration::from_millis(row.lease_ms.unwrap_or(*LEASE_MS.end()))
}
