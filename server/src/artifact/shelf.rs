//! Where files are, and what is known of them in memory.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stepcast_core::id::Seq;
use tempfile::TempDir;
use tokio::sync::Notify;

use super::error::ArtifactError;
use super::hold::{Hold, Kept, Ledger};
use super::settings::ArtifactSettings;
use super::writing::Writing;
use crate::log::{Artifact, ContentHash, References, Store};

/// The files of all executions; cheap to clone.
#[derive(Clone, Debug)]
pub struct Artifacts(Arc<Shelf>);

#[derive(Debug)]
struct Shelf {
    store: Arc<dyn Store>,
    root: PathBuf,
    /// Removed with the last handle, where the log is kept in memory too.
    _temporary: Option<TempDir>,
    limits: ArtifactSettings,
    /// Whether a file is on the medium before it is announced.
    synced: bool,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// On the disk, those that are being written too.
    pub(super) bytes: u64,
    /// Contents that are not announced yet, or about to be announced once more.
    pub(super) held: HashMap<ContentHash, usize>,
    /// Contents that were held: announced by now, or left over.
    pub(super) doubtful: HashSet<ContentHash>,
    /// Executions with files that are held.
    pub(super) ledgers: HashMap<i64, Ledger>,
}

impl Artifacts {
    /// Files in `directory/artifacts`, for the executions of this store. What no execution refers to is removed.
    ///
    /// # Errors
    /// Where the directory or the store cannot be read.
    pub fn open(
        directory: &Path,
        store: Arc<dyn Store>,
        limits: ArtifactSettings,
        synced: bool,
    ) -> Result<Self, ArtifactError> {
        let shelf = Self(Arc::new(Shelf {
            store,
            root: directory.join("artifacts"),
            _temporary: None,
            limits,
            synced,
            state: Mutex::default(),
            wake: Notify::new(),
        }));
        shelf.take_stock()?;
        Ok(shelf)
    }

    /// Files in a folder that is removed in the end, for a log in memory.
    ///
    /// # Errors
    /// Where the folder cannot be made.
    pub fn temporary(
        store: Arc<dyn Store>,
        limits: ArtifactSettings,
    ) -> Result<Self, ArtifactError> {
        let temporary = tempfile::Builder::new().prefix("stepcast-").tempdir()?;
        Ok(Self(Arc::new(Shelf {
            store,
            root: temporary.path().to_owned(),
            _temporary: Some(temporary),
            limits,
            synced: false,
            state: Mutex::default(),
            wake: Notify::new(),
        })))
    }

    /// Begins a file of the execution of this number. It blocks, shortly.
    ///
    /// # Errors
    /// Where the name or the type is none, or there is no room.
    pub fn begin(&self, key: i64, name: &str, media_type: &str) -> Result<Writing, ArtifactError> {
        Writing::begin(self, key, name, media_type)
    }

    /// The file, to be read; none where the execution does not refer to this content.
    ///
    /// # Errors
    /// Where the store fails, or the file is not there.
    pub fn read(
        &self,
        key: i64,
        sha256: &ContentHash,
    ) -> Result<Option<(Artifact, File)>, ArtifactError> {
        let Some(artifact) = self.references()?.artifact(key, sha256)? else {
            return Ok(None);
        };
        let file = File::open(self.path(sha256))?;
        Ok(Some((artifact, file)))
    }

    /// Holds a file that one execution refers to for another one, which will announce it with its event `seq`; none
    /// where there is no such file.
    pub(crate) fn lend(
        &self,
        from: i64,
        sha256: &ContentHash,
        to: i64,
        seq: Seq,
    ) -> Result<Option<Kept>, ArtifactError> {
        let Some(artifact) = self.references()?.artifact(from, sha256)? else {
            return Ok(None);
        };
        let mut hold = Hold::open(self.clone(), to)?;
        hold.settle(*sha256, || Ok(true))?;
        Ok(Some(Kept::new(Artifact { seq, ..artifact }, hold)))
    }

    /// What an execution refers to.
    ///
    /// # Errors
    /// Where the store fails.
    pub fn list(&self, key: i64) -> Result<Vec<Artifact>, ArtifactError> {
        Ok(self.references()?.artifacts(key)?)
    }

    /// Bytes on the disk, those that are being written too.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    pub(super) fn limits(&self) -> &ArtifactSettings {
        &self.0.limits
    }

    pub(super) fn is_synced(&self) -> bool {
        self.0.synced
    }

    pub(super) fn references(&self) -> Result<&dyn References, ArtifactError> {
        self.0.store.references().ok_or(ArtifactError::NotKept)
    }

    /// Where a content is: in one of 256 folders.
    pub(super) fn path(&self, sha256: &ContentHash) -> PathBuf {
        let name = sha256.to_string();
        let folder = name.get(..2).unwrap_or_default();
        self.0.root.join(folder).join(&name)
    }

    /// Where files are written.
    pub(super) fn workshop(&self) -> PathBuf {
        self.0.root.join("unfinished")
    }

    pub(super) fn root(&self) -> &Path {
        &self.0.root
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the sweep look at once.
    pub(crate) fn look(&self) {
        self.0.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.0.wake.notified().await;
    }
}

/// Has a folder's entries on the medium.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()?;
    }
    Ok(())
}
