//! A run that does nothing but wait is put away: what its checkpoint holds is enough to go on from, so nothing of it
//! needs to stay in memory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::mpsc;

use super::desk::{HandedIn, Wait};
use super::result::{RunResult, RunStatus};
use super::runner::Run;

/// Where runs are put away that do nothing but wait for people.
pub trait Park: fmt::Debug + Send + Sync {
    /// Takes the open questions of the run. From then on it is gone on with by [`super::resume`], whose desk takes the
    /// answers. False where the run is to stay.
    fn put_away(&self, open: Vec<Arc<Wait>>) -> bool;
}

impl Run {
    /// Whether nothing is under way but waits that a checkpoint holds, and the checkpoint needs nothing of the log,
    /// which retention may take.
    pub(super) fn may_be_put_away(&self) -> bool {
        self.park.is_some()
            && self.ended.is_none()
            && self.answers.is_empty()
            && self.journal.is_whole()
            && self.environment.emitter.keeps_checkpoints()
            && self.all_wait()
            && self.waits.all_kept()
    }

    /// Puts the run away once everything is kept, unless somebody answers in this very moment.
    pub(super) async fn put_away(&self, inbox: Option<&mpsc::Receiver<HandedIn>>) -> bool {
        let Some(park) = &self.park else {
            return false;
        };
        self.environment.emitter.settled().await
            && inbox.is_none_or(mpsc::Receiver::is_empty)
            && park.put_away(self.waits.open())
    }

    /// What a run comes to that was put away.
    pub(super) fn put_away_result(self) -> RunResult {
        RunResult {
            status: RunStatus::Waiting,
            input: Arc::clone(&self.environment.input),
            output: Value::Null,
            steps: self.records,
            error: None,
        }
    }
}

/// How long a run waits before it is put away: whoever answers at once costs no way back.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);
