//! Runs that do nothing but wait for people: put away until somebody answers or cancels, or the time is over.
//!
//! Of such a run there is an entry here and, where it has a deadline, a lease. It is in [`super::Executions::runs`] or
//! here, never in neither: it moves under the lock of the first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepcast_core::id::ExecutionId;

use super::launch::{Beginning, Claim};
use super::leases::Awaited;
use super::recover::interrupt;
use super::{Executions, Running};
use crate::clock::unix_millis;
use crate::log::{StoreError, Stream};
use crate::pipeline::{Desk, Park, Wait};

/// By execution, what is asked.
#[derive(Debug, Default)]
pub(super) struct Parked(Mutex<HashMap<ExecutionId, Vec<Arc<Wait>>>>);

impl Parked {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Vec<Arc<Wait>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of one run to where it is put away.
#[derive(Debug)]
pub(super) struct Parking {
    pub(super) executions: Executions,
    pub(super) id: ExecutionId,
    pub(super) desk: Arc<Desk>,
}

impl Park for Parking {
    fn put_away(&self, open: Vec<Arc<Wait>>) -> bool {
        let mut runs = self.executions.runs();
        let own = |running: &Running| Arc::ptr_eq(&running.desk, &self.desk);
        let stays = |running: &Running| !own(running) || running.cancel.is_cancelled();
        if runs.get(&self.id).is_none_or(stays) {
            return false;
        }
        self.executions.park(&self.id, open);
        runs.remove(&self.id);
        true
    }
}

impl Executions {
    /// Runs that are put away.
    pub fn parked(&self) -> usize {
        self.0.parked.lock().len()
    }

    pub(super) fn is_parked(&self, id: &ExecutionId) -> bool {
        self.0.parked.lock().contains_key(id)
    }

    /// Notes what is asked, and watches the time.
    pub(super) fn park(&self, id: &ExecutionId, open: Vec<Arc<Wait>>) {
        let first = open.iter().filter_map(|wait| wait.expires_at).min();
        self.0.parked.lock().insert(id.clone(), open);
        if let Some(at) = first {
            let left = Duration::from_millis(at.saturating_sub(unix_millis()));
            let place = self.0.external.leases.reserve_any(Awaited::Answer);
            place.grant(id, left);
        }
    }

    /// Goes on with a run that was put away; its desk takes answers at once. None where it is not, or somebody else
    /// has done so.
    pub(super) fn unpark(&self, id: &ExecutionId) -> Result<Option<Arc<Desk>>, StoreError> {
        if !self.is_parked(id) {
            return Ok(None);
        }
        let Some(stream) = self.0.log.open(id)? else {
            return Ok(None);
        };
        let Ok(claim) = self.hold(&stream) else {
            return Ok(None);
        };
        let Some(open) = self.0.parked.lock().remove(id) else {
            return Ok(None);
        };
        self.0.external.leases.end(id);
        claim.desk.show(open);
        let desk = Arc::clone(&claim.desk);
        let this = self.clone();
        self.0.tasks.spawn(async move {
            tokio::select! {
                () = this.0.stopping.cancelled() => {}
                () = this.go_on_waiting(&stream, claim) => {}
            }
        });
        Ok(Some(desk))
    }

    async fn go_on_waiting(&self, stream: &Arc<Stream>, claim: Claim) {
        let row = match self.find(&claim.id) {
            Ok(Some(row)) => row,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(execution_id = %claim.id, %error, "a waiting run cannot go on");
                return;
            }
        };
        match self.found_again(&row, stream, false).await {
            Ok((prepared, beginning @ Beginning::Again(..))) => {
                let slot = self.place(None);
                self.run(stream.clone(), prepared, beginning, claim, slot)
                    .await;
            }
            Ok((_, Beginning::New)) => {}
            Err(why) => interrupt(&row, stream, &why).await,
        }
    }
}
