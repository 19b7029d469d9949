//! Takes away what no execution refers to.

use std::fs;
use std::io;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::ArtifactError;
use super::shelf::Artifacts;
use crate::log::ContentHash;

impl Artifacts {
    /// Counts what is there, and removes what nothing refers to: files of a process that was killed before it announced
    /// them, or after their executions had gone.
    pub(super) fn take_stock(&self) -> Result<(), ArtifactError> {
        let workshop = self.workshop();
        match fs::remove_dir_all(&workshop) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        let folders = match fs::read_dir(self.root()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            folders => folders?,
        };
        let (references, mut bytes) = (self.references()?, 0);
        for folder in folders {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for file in fs::read_dir(folder)? {
                let file = file?;
                let name = file.file_name();
                // what is not ours is left alone
                let content = name.to_str().and_then(|name| name.parse().ok());
                let Some(content) = content.filter(|content| self.path(content) == file.path())
                else {
                    continue;
                };
                if references.is_referenced(&content)? {
                    bytes += file.metadata()?.len();
                } else {
                    fs::remove_file(file.path())?;
                }
            }
        }
        self.lock().bytes = bytes;
        Ok(())
    }

    /// Looks when something may have become superfluous, and every so often, until `stopping`.
    pub(crate) async fn keep_clean(self, every: Duration, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = self.woken() => {}
                () = tokio::time::sleep(every) => {}
            }
            let this = self.clone();
            match tokio::task::spawn_blocking(move || this.sweep()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(%error, "files could not be cleaned up, trying again later");
                }
                Err(error) => tracing::error!(%error, "the sweep of files was lost"),
            }
        }
    }

    /// Removes what nothing refers to any more.
    ///
    /// # Errors
    /// Where the disk or the store fails; what is left over is found by the next sweep.
    pub fn sweep(&self) -> Result<(), ArtifactError> {
        if self.references().is_err() {
            return Ok(());
        }
        let doubtful = std::mem::take(&mut self.lock().doubtful);
        let mut doubtful = doubtful.into_iter();
        while let Some(content) = doubtful.next() {
            if let Err(error) = self.remove_unreferenced(&content) {
                let mut state = self.lock();
                state.doubtful.insert(content);
                state.doubtful.extend(doubtful);
                return Err(error);
            }
        }
        loop {
            let loose = self.references()?.loose(AT_ONCE)?;
            for content in &loose {
                self.remove_unreferenced(content)?;
            }
            if loose.is_empty() {
                return Ok(());
            }
            // forgotten only now: killed in between, the next sweep finds them again
            self.references()?.forget_loose(&loose)?;
        }
    }

    /// Under the lock: nobody can come to hold it between the question and the removal.
    fn remove_unreferenced(&self, content: &ContentHash) -> Result<(), ArtifactError> {
        let mut state = self.lock();
        // one that is held becomes doubtful afterwards
        if state.held.contains_key(content) || self.references()?.is_referenced(content)? {
            return Ok(());
        }
        let path = self.path(content);
        let size = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            metadata => metadata?.len(),
        };
        fs::remove_file(&path)?;
        state.bytes = state.bytes.saturating_sub(size);
        Ok(())
    }
}

/// Files looked after between two notes that they were.
const AT_ONCE: usize = 64;
