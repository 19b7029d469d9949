//! Counts as they are told: times in a few numbers each.

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::distribution::Quantiles;

/// [`Counts`] in numbers only, as the API tells them. They do not merge any more.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Numbers {
    /// See [`Counts::runs`].
    pub runs: u64,
    /// See [`Counts::runs_with_person`].
    pub runs_with_person: u64,
    /// See [`Counts::steps_completed`].
    pub steps_completed: u64,
    /// See [`Counts::steps_failed`].
    pub steps_failed: u64,
    /// See [`Counts::steps_compensated`].
    pub steps_compensated: u64,
    /// See [`Counts::mode_violations`].
    pub mode_violations: u64,
    /// See [`Counts::retries`].
    pub retries: u64,
    /// See [`Counts::waits`].
    pub waits: u64,
    /// See [`Counts::replays`].
    pub replays: u64,
    /// See [`Counts::replays_succeeded`].
    pub replays_succeeded: u64,
    /// See [`Counts::input_tokens`].
    pub input_tokens: u64,
    /// See [`Counts::output_tokens`].
    pub output_tokens: u64,
    /// See [`Counts::tool_ms`].
    pub tool_ms: Option<Quantiles>,
    /// See [`Counts::run_ms`].
    pub run_ms: Option<Quantiles>,
    /// See [`Counts::step_ms`].
    pub step_ms: Option<Quantiles>,
    /// See [`Counts::explain_ms`].
    pub explain_ms: Option<Quantiles>,
}

impl From<&Counts> for Numbers {
    fn from(counts: &Counts) -> Self {
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
