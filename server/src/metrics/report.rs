//! Counts as an answer: every metric with its value, its target and its formula.

use serde::Serialize;
use stepcast_core::id::StepId;
use stepcast_core::metrics::{Counts, Metric, Numbers, Target, Targets};
use stepcast_core::time::Timestamp;

use super::Sum;

/// What a window holds.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Executions in it, those under way too.
    pub executions: u64,
    /// Of these, those whose oldest events were gone before they were counted.
    pub incomplete: u64,
    /// The metrics over all of them.
    #[serde(flatten)]
    pub all: Group,
    /// The same for each pipeline, step, hour or day, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Whether there were too many groups to be told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub groups_left_out: bool,
}

/// Some counts and what is made of them.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
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
    pub metrics: Vec<MetricReport>,
}

/// What a metric is, whatever was counted.
#[derive(Clone, Debug, Serialize)]
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

/// A metric.
#[derive(Clone, Debug, Serialize)]
pub struct MetricReport {
    /// What it is.
    #[serde(flatten)]
    pub definition: Definition,
    /// Its value: a rate, or milliseconds; none where there is no data.
    pub value: Option<f64>,
    /// Whether it is well; none without a target or without data.
    pub met: Option<bool>,
}

impl Report {
    pub(crate) fn new(sum: &Sum, targets: &Targets, grouped: bool) -> Self {
        let groups = sum.groups.iter().map(|(key, counts)| Group {
            from: key.from.map(Timestamp::from_unix_millis),
            pipeline: key.pipeline.clone(),
            step_id: key.step_id.clone(),
            ..Group::new(counts, targets)
        });
        Self {
            executions: sum.executions,
            incomplete: sum.incomplete,
            all: Group::new(&sum.total, targets),
            groups: grouped.then(|| groups.collect()),
            groups_left_out: sum.groups_left_out,
        }
    }
}

impl Group {
    fn new(counts: &Counts, targets: &Targets) -> Self {
        Self {
            from: None,
            pipeline: None,
            step_id: None,
            counts: Numbers::from(counts),
            metrics: Metric::ALL
                .map(|metric| MetricReport::new(metric, counts, targets))
                .to_vec(),
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
        let definition = Definition::new(metric, targets);
        let value = metric.value(counts);
        let met = definition.target.zip(value);
        Self {
            definition,
            value,
            met: met.map(|(target, value)| target.is_met(value)),
        }
    }
}
