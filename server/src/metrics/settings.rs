//! What an operator says of the metrics.

use serde::{Deserialize, Serialize};
use stepcast_core::metrics::Targets;

/// The `[metrics]` table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct MetricsSettings {
    /// How often executions that have ended are looked for, in milliseconds.
    pub interval_ms: u64,
    /// When each metric is well.
    pub targets: Targets,
    /// Whether what is written to readers is measured: how much, and how long after it was taken.
    pub delivery: bool,
    /// Every how many seconds clients are asked to report how late events come to them; 0 asks none.
    pub beacon_seconds: u64,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        Self {
            interval_ms: 2_000,
            targets: Targets::default(),
            delivery: true,
            beacon_seconds: 0,
        }
    }
}
