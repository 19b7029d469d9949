//! How late events come to clients, as they tell it themselves.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use stepcast_core::beacon::{Report, Via};

use super::histogram::{Histogram, Times};

/// What clients have reported.
pub(crate) struct Clients {
    latency: [Histogram; WAYS.len()],
    reports: AtomicU64,
    limit: DefaultDirectRateLimiter,
}

impl Clients {
    /// Whether another report is taken now: whoever reports, and however often, costs no more than this.
    pub(crate) fn admit(&self) -> bool {
        self.limit.check().is_ok()
    }

    /// Takes a report that came at this time.
    pub(crate) fn take(&self, report: &Report, unix_ms: u64) {
        self.reports.fetch_add(1, Ordering::Relaxed);
        let place = WAYS.iter().position(|(via, _)| *via == report.transport);
        let Some(latency) = place.and_then(|place| self.latency.get(place)) else {
            return;
        };
        for ms in report.took(unix_ms) {
            latency.observe(Duration::from_millis(ms), 1);
        }
    }

    /// By each transport that anybody has reported of.
    pub(super) fn latencies(&self) -> impl Iterator<Item = (&'static str, Times)> {
        let each = WAYS.iter().zip(&self.latency);
        let told = each.map(|((_, name), latency)| (*name, latency.times()));
        told.filter(|(_, times)| times.count() > 0)
    }

    /// How many reports there were.
    pub(super) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    /// Of what was reported, what took no longer than this bound; and how much there is.
    pub(crate) fn within(&self, micros: u64) -> (u64, u64) {
        self.latency.iter().fold((0, 0), |(good, total), latency| {
            let times = latency.times();
            (good + times.within(micros), total + times.count())
        })
    }
}

impl Default for Clients {
    fn default() -> Self {
        Self {
            latency: Default::default(),
            reports: AtomicU64::new(0),
            limit: RateLimiter::direct(Quota::per_second(A_SECOND)),
        }
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

const WAYS: [(Via, &str); 3] = [
    (Via::Websocket, "websocket"),
    (Via::Sse, "sse"),
    (Via::LongPoll, "poll"),
];

/// Reports taken in a second, of all clients together: each is at most a thousand additions.
const A_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(199);
