//! The metrics: each a formula over counts, with the name and the source that it has in IA Modules.

use serde::{Deserialize, Serialize};

use super::counts::Counts;

/// A metric.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Step Validity Rate.
    Svr,
    /// Compensation Rate.
    Cr,
    /// Plan Churn.
    Pc,
    /// Human Intervention Rate.
    Hir,
    /// Mode Adherence.
    Ma,
    /// Tool Call Latency.
    Tcl,
    /// Workflow Completion Time.
    Wct,
    /// Mean Time To Explain.
    Mtte,
    /// Replay Success Rate.
    Rsr,
}

/// On which side of its limit a metric is well.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Above it.
    Above,
    /// At it or above.
    AtLeast,
    /// Below it.
    Below,
    /// At it or below.
    AtMost,
}

/// When a metric is well.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// On which side.
    pub bound: Bound,
    /// Of which value, in the metric's unit.
    pub limit: f64,
}

/// When each metric is well; those without a target only inform.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Targets {
    /// Of [`Metric::Svr`].
    pub svr: Option<Target>,
    /// Of [`Metric::Cr`].
    pub cr: Option<Target>,
    /// Of [`Metric::Pc`].
    pub pc: Option<Target>,
    /// Of [`Metric::Hir`].
    pub hir: Option<Target>,
    /// Of [`Metric::Ma`].
    pub ma: Option<Target>,
    /// Of [`Metric::Tcl`], on the mean in milliseconds.
    pub tcl: Option<Target>,
    /// Of [`Metric::Wct`], on the mean in milliseconds.
    pub wct: Option<Target>,
    /// Of [`Metric::Mtte`], on the 95th percentile in milliseconds.
    pub mtte: Option<Target>,
    /// Of [`Metric::Rsr`].
    pub rsr: Option<Target>,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 9] = [
        Self::Svr,
        Self::Cr,
        Self::Pc,
        Self::Hir,
        Self::Ma,
        Self::Tcl,
        Self::Wct,
        Self::Mtte,
        Self::Rsr,
    ];

    /// The short name, as it is written in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Svr => "svr",
            Self::Cr => "cr",
            Self::Pc => "pc",
            Self::Hir => "hir",
            Self::Ma => "ma",
            Self::Tcl => "tcl",
            Self::Wct => "wct",
            Self::Mtte => "mtte",
            Self::Rsr => "rsr",
        }
    }

    /// The name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Svr => "Step Validity Rate",
            Self::Cr => "Compensation Rate",
            Self::Pc => "Plan Churn",
            Self::Hir => "Human Intervention Rate",
            Self::Ma => "Mode Adherence",
            Self::Tcl => "Tool Call Latency",
            Self::Wct => "Workflow Completion Time",
            Self::Mtte => "Mean Time To Explain",
            Self::Rsr => "Replay Success Rate",
        }
    }

    /// The formula, in the words of [`Counts`].
    pub const fn formula(self) -> &'static str {
        match self {
            Self::Svr => "steps_completed / (steps_completed + steps_failed)",
            Self::Cr => "steps_compensated / (steps_completed + steps_failed)",
            Self::Pc => "retries / runs",
            Self::Hir => "runs_with_person / runs",
            Self::Ma => "1 - mode_violations / (steps_completed + steps_failed)",
            Self::Tcl => "mean of tool_ms",
            Self::Wct => "mean of run_ms, of runs that completed",
            Self::Mtte => "95th percentile of explain_ms, of explanations that succeeded",
            Self::Rsr => "replays_succeeded / replays",
        }
    }

    /// Whether it is a time in milliseconds; else it is a rate.
    pub const fn is_time(self) -> bool {
        matches!(self, Self::Tcl | Self::Wct | Self::Mtte)
    }

    /// Its value; none where there is nothing to make it of.
    pub fn value(self, counts: &Counts) -> Option<f64> {
        let steps = counts.steps();
        match self {
            Self::Svr => ratio(counts.steps_completed, steps),
            Self::Cr => ratio(counts.steps_compensated, steps),
            Self::Pc => ratio(counts.retries, counts.runs),
            Self::Hir => ratio(counts.runs_with_person, counts.runs),
            Self::Ma => ratio(steps.saturating_sub(counts.mode_violations), steps),
            Self::Tcl => counts.tool_ms.mean(),
            Self::Wct => counts.run_ms.mean(),
            Self::Mtte => counts.explain_ms.quantile(0.95),
            Self::Rsr => ratio(counts.replays_succeeded, counts.replays),
        }
    }
}

impl Target {
    /// Whether this value is well.
    pub fn is_met(&self, value: f64) -> bool {
        match self.bound {
            Bound::Above => value > self.limit,
            Bound::AtLeast => value >= self.limit,
            Bound::Below => value < self.limit,
            Bound::AtMost => value <= self.limit,
        }
    }
}

impl Targets {
    /// When this metric is well.
    pub const fn of(&self, metric: Metric) -> Option<Target> {
        match metric {
            Metric::Svr => self.svr,
            Metric::Cr => self.cr,
            Metric::Pc => self.pc,
            Metric::Hir => self.hir,
            Metric::Ma => self.ma,
            Metric::Tcl => self.tcl,
            Metric::Wct => self.wct,
            Metric::Mtte => self.mtte,
            Metric::Rsr => self.rsr,
        }
    }
}

impl Targets {
    /// Sets when this metric is well.
    pub const fn set(&mut self, metric: Metric, target: Option<Target>) {
        *match metric {
            Metric::Svr => &mut self.svr,
            Metric::Cr => &mut self.cr,
            Metric::Pc => &mut self.pc,
            Metric::Hir => &mut self.hir,
            Metric::Ma => &mut self.ma,
            Metric::Tcl => &mut self.tcl,
            Metric::Wct => &mut self.wct,
            Metric::Mtte => &mut self.mtte,
            Metric::Rsr => &mut self.rsr,
        } = target;
    }
}

impl Default for Targets {
    /// Those of IA Modules (`reliability/metrics.py`, `reliability/slo_tracker.py`), which it compares in the same way.
    fn default() -> Self {
        let target = |bound, limit| Some(Target { bound, limit });
        Self {
            svr: target(Bound::Above, 0.95),
            cr: target(Bound::Below, 0.10),
            pc: target(Bound::Below, 2.0),
            hir: target(Bound::Below, 0.05),
            ma: target(Bound::Above, 0.90),
            tcl: None,
            wct: None,
            mtte: target(Bound::AtMost, 300_000.0),
            rsr: target(Bound::AtLeast, 0.99),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
