//! Reliability as numbers: counts folded out of events, and the metrics that are made of them.
//!
//! [`RunMetrics`] takes the events of one execution, live or replayed, and holds [`Counts`], of the run and of each of
//! its steps. Counts of several runs [merge](Counts::merge). A [`Metric`] is a formula over counts; where there is
//! nothing to divide by it has no value, which is not the same as a perfect one.

mod counts;
mod distribution;
mod metric;
mod numbers;
mod run;

pub use self::counts::Counts;
pub use self::distribution::{Distribution, Quantiles};
pub use self::metric::{Bound, Metric, Target, Targets};
pub use self::numbers::Numbers;
pub use self::run::{MAX_STEPS, RunMetrics};
