//! What a pipeline says about the circuit breaker in front of a step.

use std::time::Duration;

use serde_json::Value;

use super::problem::{Place, Problems};
use super::reader::Fields;

/// When a step that keeps failing is left alone, and when it is trusted again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CircuitBreaker {
    /// Failed attempts in a row that open it.
    pub failure_threshold: u32,
    /// How long it stays open.
    pub recovery_timeout: Duration,
    /// Attempts in a row that have to go well before it closes.
    pub success_threshold: u32,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            failure_threshold: 5,
            recovery_timeout: Duration::from_secs(60),
            success_threshold: 1,
        }
    }
}

impl CircuitBreaker {
    /// Reads a `circuit_breaker` block over the one that holds where it says nothing.
    pub(super) fn load(mut self, value: &Value, place: &Place, problems: &mut Problems) -> Self {
        let Some(mut fields) = Fields::open(value, place, "`circuit_breaker`", problems) else {
            return self;
        };
        if let Some(count) = fields.count("failure_threshold", 1, problems) {
            self.failure_threshold = u32::try_from(count).unwrap_or(u32::MAX);
        }
        if let Some(seconds) = fields.seconds("recovery_timeout", problems) {
            self.recovery_timeout = Duration::from_secs_f64(seconds);
        }
        if let Some(count) = fields.count("success_threshold", 1, problems) {
            self.success_threshold = u32::try_from(count).unwrap_or(u32::MAX);
        }
        fields.close(problems);
        self
    }
}
