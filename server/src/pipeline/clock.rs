//! The clock of a run. It stands still while everything under way waits for people.

use std::time::Duration;

use tokio::time::Instant;

/// How long a run has been under way.
#[derive(Debug)]
pub(super) struct RunClock {
    begun: Instant,
    /// Before the run was resumed.
    before: Duration,
    /// How much of that counts for the run's limit.
    counted: Duration,
    resting: Option<Instant>,
    rested: Duration,
}

impl RunClock {
    pub(super) fn start() -> Self {
        Self {
            begun: Instant::now(),
            before: Duration::ZERO,
            counted: Duration::ZERO,
            resting: None,
            rested: Duration::ZERO,
        }
    }

    /// Goes on from a time; whether it counts for the run's limit too.
    pub(super) fn go_on_from(&mut self, before: Duration, counts: bool) {
        self.before = before;
        self.counted = if counts { before } else { Duration::ZERO };
    }

    /// Stands still, or goes.
    pub(super) fn rest(&mut self, rests: bool) {
        match (rests, self.resting) {
            (true, None) => self.resting = Some(Instant::now()),
            (false, Some(since)) => {
                self.rested += since.elapsed();
                self.resting = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.before + self.here()
    }

    /// How much of this limit is left; none while the clock stands still.
    pub(super) fn left(&self, limit: Duration) -> Option<Duration> {
        let left = || limit.saturating_sub(self.counted + self.here());
        self.resting.is_none().then(left)
    }

    fn here(&self) -> Duration {
        let resting = self.resting.map_or(Duration::ZERO, |since| since.elapsed());
        self.begun.elapsed().saturating_sub(self.rested + resting)
    }
}
