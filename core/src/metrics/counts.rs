//! What is counted, so that every metric can be made of it.

use serde::{Deserialize, Serialize};

use super::distribution::Distribution;

/// Counts of one step, of one run, or of many. Every number adds up, so two of them merge into one.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub struct Counts {
    /// Executions that have begun.
    pub runs: u64,
    /// Of these, the ones that waited for a person.
    pub runs_with_person: u64,
    /// Step executions that ended well.
    pub steps_completed: u64,
    /// Step executions that ended badly.
    pub steps_failed: u64,
    /// Step executions that had to be undone.
    pub steps_compensated: u64,
    /// Step executions whose mode was not the declared one.
    pub mode_violations: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Questions to people.
    pub waits: u64,
    /// Replays, and those of them that gave the same again.
    pub replays: u64,
    /// Of the replays, those that succeeded.
    pub replays_succeeded: u64,
    /// Tokens that models were given.
    pub input_tokens: u64,
    /// Tokens that models gave.
    pub output_tokens: u64,
    /// How long tools took.
    pub tool_ms: Distribution,
    /// How long runs took that completed.
    pub run_ms: Distribution,
    /// How long step executions took.
    pub step_ms: Distribution,
    /// How long successful explanations took.
    pub explain_ms: Distribution,
}

impl Counts {
    /// Takes all of another.
    pub fn merge(&mut self, other: &Self) {
        let sums = [
            (&mut self.runs, other.runs),
            (&mut self.runs_with_person, other.runs_with_person),
            (&mut self.steps_completed, other.steps_completed),
            (&mut self.steps_failed, other.steps_failed),
            (&mut self.steps_compensated, other.steps_compensated),
            (&mut self.mode_violations, other.mode_violations),
            (&mut self.retries, other.retries),
            (&mut self.waits, other.waits),
            (&mut self.replays, other.replays),
            (&mut self.replays_succeeded, other.replays_succeeded),
            (&mut self.input_tokens, other.input_tokens),
            (&mut self.output_tokens, other.output_tokens),
        ];
        for (sum, more) in sums {
            *sum = sum.saturating_add(more);
        }
        let distributions = [
            (&mut self.tool_ms, &other.tool_ms),
            (&mut self.run_ms, &other.run_ms),
            (&mut self.step_ms, &other.step_ms),
            (&mut self.explain_ms, &other.explain_ms),
        ];
        for (all, more) in distributions {
            all.merge(more);
        }
    }

    /// Step executions that have ended.
    pub fn steps(&self) -> u64 {
        self.steps_completed.saturating_add(self.steps_failed)
    }
}
