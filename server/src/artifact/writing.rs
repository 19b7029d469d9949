//! A file that is being written.

use std::fs;
use std::path::Path;

use mime_guess::mime::Mime;
use sha2::{Digest as _, Sha256};
use tempfile::TempPath;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};

use super::error::ArtifactError;
use super::hold::{Hold, Kept};
use super::shelf::{Artifacts, sync_folder};
use crate::log::{Artifact, ContentHash};

/// A file that is being written; dropped before it is finished, nothing of it stays.
#[derive(Debug)]
pub struct Writing {
    hold: Hold,
    file: tokio::fs::File,
    path: TempPath,
    hasher: Sha256,
    name: String,
    media_type: String,
}

impl Writing {
    pub(super) fn begin(
        shelf: &Artifacts,
        key: i64,
        name: &str,
        media_type: &str,
    ) -> Result<Self, ArtifactError> {
        let is_bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(is_bad) {
            return Err(ArtifactError::Name);
        }
        if media_type.len() > LONGEST_NAME || media_type.parse::<Mime>().is_err() {
            return Err(ArtifactError::MediaType);
        }
        let hold = Hold::open(shelf.clone(), key)?;
        let workshop = shelf.workshop();
        fs::create_dir_all(&workshop)?;
        let (file, path) = tempfile::Builder::new().tempfile_in(workshop)?.into_parts();
        Ok(Self {
            hold,
            file: tokio::fs::File::from_std(file),
            path,
            hasher: Sha256::new(),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
        })
    }

    /// Adds to it.
    ///
    /// # Errors
    /// Where there is no room.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), ArtifactError> {
        self.hold.grow(bytes.len() as u64)?;
        self.hasher.update(bytes);
        self.file.write_all(bytes).await?;
        Ok(())
    }

    /// Adds all that `from` gives.
    ///
    /// # Errors
    /// Where there is no room, or it cannot be read.
    pub async fn write_all(
        &mut self,
        from: &mut (impl AsyncRead + Unpin),
    ) -> Result<(), ArtifactError> {
        let mut part = vec![0; PART];
        loop {
            let read = from.read(&mut part).await?;
            if read == 0 {
                return Ok(());
            }
            self.write(part.get(..read).unwrap_or_default()).await?;
        }
    }

    /// Puts it into its place, where the same content is kept once. It is to be announced by what is given.
    ///
    /// # Errors
    /// Where it is not what was expected, or the disk refuses.
    pub async fn finish(mut self, expected: Option<ContentHash>) -> Result<Kept, ArtifactError> {
        self.file.flush().await?;
        if self.hold.shelf().is_synced() {
            self.file.sync_all().await?;
        }
        let placed = tokio::task::spawn_blocking(move || self.place(expected)).await;
        placed.map_err(std::io::Error::other)?
    }

    fn place(self, expected: Option<ContentHash>) -> Result<Kept, ArtifactError> {
        let Self {
            mut hold,
            path,
            hasher,
            name,
            media_type,
            file,
        } = self;
        drop(file);
        let found = ContentHash::new(hasher.finalize().into());
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(ArtifactError::Mismatch { expected, found });
        }
        let (target, synced) = (hold.shelf().path(&found), hold.shelf().is_synced());
        hold.settle(found, || put(path, &target, synced))?;
        let artifact = Artifact {
            seq: 0,
            name,
            media_type,
            size: hold.bytes(),
            sha256: found,
        };
        Ok(Kept::new(artifact, hold))
    }
}

/// Renames; true where the content is there already.
fn put(path: TempPath, target: &Path, synced: bool) -> Result<bool, ArtifactError> {
    if target.exists() {
        return Ok(true);
    }
    let folder = target.parent().unwrap_or(target);
    let is_new = !folder.exists();
    fs::create_dir_all(folder)?;
    path.persist(target).map_err(|error| error.error)?;
    if synced {
        sync_folder(folder)?;
        if let Some(root) = folder.parent().filter(|_| is_new) {
            sync_folder(root)?;
        }
    }
    Ok(false)
}

/// Bytes read at once.
const PART: usize = 64 << 10;

/// The longest name, and the longest type, in bytes.
const LONGEST_NAME: usize = 255;
