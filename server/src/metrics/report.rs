//! Counts as an answer: every metric with its value, its target and its formula.

use serde::Serialize;
use stepcast_core::id::StepId;
use stepcast_core::metrics::{Counts, Metric, Numbers, Target, Targets};
use stepcast_core::time::Timestamp;

use super::top::Top;
use super::{By, Sum, Wanted};

/// What a window holds.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Report {
    /// Executions in it, those under way too.
    pub executions: u64,
    /// Of these, those whose oldest events were gone before they were counted.
    pub incomplete: u64,
    /// The metrics over all of them.
    #[serde(flatten)]
    pub all: Group<MetricReport>,
    /// The same for each pipeline, step, hour or day, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group<MetricValue>>>,
    /// Whether there were too many groups to be told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub groups_left_out: bool,
    /// The foremost steps, where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top: Option<Top>,
}

/// Some counts and what is made of them.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Group<M> {
    /// When the hour or the day begins, in UTC; none where it is not by time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Of which pipeline; none for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pipeline: Option<String>,
    /// Of which step; none for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// What was counted.
    pub counts: Numbers,
    /// What is made of it.
    pub metrics: Vec<M>,
}

/// What a metric is, whatever was counted.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Definition {
    /// Which.
    pub metric: Metric,
    /// Its name in words.
    pub name: &'static str,
    /// `ratio` or `ms`.
    pub unit: &'static str,
    /// How it is made of the counts.
    pub formula: &'static str,
    /// When it is well; none where it only informs.
    pub target: Option<Target>,
}

/// A metric with its value.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct MetricReport {
    /// What it is.
    #[serde(flatten)]
    pub definition: Definition,
    /// Its value: a rate, or milliseconds; none where there is no data.
    pub value: Option<f64>,
    /// Whether it is well; none without a target or without data.
    pub met: Option<bool>,
}

/// A metric's value in a group: what the metric is, is told once, with the total.
#[derive(Clone, Copy, Debug, Serialize, schemars::JsonSchema)]
pub struct MetricValue {
    /// Which.
    pub metric: Metric,
    /// As [`MetricReport::value`].
    pub value: Option<f64>,
    /// As [`MetricReport::met`].
    pub met: Option<bool>,
}

impl Report {
    pub(crate) fn new(sum: &Sum, targets: &Targets, wanted: &Wanted) -> Self {
        let groups = sum.groups.iter().map(|(key, counts)| Group {
            from: key.from.map(Timestamp::from_unix_millis),
            pipeline: key.pipeline.clone(),
            step_id: key.step_id.clone(),
            ..Group::new(counts, |metric| MetricValue::new(metric, counts, targets))
        });
        let total = &sum.total;
        Self {
            executions: sum.executions,
            incomplete: sum.incomplete,
            all: Group::new(total, |metric| MetricReport::new(metric, total, targets)),
            groups: (wanted.by != By::All).then(|| groups.collect()),
            groups_left_out: sum.groups_left_out,
            top: (wanted.top > 0).then(|| Top::new(sum, wanted.top)),
        }
    }
}

impl<M> Group<M> {
    fn new(counts: &Counts, told: impl FnMut(Metric) -> M) -> Self {
        Self {
            from: None,
            pipeline: None,
            step_id: None,
            counts: Numbers::from(counts),
            metrics: Metric::ALL.map(told).into(),
        }
    }
}

impl Definition {
    pub(crate) fn new(metric: Metric, targets: &Targets) -> Self {
        Self {
            metric,
            name: metric.name(),
            unit: if metric.is_time() { "ms" } else { "ratio" },
            formula: metric.formula(),
            target: targets.of(metric),
        }
    }
}

impl MetricReport {
    fn new(metric: Metric, counts: &Counts, targets: &Targets) -> Self {
        let MetricValue { value, met, .. } = MetricValue::new(metric, counts, targets);
        Self {
            definition: Definition::new(metric, targets),
            value,
            met,
        }
    }
}

impl MetricValue {
    fn new(metric: Metric, counts: &Counts, targets: &Targets) -> Self {
        let value = metric.value(counts);
        let met = targets.of(metric).zip(value);
        Self {
            metric,
            value,
            met: met.map(|(target, value)| target.is_met(value)),
        }
    }
}
