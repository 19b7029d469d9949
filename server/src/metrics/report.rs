//! Counts as an answer: every metric with its value, its target and its formula.

use serde::Serialize;
use stepcast_core::id::StepId;
use stepcast_core::metrics::{Counts, Metric, Quantiles, Target, Targets};

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
    /// The same for each pipeline or step, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Group>>,
    /// Whether there were too many groups to be told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub groups_left_out: bool,
}

/// Some counts and what is made of them.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
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

/// A metric.
#[derive(Clone, Debug, Serialize)]
pub struct MetricReport {
    /// Which.
    pub metric: Metric,
    /// Its name in words.
    pub name: &'static str,
    /// Its value: a rate, or milliseconds; none where there is no data.
    pub value: Option<f64>,
    /// `ratio` or `ms`.
    pub unit: &'static str,
    /// How it is made of the counts.
    pub formula: &'static str,
    /// When it is well; none where it only informs.
    pub target: Option<Target>,
    /// Whether it is; none without a target or without data.
    pub met: Option<bool>,
}

/// Counts as they are told: times in a few numbers each.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Numbers {
    runs: u64,
    runs_with_person: u64,
    steps_completed: u64,
    steps_failed: u64,
    steps_compensated: u64,
    mode_violations: u64,
    retries: u64,
    waits: u64,
    replays: u64,
    replays_succeeded: u64,
    input_tokens: u64,
    output_tokens: u64,
    tool_ms: Option<Quantiles>,
    run_ms: Option<Quantiles>,
    step_ms: Option<Quantiles>,
    explain_ms: Option<Quantiles>,
}

impl Report {
    pub(crate) fn new(sum: &Sum, targets: &Targets, grouped: bool) -> Self {
        let groups = sum.groups.iter().map(|((pipeline, step), counts)| Group {
            pipeline: Some(pipeline.clone()),
            step_id: step.clone(),
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
            pipeline: None,
            step_id: None,
            counts: Numbers::new(counts),
            metrics: Metric::ALL
                .map(|metric| MetricReport::new(metric, counts, targets))
                .to_vec(),
        }
    }
}

impl MetricReport {
    fn new(metric: Metric, counts: &Counts, targets: &Targets) -> Self {
        let (value, target) = (metric.value(counts), targets.of(metric));
        Self {
            metric,
            name: metric.name(),
            value,
            unit: if metric.is_time() { "ms" } else { "ratio" },
            formula: metric.formula(),
            target,
            met: target
                .zip(value)
                .map(|(target, value)| target.is_met(value)),
        }
    }
}

impl Numbers {
    fn new(counts: &Counts) -> Self {
        Self {
            runs: counts.runs,
            runs_with_person: counts.runs_with_person,
            steps_completed: counts.steps_completed,
            steps_failed: counts.steps_failed,
            steps_compensated: counts.steps_compensated,
            mode_violations: counts.mode_violations,
            retries: counts.retries,
            waits: counts.waits,
            replays: counts.replays,
            replays_succeeded: counts.replays_succeeded,
            input_tokens: counts.input_tokens,
            output_tokens: counts.output_tokens,
            tool_ms: counts.tool_ms.quantiles(),
            run_ms: counts.run_ms.quantiles(),
            step_ms: counts.step_ms.quantiles(),
            explain_ms: counts.explain_ms.quantiles(),
        }
    }
}
