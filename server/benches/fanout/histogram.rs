//! Counts of durations, so that millions of them cost a few kilobytes; to within 1.6 %.

/// Durations in microseconds.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; bucket(u64::MAX) + 1],
            total: 0,
        }
    }
}

impl Histogram {
    pub(crate) fn record(&mut self, micros: u64) {
        self.counts[bucket(micros)] += 1;
        self.total += 1;
    }

    /// The value below which this share lies; 0 where there is none.
    pub(crate) fn percentile(&self, share: f64) -> u64 {
        let wanted = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return middle(at);
            }
        }
        0
    }
}

/// 64 buckets for each power of two.
fn bucket(value: u64) -> usize {
    let power = (u64::BITS - value.leading_zeros()).saturating_sub(FINE + 1);
    (power as usize) * (1 << FINE) + (value >> power) as usize
}

/// A value in the middle of a bucket.
fn middle(bucket: usize) -> u64 {
    let power = (bucket >> FINE).saturating_sub(1) as u32;
    let low = (bucket as u64 - (u64::from(power) << FINE)) << power;
    low + ((1 << power) >> 1)
}

/// The power of two of the buckets' number.
const FINE: u32 = 6;
