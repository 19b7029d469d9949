//! The end of executions of which nothing more was heard: a producer that is gone, a run that nobody started.

use std::sync::Arc;
use std::time::Duration;

use stepcast_core::id::ExecutionId;

use super::Executions;
use super::gate::LINGER;
use super::launch::terminal_error;
use super::leases::{Awaited, Place};
use super::refusal::Refusal;
use crate::clock::unix_millis;
use crate::error::Problem;
use crate::log::{ExecutionRow, ExecutionStatus};

impl Executions {
    /// A place among the executions that wait to be started.
    pub(super) fn waiting_place(&self) -> Result<Place<'_>, Problem> {
        let most = self.0.config.max_created;
        let place = self.0.external.leases.reserve(Awaited::Start, most);
        place.ok_or_else(|| {
            let detail =
                "Too many executions were created and not started; the setting is max_created.";
            Problem::too_many(detail, 5)
        })
    }

    /// It ends if nobody starts it in time.
    pub(super) fn await_start(&self, place: Place<'_>, id: &ExecutionId) {
        let length = match self.0.config.start_within_seconds {
            0 => FOREVER,
            seconds => Duration::from_secs(seconds).min(FOREVER),
        };
        place.grant(id, length);
    }

    /// Somebody has started it, or ended it.
    pub(super) fn was_started(&self, id: &ExecutionId) {
        self.0.external.leases.end(id);
    }

    /// Grants a lease to what a former process left without an end and nobody here was running; false for a run that
    /// was.
    pub(super) fn adopt(&self, row: &ExecutionRow) -> bool {
        let leases = &self.0.external.leases;
        if row.lease_ms.is_some() {
            let place = leases.reserve_any(Awaited::Producer);
            if let Err(error) = self.grant(place, row) {
                tracing::error!(execution_id = %row.id, %error, "has no lease");
            }
        } else if row.status == ExecutionStatus::Pending {
            self.await_start(leases.reserve_any(Awaited::Start), &row.id);
        } else {
            return false;
        }
        true
    }

    /// Ends what falls silent, for as long as the server lives.
    pub(super) fn watch_leases(&self) {
        let (weak, stopping) = (Arc::downgrade(&self.0), self.0.stopping.clone());
        let leases = self.0.external.leases.clone();
        self.0.tasks.spawn(async move {
            let mut sweep = tokio::time::interval(LINGER);
            loop {
                let due = tokio::select! {
                    () = stopping.cancelled() => return,
                    due = leases.due() => due,
                    _ = sweep.tick() => Vec::new(),
                };
                let Some(this) = weak.upgrade().map(Executions) else {
                    return;
                };
                for id in due {
                    if let Err(refusal) = this.expire(&id).await {
                        tracing::error!(execution_id = %id, problem = Problem::from(refusal).detail(), "could not be ended");
                    }
                    leases.look_again(&id);
                }
                this.0.external.gates.sweep(!this.0.log.store().commits_at_once());
            }
        });
    }

    /// Nothing was heard of it for too long.
    async fn expire(&self, id: &ExecutionId) -> Result<(), Refusal> {
        let leases = &self.0.external.leases;
        let Some(awaited) = leases.run_out(id) else {
            return Ok(());
        };
        let row = self.find(id)?;
        if let Some(row) = &row
            && awaited == Awaited::Producer
            && self.kept(row)?.is_some_and(|kept| kept.is_fleeting())
        {
            return self.take_away(row).await;
        }
        let Some(row) = row.filter(|row| row.status.end().is_none()) else {
            leases.end(id);
            return Ok(());
        };
        let age = unix_millis().saturating_sub(row.started_at.unwrap_or(row.created_at));
        let ended = match awaited {
            Awaited::Answer => {
                if self.unpark(id)?.is_none() && !self.is_parked(id) {
                    leases.end(id);
                }
                return Ok(());
            }
            Awaited::Producer => {
                let message = format!(
                    "Nothing was heard of the producer for {} ms.",
                    row.lease_ms.unwrap_or_default()
                );
                let end = terminal_error("producer_lost", &message, age);
                self.gate(id)?
                    .end(|| leases.run_out(id).is_some(), &end)
                    .await?
                    .is_some()
            }
            Awaited::Start => {
                let stream = self
                    .0
                    .log
                    .open(id)?
                    .ok_or_else(Problem::unknown_execution)?;
                let end =
                    terminal_error("timeout", "It was created, and not started in time.", age);
                let Ok(_claim) = self.claim(&stream) else {
                    return Ok(());
                };
                stream.append(&end).await?;
                true
            }
        };
        if ended {
            leases.end(id);
            tracing::info!(execution_id = %id, ?awaited, "ended: nothing more was heard of it");
        }
        Ok(())
    }
}

/// No limit, as a time that a clock can hold.
pub(super) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
