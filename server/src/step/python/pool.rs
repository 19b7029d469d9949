//! Workers that are kept from one step to the next.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::settings::PythonSettings;
use super::worker::Worker;
use crate::step::{Category, StepError};

/// The workers of a server. What they import stays imported, so each folder of pipelines has its own.
pub(in crate::step) struct Pool {
    settings: PythonSettings,
    idle: Mutex<Vec<Idle>>,
    busy: Arc<Semaphore>,
}

struct Idle {
    worker: Worker,
    directory: PathBuf,
    since: Instant,
}

/// A worker that runs a step. Dropped without [`Taken::give_back`], it is killed.
pub(super) struct Taken {
    pub(super) worker: Worker,
    directory: PathBuf,
    _busy: OwnedSemaphorePermit,
}

impl Pool {
    pub(crate) fn new(settings: PythonSettings) -> Arc<Self> {
        let workers = settings.max_workers.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            settings,
            idle: Mutex::default(),
            busy: Arc::new(Semaphore::new(workers)),
        })
    }

    /// A worker for this folder: one that is idle, or a new one; waits where all are busy.
    pub(super) async fn take(&self, directory: &Path) -> Result<Taken, StepError> {
        let busy = self.busy.clone().acquire_owned().await;
        let busy =
            busy.map_err(|_closed| StepError::new(Category::Unknown, "the pool is closed"))?;
        let known = self.known(directory);
        let worker = match known {
            Some(worker) => worker,
            None => Worker::start(&self.settings, directory).await?,
        };
        Ok(Taken {
            worker,
            directory: directory.to_owned(),
            _busy: busy,
        })
    }

    fn known(&self, directory: &Path) -> Option<Worker> {
        let mut idle = self.lock();
        while let Some(at) = idle.iter().rposition(|idle| idle.directory == directory) {
            let mut found = idle.remove(at);
            if found.worker.is_alive() {
                return Some(found.worker);
            }
        }
        None
    }

    /// Ends those that nobody has used for long.
    fn reap(&self) {
        let longest = Duration::from_secs(self.settings.idle_seconds);
        self.lock().retain(|idle| idle.since.elapsed() < longest);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// Keeps the worker for the next step, unless it has done its part.
    pub(super) fn give_back(self, pool: &Arc<Pool>) {
        if self.worker.uses() >= pool.settings.max_uses {
            return;
        }
        let mut idle = pool.lock();
        if idle.len() >= pool.settings.max_workers {
            idle.remove(0);
        }
        idle.push(Idle {
            worker: self.worker,
            directory: self.directory,
            since: Instant::now(),
        });
        drop(idle);
        let (pool, longest) = (Arc::downgrade(pool), pool.settings.idle_seconds);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(longest)).await;
            if let Some(pool) = pool.upgrade() {
                pool.reap();
            }
        });
    }
}
