//! The server's two clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use stepcast_core::time::Time;

/// The wall clock, in milliseconds since 1970.
pub fn unix_millis() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}

/// A monotonic clock for core's machines.
#[derive(Clone, Copy, Debug)]
pub struct Clock(Instant);

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since its start.
    pub fn now(self) -> Time {
        Time::new(self.0.elapsed())
    }

    /// When that time is, for the runtime's timers.
    pub fn instant(self, time: Time) -> tokio::time::Instant {
        (self.0 + time.since_start()).into()
    }
}
