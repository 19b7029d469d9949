//! How long things take, in buckets that many threads add to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Times by their length. Each bucket is a counter of its own, so that adding is two additions.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One for each bound, and one for what is longer.
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Microseconds.
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// How many took no longer than each bound and longer than the one before it; the last has no bound.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    /// Seconds.
    pub(crate) sum: f64,
}

impl Histogram {
    /// Adds what took so long, so many times.
    pub(crate) fn observe(&self, took: Duration, times: u64) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(bucket) {
            count.fetch_add(times, Ordering::Relaxed);
        }
        self.sum
            .fetch_add(micros.saturating_mul(times), Ordering::Relaxed);
    }

    /// What was added so far.
    pub(crate) fn times(&self) -> Times {
        let mut times = Times::default();
        for (told, count) in times.counts.iter_mut().zip(&self.counts) {
            *told = count.load(Ordering::Relaxed);
        }
        times.sum = self.sum.load(Ordering::Relaxed) as f64 / 1e6;
        times
    }
}

impl Times {
    /// How many took no longer than this bound.
    pub(crate) fn within(&self, micros: u64) -> u64 {
        let buckets = BOUNDS.iter().zip(&self.counts);
        let within = buckets.take_while(|(bound, _)| **bound <= micros);
        within.map(|(_, count)| count).sum()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The upper ends of the buckets, in microseconds. An event is with its readers within some milliseconds; what is above
/// a second is a reader that does not keep up.
pub(crate) const BOUNDS: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    2_500_000, 5_000_000, 10_000_000, 30_000_000,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_at_its_bound_is_within_it() {
        let histogram = Histogram::default();
        histogram.observe(Duration::from_micros(1_000), 2);
        histogram.observe(Duration::from_micros(1_001), 1);
        histogram.observe(Duration::from_secs(60), 1);
        let times = histogram.times();
        assert_eq!(
            (times.counts[2], times.counts[3], times.counts[16]),
            (2, 1, 1)
        );
        assert_eq!(times.count(), 4);
        assert!((times.sum - 60.003_001).abs() < 1e-9, "{}", times.sum);
    }
}
