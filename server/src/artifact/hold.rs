//! What holds a file until the event that announces it is kept, and the room it takes until it is whole.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use stepcast_core::id::Seq;

use super::error::ArtifactError;
use super::settings::limit;
use super::shelf::Artifacts;
use crate::log::{Artifact, ContentHash};

/// A file that is in its place and not announced yet. It stays there as long as this is held, and from then on as long
/// as an execution refers to it.
#[derive(Clone, Debug)]
pub struct Kept {
    artifact: Arc<Artifact>,
    _hold: Arc<Hold>,
}

impl Kept {
    pub(super) fn new(artifact: Artifact, hold: Hold) -> Self {
        Self {
            artifact: Arc::new(artifact),
            _hold: Arc::new(hold),
        }
    }

    /// The file; its place in the log is not known yet.
    pub fn artifact(&self) -> &Artifact {
        &self.artifact
    }

    /// The `step_progress` that announces it.
    pub fn announcement(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "artifact",
            "name": self.artifact.name,
            "media_type": self.artifact.media_type,
            "size": self.artifact.size,
            "sha256": self.artifact.sha256,
        })
    }

    /// It is told under another name.
    pub(crate) fn rename(&mut self, name: &str) {
        Arc::make_mut(&mut self.artifact).name = name.to_owned();
    }

    /// The reference, once it has its place: the event that it comes along with, unless it was given one before.
    pub(crate) fn announced_by(&self, seq: Seq) -> Artifact {
        let own = self.artifact.seq;
        Artifact {
            seq: if own > 0 { own } else { seq },
            ..Artifact::clone(&self.artifact)
        }
    }
}

/// Room that is taken, and a content that is held.
#[derive(Debug)]
pub(super) struct Hold {
    shelf: Artifacts,
    key: i64,
    bytes: u64,
    content: Option<ContentHash>,
}

impl Hold {
    /// A hold of nothing yet, for one more file of this execution.
    pub(super) fn open(shelf: Artifacts, key: i64) -> Result<Self, ArtifactError> {
        let most = limit(shelf.limits().max_execution_files);
        let mut state = shelf.lock();
        // read under the lock: no commit of this execution's files can come between, for none of them is held
        let ledger = match state.ledgers.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let (files, bytes) = shelf.references()?.artifact_sum(key)?;
                place.insert(Ledger::new(files, bytes))
            }
        };
        if ledger.files >= most {
            if ledger.holds == 0 {
                state.ledgers.remove(&key);
            }
            return Err(ArtifactError::ExecutionFiles(most));
        }
        ledger.files += 1;
        ledger.holds += 1;
        drop(state);
        Ok(Self {
            shelf,
            key,
            bytes: 0,
            content: None,
        })
    }

    /// Takes room for so many bytes more.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), ArtifactError> {
        let limits = *self.shelf.limits();
        if self.bytes + bytes > limits.max_bytes {
            return Err(ArtifactError::TooLarge(limits.max_bytes));
        }
        let mut state = self.shelf.lock();
        let total = state.bytes + bytes;
        let ledger = state.ledgers.entry(self.key).or_default();
        if ledger.bytes + bytes > limit(limits.max_execution_bytes) {
            return Err(ArtifactError::ExecutionBytes(limits.max_execution_bytes));
        }
        if total > limit(limits.max_total_bytes) {
            return Err(ArtifactError::Total(limits.max_total_bytes));
        }
        ledger.bytes += bytes;
        state.bytes = total;
        drop(state);
        self.bytes += bytes;
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn shelf(&self) -> &Artifacts {
        &self.shelf
    }

    /// Holds this content, and calls `place` while nothing can take it away; true where it was there already.
    pub(super) fn settle(
        &mut self,
        content: ContentHash,
        place: impl FnOnce() -> Result<bool, ArtifactError>,
    ) -> Result<(), ArtifactError> {
        let mut state = self.shelf.lock();
        if place()? {
            state.bytes = state.bytes.saturating_sub(self.bytes);
        }
        *state.held.entry(content).or_default() += 1;
        drop(state);
        self.content = Some(content);
        Ok(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut state = self.shelf.lock();
        let ledger = state.ledgers.entry(self.key).or_default();
        ledger.holds = ledger.holds.saturating_sub(1);
        if self.content.is_none() {
            ledger.files = ledger.files.saturating_sub(1);
            ledger.bytes = ledger.bytes.saturating_sub(self.bytes);
        }
        if ledger.holds == 0 {
            state.ledgers.remove(&self.key);
        }
        let Some(content) = self.content else {
            state.bytes = state.bytes.saturating_sub(self.bytes);
            return;
        };
        if let Some(holds) = state.held.get_mut(&content) {
            *holds -= 1;
            if *holds == 0 {
                state.held.remove(&content);
                // announced by now, or never
                state.doubtful.insert(content);
                drop(state);
                self.shelf.look();
            }
        }
    }
}

/// What an execution has, those files too that are being written.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    files: u64,
    bytes: u64,
    holds: usize,
}

impl Ledger {
    fn new(files: u64, bytes: u64) -> Self {
        Self {
            files,
            bytes,
            holds: 0,
        }
    }
}
