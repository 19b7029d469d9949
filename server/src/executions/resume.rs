//! A run that ended and goes on because somebody asks: as a new execution, whose log begins with the history of
//! the old one up to its last checkpoint. So every log has one order and one end.

use std::sync::Arc;

use axum::http::StatusCode;
use stepcast_core::id::ExecutionId;

use super::history::HistoryCopy;
use super::launch::{Beginning, Claim, terminal_error};
use super::prepare::Prepared;
use super::recover::supply;
use super::{Executions, random_id};
use crate::error::Problem;
use crate::log::{Checkpoint, ExecutionRow, ExecutionStatus, Stream};
use crate::pipeline::{Restored, ResumeReason, Saved, Slot, Unfit};
use crate::trace::TraceContext;

/// What is to go on, and from where.
struct Resumption {
    from: Arc<Stream>,
    checkpoint: Checkpoint,
    prepared: Prepared,
    restored: Restored,
}

impl Executions {
    /// Goes on with a run that ended without being complete, from its last checkpoint; the new execution's id. It belongs
    /// to `trace`, or where there is none to that of the run it goes on from.
    ///
    /// # Errors
    /// 404 where there is none; 409 where it has not ended, is complete, or has no checkpoint that fits; 429 where
    /// too many are under way.
    pub async fn resume(
        &self,
        id: &ExecutionId,
        trace: Option<TraceContext>,
    ) -> Result<ExecutionId, Problem> {
        let slot = self.slot()?;
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        let mut resumption = self.resumption(&row).await?;
        let before = || Some(self.carried(&resumption.from, row.trace.clone())?.by(0, 1));
        resumption.prepared.trace = trace.or_else(before);
        let new = random_id();
        let (this, id) = (self.clone(), new.clone());
        self.detached(async move {
            let (from, owner) = (row.id.clone(), row.owner.clone());
            let stream = this
                .enter(&id, &resumption.prepared, Some(from), owner)
                .await?;
            let claim = this.hold(&stream)?;
            this.set_running(&stream).await?;
            let task = this.clone();
            this.0.tasks.spawn(async move {
                let slot = task.place(Some(slot));
                let began = task.begin_again(&row, resumption, stream, claim, slot);
                tokio::select! {
                    () = task.0.stopping.cancelled() => {}
                    () = began => {}
                }
            });
            Ok(())
        })
        .await?;
        Ok(new)
    }

    async fn resumption(&self, row: &ExecutionRow) -> Result<Resumption, Problem> {
        if row.status == ExecutionStatus::Completed {
            return Err(conflict(
                "The execution is complete: nothing is left to do.",
            ));
        }
        if row.status.end().is_none() {
            return Err(conflict("The execution has not ended. Cancel it first."));
        }
        let store = self.0.log.store();
        let Some(mut checkpoint) = store.checkpoint(row.key.key)? else {
            let message = "The execution has no checkpoint: no step of it has ended, or its log keeps none. Start it anew with POST /api/executions.";
            return Err(conflict(message));
        };
        let from = self.0.log.open(&row.id)?;
        let from = from.ok_or_else(Problem::unknown_execution)?;
        let mut saved = Saved::read(&checkpoint.state, &checkpoint.results).map_err(unfit)?;
        let mut prepared = self.prepare_again(row)?;
        if let Some(folder) = saved.work_dir() {
            prepared.folder = folder.to_owned();
        }
        supply(&mut saved, &from).await?;
        // the new log numbers its events itself
        checkpoint.results = saved.entries();
        // and its steps ask anew
        checkpoint.state = saved.state();
        let restored = saved
            .restore(prepared.pipeline.clone(), prepared.input.clone())
            .map_err(unfit)?;
        if restored.is_done() && row.status == ExecutionStatus::Failed {
            let message = "Every step of the execution has ended, and it failed as its pipeline says: nothing is left to do again.";
            return Err(conflict(message));
        }
        Ok(Resumption {
            from,
            checkpoint,
            prepared,
            restored,
        })
    }

    async fn begin_again(
        &self,
        row: &ExecutionRow,
        resumption: Resumption,
        stream: Arc<Stream>,
        claim: Claim,
        slot: Slot,
    ) {
        let Resumption {
            from,
            checkpoint,
            prepared,
            restored,
        } = resumption;
        let copied = HistoryCopy::new(&stream, &prepared, &self.0.artifacts, row.key.key)
            .all(from, checkpoint)
            .await;
        if let Err(error) = copied {
            tracing::error!(execution_id = %claim.id, %error, "a history could not be copied");
            let message =
                format!("The history of the execution before could not be copied: {error}.");
            let end = terminal_error("interrupted", &message, 0);
            if stream.append(&end).await.is_err() {
                tracing::error!(execution_id = %claim.id, "could not be ended");
            }
            return;
        }
        let reason = ResumeReason::Request(row.id.clone());
        let beginning = Beginning::Again(Box::new(restored), reason);
        self.run(stream, prepared, beginning, claim, slot).await;
    }
}

fn conflict(detail: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, detail)
}

fn unfit(why: Unfit) -> Problem {
    conflict(&format!(
        "The execution cannot go on: {why}. Start it anew with POST /api/executions."
    ))
}
