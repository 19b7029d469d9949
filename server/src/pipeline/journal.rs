//! Writes a run's checkpoints.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::checkpoint::{End, Kept, encode};
use super::scheduler::Scheduler;
use super::waits::Kept as Question;

/// Writes checkpoints.
#[derive(Debug, Default)]
pub(super) struct Journal {
    newest: u32,
    work_dir: PathBuf,
    /// Whether an output is elsewhere.
    leans_on_log: bool,
}

impl Journal {
    /// The journal of a run that works in this folder.
    pub(super) fn new(work_dir: &Path) -> Self {
        Self {
            newest: 0,
            leans_on_log: false,
            work_dir: std::path::absolute(work_dir).unwrap_or_else(|_none| work_dir.to_owned()),
        }
    }

    /// The number of the newest checkpoint; 0 before there is one.
    pub(super) fn newest(&self) -> u32 {
        self.newest
    }

    /// Goes on after this one, which held every output itself where it is `whole`.
    pub(super) fn go_on(&mut self, newest: u32, whole: bool) {
        self.newest = newest;
        self.leans_on_log = !whole;
    }

    /// Whether the checkpoints hold every output themselves.
    pub(super) fn is_whole(&self) -> bool {
        !self.leans_on_log
    }

    /// The checkpoint after this end, which the scheduler has taken already: the state, and the entry to be added.
    pub(super) fn write(
        &mut self,
        scheduler: &Scheduler,
        questions: Vec<Question>,
        end: &End<&Value>,
    ) -> Option<(Bytes, (u32, Bytes))> {
        let number = self.newest + 1;
        let elapsed_ms = end.elapsed_ms;
        let state = encode(scheduler, number, &self.work_dir, questions, elapsed_ms)?;
        let entry = serde_json::to_vec(end).ok()?;
        self.leans_on_log |= !matches!(end.output, Kept::Value(_));
        self.newest = number;
        Some((state, (number, entry.into())))
    }

    /// The newest checkpoint with other questions, at this time of the run.
    pub(super) fn rewrite(
        &self,
        scheduler: &Scheduler,
        questions: Vec<Question>,
        elapsed_ms: u64,
    ) -> Option<Bytes> {
        encode(
            scheduler,
            self.newest,
            &self.work_dir,
            questions,
            elapsed_ms,
        )
    }
}
