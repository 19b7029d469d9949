//! What a former process left unended: it goes on from its last checkpoint where its pipeline allows that, and is
//! ended as `interrupted` where not. Nothing is left that says it runs and does not.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use stepcast_core::id::Seq;

use super::Executions;
use super::launch::{Beginning, terminal_error};
use super::prepare::Prepared;
use crate::clock::unix_millis;
use crate::error::Problem;
use crate::log::{ExecutionRow, ExecutionStatus, ListQuery, Reader, StoreError, Stream};
use crate::pipeline::{Pipeline, Recovery, ResumeReason, Saved};

impl Executions {
    /// Goes on with what may go on, and ends the rest.
    pub(super) async fn go_on(&self) -> Result<(), StoreError> {
        let statuses = vec![
            ExecutionStatus::Pending,
            ExecutionStatus::Running,
            ExecutionStatus::Waiting,
        ];
        for row in self.0.log.store().list(&ListQuery {
            limit: usize::MAX,
            before: None,
            statuses,
            owner: None,
            ..ListQuery::default()
        })? {
            // what waits for a start, or for a producer elsewhere, did not stop with this server
            if self.adopt(&row) {
                continue;
            }
            let Some(stream) = self.0.log.open(&row.id)? else {
                continue;
            };
            match self.go_on_with(&row, &stream).await {
                Ok(()) => tracing::info!(execution_id = %row.id, "goes on after a restart"),
                Err(why) => interrupt(&row, &stream, &why).await,
            }
        }
        Ok(())
    }

    /// Goes on with one, or says why not.
    async fn go_on_with(&self, row: &ExecutionRow, stream: &Arc<Stream>) -> Result<(), String> {
        let (prepared, beginning) = self.found_again(row, stream, true).await?;
        if let Beginning::Again(restored, _) = &beginning
            && let Some(open) = restored.parkable()
        {
            self.park(&row.id, open);
            return Ok(());
        }
        let waits = match &beginning {
            Beginning::Again(restored, _) => restored.is_waiting(),
            Beginning::New => false,
        };
        let claim = self.hold(stream).map_err(refused)?;
        if let Beginning::Again(restored, _) = &beginning {
            claim.desk.show(restored.open());
        }
        let this = self.clone();
        let stream = stream.clone();
        self.0.tasks.spawn(async move {
            let slots = this.0.slots.clone();
            let slot = tokio::select! {
                () = this.0.stopping.cancelled() => return,
                () = claim.cancel.cancelled() => None,
                slot = slots.acquire_owned(), if !waits => slot.ok(),
                () = std::future::ready(()), if waits => None,
            };
            let slot = this.place(slot);
            this.run(stream, prepared, beginning, claim, slot).await;
        });
        Ok(())
    }

    /// Where a run begins again; `asks` whether its pipeline lets it.
    pub(super) async fn found_again(
        &self,
        row: &ExecutionRow,
        stream: &Arc<Stream>,
        asks: bool,
    ) -> Result<(Prepared, Beginning), String> {
        let checkpoint = self.0.log.store().checkpoint(row.key.key).map_err(told)?;
        let mut saved = match &checkpoint {
            Some(checkpoint) => {
                Saved::read(&checkpoint.state, &checkpoint.results).map_err(told)?
            }
            None if row.resumed_from.is_some() => {
                return Err(
                    "it had not got the history of the execution that it goes on from".into(),
                );
            }
            None => Saved::default(),
        };
        let mut prepared = self.prepare_again(row).map_err(refused)?;
        if asks {
            may_go_on(&prepared.pipeline, &saved)?;
        }
        if let Some(folder) = saved.work_dir() {
            prepared.folder = folder.to_owned();
        }
        supply(&mut saved, stream).await.map_err(told)?;
        if row.last_seq == 0 {
            return Ok((prepared, Beginning::New));
        }
        let input = prepared.input.clone();
        let restored = saved.restore(prepared.pipeline.clone(), input);
        let restored = Box::new(restored.map_err(told)?);
        Ok((prepared, Beginning::Again(restored, ResumeReason::Restart)))
    }
}

/// Whether the pipeline lets a run go on whose steps may have been cut off in the middle.
fn may_go_on(pipeline: &Pipeline, saved: &Saved) -> Result<(), String> {
    match pipeline.recovery() {
        Recovery::Resume => return Ok(()),
        Recovery::Interrupt => return Err("the pipeline's `recovery` is `interrupt`".into()),
        Recovery::Auto => {}
    }
    let cut_off = saved.cut_off(pipeline);
    let unsafe_step = cut_off.iter().find(|id| {
        let mut steps = pipeline.steps().iter();
        !steps.any(|step| step.id == **id && step.idempotent)
    });
    match unsafe_step {
        Some(id) => Err(format!(
            "step `{id}` was under way and is not marked `idempotent`"
        )),
        None => Ok(()),
    }
}

/// Gives a checkpoint the outputs that it leaves to the log.
pub(super) async fn supply(saved: &mut Saved, stream: &Arc<Stream>) -> Result<(), StoreError> {
    let mut outputs: BTreeMap<Seq, Value> = BTreeMap::new();
    for seq in saved.wanted() {
        let page = Reader::new(stream.clone(), seq.saturating_sub(1))
            .read(1)
            .await?;
        let event = page.records.first().filter(|record| record.seq() == seq);
        let event = event.and_then(|record| record.parse().ok());
        if let Some(mut event) = event
            && let Some(output) = event.data.get_mut("output")
        {
            outputs.insert(seq, output.take());
        }
    }
    saved.supply(outputs);
    Ok(())
}

/// Ends a run that cannot go on.
pub(super) async fn interrupt(row: &ExecutionRow, stream: &Arc<Stream>, why: &str) {
    let message = format!("The server stopped while the pipeline was running; {why}.");
    let since = row.started_at.unwrap_or(row.created_at);
    let end = terminal_error("interrupted", &message, unix_millis().saturating_sub(since));
    match stream.append(&end).await {
        Ok(_) => tracing::info!(execution_id = %row.id, why, "ended as interrupted"),
        Err(error) => tracing::error!(execution_id = %row.id, %error, "could not be ended"),
    }
}

fn refused(problem: Problem) -> String {
    format!(
        "it cannot go on: {}",
        problem.detail().trim_end_matches('.')
    )
}

fn told(error: impl ToString) -> String {
    error.to_string()
}
