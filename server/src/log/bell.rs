//! Wakes the sweeping thread: something was let go of, the store is full, or the log closes.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::lock;

/// Rung by anybody, waited for by one.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    closing: bool,
}

impl Bell {
    pub(super) fn ring(&self) {
        lock(&self.state).rung = true;
        self.changed.notify_all();
    }

    /// For good: nothing waits any more.
    pub(super) fn close(&self) {
        lock(&self.state).closing = true;
        self.changed.notify_all();
    }

    /// Waits until it is rung, or that time has passed; false once closed.
    pub(super) fn wait(&self, at_most: Option<Duration>) -> bool {
        let mut state = lock(&self.state);
        let quiet = |state: &mut State| !state.rung && !state.closing;
        state = match at_most {
            Some(time) => {
                let waited = self.changed.wait_timeout_while(state, time, quiet);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => {
                let waited = self.changed.wait_while(state, quiet);
                waited.unwrap_or_else(PoisonError::into_inner)
            }
        };
        state.rung = false;
        !state.closing
    }

    /// Lets that time pass, rung or not; false once closed.
    pub(super) fn rest(&self, time: Duration) -> bool {
        let waiting = |state: &mut State| !state.closing;
        let state = lock(&self.state);
        let waited = self.changed.wait_timeout_while(state, time, waiting);
        !waited.unwrap_or_else(PoisonError::into_inner).0.closing
    }
}
