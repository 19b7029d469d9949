//! A run's place among those that may be under way. While a run waits for people, another one has it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A place, held or given up; without a limit it is always held.
#[derive(Clone, Debug, Default)]
pub struct Slot(Option<Arc<Place>>);

#[derive(Debug)]
struct Place {
    of: Arc<Semaphore>,
    held: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Slot {
    /// A place of these, which is held where `held` is one.
    pub fn new(of: Arc<Semaphore>, held: Option<OwnedSemaphorePermit>) -> Self {
        let held = Mutex::new(held);
        Self(Some(Arc::new(Place { of, held })))
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.as_ref().is_none_or(|place| {
            let held = place.held.lock().unwrap_or_else(PoisonError::into_inner);
            held.is_some()
        })
    }

    pub(super) fn give_up(&self) {
        if let Some(place) = &self.0 {
            let mut held = place.held.lock().unwrap_or_else(PoisonError::into_inner);
            drop(held.take());
        }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) {
        if let Some(place) = &self.0
            && let Ok(permit) = Arc::clone(&place.of).acquire_owned().await
        {
            let mut held = place.held.lock().unwrap_or_else(PoisonError::into_inner);
            *held = Some(permit);
        }
    }
}
