//! Times, as many as there are, in a size that does not grow with them.

use std::fmt;

use serde::{Deserialize, Serialize};
use sketches_ddsketch::{Config, DDSketch};

/// How times are distributed: a sketch (DDSketch, Masson, Rim and Lee, 2019) whose quantiles are within 1 % of the
/// true ones, at most 2,048 counters whatever it was given, and mergeable. Without a time it is nothing, and costs
/// nothing.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Distribution(Option<Box<DDSketch>>);

/// A distribution in a few numbers, all in milliseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Quantiles {
    /// How many there were.
    pub count: u64,
    /// Their mean, exactly.
    pub mean: f64,
    /// The smallest, exactly.
    pub min: f64,
    /// Half are no longer.
    pub p50: f64,
    /// 95 of 100 are no longer.
    pub p95: f64,
    /// 99 of 100 are no longer.
    pub p99: f64,
    /// The longest, exactly.
    pub max: f64,
}

impl Distribution {
    /// Takes a time in milliseconds; one that is negative or no number is none.
    pub fn add(&mut self, ms: f64) {
        if ms.is_finite() && ms >= 0.0 {
            self.0.get_or_insert_with(sketch).add(ms);
        }
    }

    /// Takes all of another.
    pub fn merge(&mut self, other: &Self) {
        if let Some(other) = &other.0 {
            // two of the same accuracy always merge, and there is but one
            let merged = self.0.get_or_insert_with(sketch).merge(other);
            debug_assert!(merged.is_ok(), "one accuracy for all");
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |sketch| sketch.count() as u64)
    }

    /// The mean; none where there was nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn mean(&self) -> Option<f64> {
        let sketch = self.0.as_ref()?;
        sketch.sum().map(|sum| sum / sketch.count() as f64)
    }

    /// The time at place ⌊n · share⌋ of all n in order, the first of which is at place 0, as IA Modules takes it; `share`
    /// from 0 to 1. None where there was nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let last = self.count().checked_sub(1)? as f64;
        let place = (self.count() as f64 * share).floor().clamp(0.0, last);
        // the sketch takes place ⌊(n - 1) · share⌋
        let share = ((place + 0.5) / last.max(1.0)).min(1.0);
        self.0.as_ref()?.quantile(share).ok().flatten()
    }

    /// In a few numbers; none where there was nothing.
    pub fn quantiles(&self) -> Option<Quantiles> {
        Some(Quantiles {
            count: self.count(),
            mean: self.mean()?,
            min: self.0.as_ref()?.min()?,
            p50: self.quantile(0.5)?,
            p95: self.quantile(0.95)?,
            p99: self.quantile(0.99)?,
            max: self.0.as_ref()?.max()?,
        })
    }
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quantiles().fmt(f)
    }
}

impl PartialEq for Distribution {
    /// Whether they say the same.
    fn eq(&self, other: &Self) -> bool {
        self.quantiles() == other.quantiles()
    }
}

fn sketch() -> Box<DDSketch> {
    Box::new(DDSketch::new(Config::new(ACCURACY, MOST_BINS, SMALLEST)))
}

/// Relative to the true quantile.
const ACCURACY: f64 = 0.01;

const MOST_BINS: u32 = 2048;

/// Times below a microsecond count as none.
const SMALLEST: f64 = 1e-3;
