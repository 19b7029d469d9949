//! The end that a viewer asks for. Leaving is not cancelling: nothing else here ends a run because nobody watches it.

use axum::http::StatusCode;
use stepcast_core::id::ExecutionId;

use super::Executions;
use super::launch::terminal_error;
use crate::clock::unix_millis;
use crate::error::Problem;
use crate::log::ExecutionStatus;

impl Executions {
    /// Asks a run to end as `cancelled`. One that waits to be started ends at once.
    ///
    /// # Errors
    /// 404 where there is none, 409 where it has ended.
    pub async fn cancel(&self, id: &ExecutionId) -> Result<(), Problem> {
        // one that was put away is gone on with, to its end
        self.unpark(id)?;
        if let Some(running) = self.runs().get(id) {
            running.cancel.cancel();
            return Ok(());
        }
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        if row.lease_ms.is_some() {
            return self.cancel_external(id).await;
        }
        let stream = self
            .0
            .log
            .open(id)?
            .ok_or_else(Problem::unknown_execution)?;
        let ended = || Problem::new(StatusCode::CONFLICT, "The execution has ended already.");
        if row.status != ExecutionStatus::Pending {
            return Err(ended());
        }
        let Ok(_claim) = self.claim(&stream) else {
            // started or cancelled since the first look
            let runs = self.runs();
            let running = runs.get(id).ok_or_else(ended)?;
            running.cancel.cancel();
            return Ok(());
        };
        stream
            .append(&terminal_error(
                "cancelled",
                "Cancelled before it was started.",
                0,
            ))
            .await?;
        self.was_started(id);
        Ok(())
    }

    /// Ends an execution of a producer elsewhere as `cancelled`; the producer learns it with its next request.
    async fn cancel_external(&self, id: &ExecutionId) -> Result<(), Problem> {
        let gate = self.gate(id)?;
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        let age = unix_millis().saturating_sub(row.started_at.unwrap_or(row.created_at));
        let end = terminal_error("cancelled", "Cancelled by a viewer.", age);
        let ended = gate.end(|| true, &end).await?;
        if let Some(seq) = ended {
            gate.stream.settled(seq).await?;
        }
        Ok(())
    }
}
