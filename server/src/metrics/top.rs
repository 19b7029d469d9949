//! The steps that stand out: the slowest, the most retried, the most expensive.

use serde::Serialize;
use stepcast_core::id::StepId;
use stepcast_core::metrics::{Counts, Quantiles};

use super::Sum;

/// The foremost steps of a window, each list in falling order; where two are alike, by pipeline and step.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Top {
    /// How many steps there are to choose from.
    pub steps: usize,
    /// Whether there were more, which were not looked at.
    pub left_out: bool,
    /// By the mean of their time; those of which no time is known are none.
    pub slowest: Vec<StepReport>,
    /// By their retries; those without are none.
    pub most_retried: Vec<StepReport>,
    /// By the tokens that models were given and gave; those without are none.
    pub most_expensive: Vec<StepReport>,
}

/// A step, over all executions of its pipeline in the window.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct StepReport {
    /// Of which pipeline.
    pub pipeline: String,
    /// Which.
    pub step_id: StepId,
    /// See [`Counts::steps_completed`].
    pub steps_completed: u64,
    /// See [`Counts::steps_failed`].
    pub steps_failed: u64,
    /// See [`Counts::retries`].
    pub retries: u64,
    /// See [`Counts::input_tokens`].
    pub input_tokens: u64,
    /// See [`Counts::output_tokens`].
    pub output_tokens: u64,
    /// See [`Counts::step_ms`].
    pub step_ms: Option<Quantiles>,
}

impl Top {
    pub(super) fn new(sum: &Sum, most: usize) -> Self {
        Self {
            steps: sum.steps.len(),
            left_out: sum.steps_left_out,
            slowest: foremost(sum, most, |counts| {
                counts.step_ms.mean().unwrap_or_default()
            }),
            most_retried: foremost(sum, most, |counts| float(counts.retries)),
            most_expensive: foremost(sum, most, |counts| float(tokens(counts))),
        }
    }
}

/// Those of which there is most.
fn foremost(sum: &Sum, most: usize, of: impl Fn(&Counts) -> f64) -> Vec<StepReport> {
    let mut all: Vec<_> = sum
        .steps
        .iter()
        .map(|(key, counts)| (of(counts), key, counts))
        .filter(|(value, ..)| *value > 0.0)
        .collect();
    // stable: what is alike stays in the order of its key
    all.sort_by(|(a, ..), (b, ..)| b.total_cmp(a));
    let told = all.into_iter().take(most);
    told.map(|(_, (pipeline, step_id), counts)| StepReport {
        pipeline: pipeline.clone(),
        step_id: step_id.clone(),
        steps_completed: counts.steps_completed,
        steps_failed: counts.steps_failed,
        retries: counts.retries,
        input_tokens: counts.input_tokens,
        output_tokens: counts.output_tokens,
        step_ms: counts.step_ms.quantiles(),
    })
    .collect()
}

const fn tokens(counts: &Counts) -> u64 {
    counts.input_tokens.saturating_add(counts.output_tokens)
}

#[expect(clippy::cast_precision_loss, reason = "for the order only")]
const fn float(count: u64) -> f64 {
    count as f64
}
