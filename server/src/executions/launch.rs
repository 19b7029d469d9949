//! From a known execution to a run, and to its one terminal event.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::FutureExt as _;
use serde_json::json;
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::folded::Folded;
use super::parked::Parking;
use super::prepare::Prepared;
use super::{Executions, Running};
use crate::clock::unix_millis;
use crate::context::{Draft, StreamingContext};
use crate::error::Problem;
use crate::log::{ExecutionStatus, Stream};
use crate::pipeline::{self, Desk, Restored, ResumeReason, RunStatus, Slot};

/// An execution that is being started, run or ended here; nobody else may meanwhile.
pub(super) struct Claim {
    pub(super) executions: Executions,
    pub(super) id: ExecutionId,
    pub(super) cancel: CancellationToken,
    pub(super) desk: Arc<Desk>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // what was handed in and not taken is refused
        self.desk.close();
        let mut runs = self.executions.runs();
        let own = |running: &Running| Arc::ptr_eq(&running.desk, &self.desk);
        // a run that was put away may be held by somebody else again
        if runs.get(&self.id).is_some_and(own) {
            runs.remove(&self.id);
        }
    }
}

/// Where a run begins.
pub(super) enum Beginning {
    /// With its first step.
    New,
    /// Where it stood.
    Again(Box<Restored>, ResumeReason),
}

impl Executions {
    pub(super) fn claim(&self, stream: &Arc<Stream>) -> Result<Claim, Problem> {
        if stream.has_begun() {
            return Err(started());
        }
        self.hold(stream)
    }

    /// The claim to an execution, begun or not.
    pub(super) fn hold(&self, stream: &Arc<Stream>) -> Result<Claim, Problem> {
        let (id, cancel) = (stream.id().clone(), CancellationToken::new());
        let mut runs = self.runs();
        if runs.contains_key(&id) {
            return Err(started());
        }
        let view = Arc::new(tokio::sync::Mutex::new(Folded::new(stream.clone())));
        let desk = Arc::new(Desk::default());
        let running = Running {
            cancel: cancel.clone(),
            view,
            desk: Arc::clone(&desk),
        };
        runs.insert(id.clone(), running);
        Ok(Claim {
            executions: self.clone(),
            id,
            cancel,
            desk,
        })
    }

    pub(super) async fn launch(
        &self,
        stream: Arc<Stream>,
        prepared: Prepared,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), Problem> {
        let claim = self.claim(&stream)?;
        self.set_running(&stream).await?;
        self.was_started(&claim.id);
        // the one line that has both ids
        tracing::info!(execution_id = %claim.id, pipeline = prepared.name, "run started");
        let this = self.clone();
        self.0.tasks.spawn(async move {
            let slot = this.place(Some(slot));
            this.run(stream, prepared, Beginning::New, claim, slot)
                .await;
        });
        Ok(())
    }

    pub(super) async fn set_running(&self, stream: &Arc<Stream>) -> Result<(), Problem> {
        let (key, now) = (stream.key(), unix_millis());
        self.storing(move |log| log.store().set_status(key, ExecutionStatus::Running, now))
            .await
    }

    /// A place among the runs under way, held or not.
    pub(super) fn place(&self, held: Option<OwnedSemaphorePermit>) -> Slot {
        Slot::new(self.0.slots.clone(), held)
    }

    /// Runs to the end, or until the server stops. The place is held until then, unless the run waits for people.
    pub(super) async fn run(
        &self,
        stream: Arc<Stream>,
        prepared: Prepared,
        beginning: Beginning,
        claim: Claim,
        slot: Slot,
    ) {
        let span = tracing::error_span!("run", execution_id = %claim.id);
        let run = self.run_named(stream, prepared, beginning, claim, slot);
        run.instrument(span).await;
    }

    async fn run_named(
        &self,
        stream: Arc<Stream>,
        prepared: Prepared,
        beginning: Beginning,
        claim: Claim,
        slot: Slot,
    ) {
        stream.set_budget(self.budget(&prepared.pipeline));
        let seen = stream.tail().last_seq;
        let trace = self.carried(&stream, prepared.trace.clone());
        let context = StreamingContext::new(stream)
            .with_artifacts(self.0.artifacts.clone())
            .with_trace(trace);
        let context = if prepared.pipeline.streaming().enabled {
            context
        } else {
            context.ends_only()
        };
        context.subscribe_after(Box::new(self.0.metrics.clone()), seen);
        let mut options = self.options(
            &prepared,
            claim.cancel.clone(),
            Some(claim.desk.clone()),
            slot.clone(),
        );
        options.park = Some(Arc::new(Parking {
            executions: self.clone(),
            id: claim.id.clone(),
            desk: claim.desk.clone(),
        }));
        let (pipeline, input) = (prepared.pipeline, prepared.input);
        let here = context.clone();
        let run = async {
            match beginning {
                Beginning::New => pipeline::run(pipeline, input, here, options).await,
                Beginning::Again(restored, reason) => {
                    pipeline::resume(*restored, reason, here, options).await
                }
            }
        };
        tokio::select! {
            biased;
            () = self.0.stopping.cancelled() => {}
            result = AssertUnwindSafe(run).catch_unwind() => {
                let status = result.ok().map(|result| result.status);
                if status == Some(RunStatus::Waiting) {
                    return;
                }
                tracing::info!(?status, "run ended");
                self.close(&context).await;
            }
        }
    }

    /// Every execution ends with exactly one terminal event: where the run could not write its own, this one is
    /// appended, and it waits until both are committed.
    pub(super) async fn close(&self, context: &StreamingContext) {
        let Some(stream) = context.stream() else {
            return;
        };
        let message = match stream.last_failure() {
            Some(failure) => {
                format!("The run was stopped, since its events could not be kept: {failure}.")
            }
            None => "The run ended without saying how.".to_owned(),
        };
        let lost = terminal_error("failed", &message, 0);
        if stream.append(&lost).await.is_ok() {
            tracing::error!(execution_id = %stream.id(), "a run ended without its terminal event");
        }
        let ended = async {
            stream
                .watch()
                .wait_for(|tail| tail.ended.is_some())
                .await
                .is_ok()
        };
        tokio::select! {
            _ = ended => {}
            () = self.0.stopping.cancelled() => {}
        }
    }
}

fn started() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "The execution has been started already.",
    )
}

pub(super) fn terminal_error(reason: &str, message: &str, duration_ms: u64) -> Draft {
    let error = json!({ "category": "unknown", "severity": "error", "message": message, "recoverable": false });
    let data = json!({ "error": error, "reason": reason, "duration_ms": duration_ms });
    Draft {
        event_type: EventType::PipelineError,
        step_id: None,
        data,
        metadata: None,
    }
}
