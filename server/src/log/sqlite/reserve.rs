//! Room set aside on the disk, so that something can be taken away when nothing else fits any more.
//!
//! Deleting writes too: into the journal, which can be emptied only where the database has room to grow. On a full
//! disk neither would ever happen.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::super::store::StoreError;

/// A file beside the database that holds nothing.
#[derive(Debug)]
pub(super) struct Reserve(PathBuf);

impl Reserve {
    pub(super) fn beside(database: &Path) -> Self {
        Self(database.with_extension("reserve"))
    }

    /// Sets room aside, where it is not yet and there is enough.
    pub(super) fn set_aside(&self) {
        if self.0.exists() {
            return;
        }
        let write = || {
            let mut file = File::create(&self.0)?;
            // not a hole: the file system has to give the room now
            let block = vec![0; 1 << 20];
            for _ in 0..MEBIBYTES {
                file.write_all(&block)?;
            }
            file.sync_data()
        };
        if let Err(error) = write() {
            tracing::debug!(%error, "no room can be set aside");
            self.release();
        }
    }

    /// Gives it up; false where there was none.
    fn release(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }

    /// Does it; on a full disk once more with the reserve given up for it. Whoever else wants to write must wait
    /// meanwhile.
    pub(super) fn with<T>(
        &self,
        connection: &mut Connection,
        mut write: impl FnMut(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match write(connection) {
            Err(StoreError::Full(_)) if self.release() => {
                tracing::warn!("the disk is full: the reserve is used to make room");
                // the journal begins anew, and what comes next needs no more of the disk
                connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_row| Ok(()))?;
                write(connection)
            }
            done => done,
        }
    }
}

const MEBIBYTES: usize = 8;
