//! The circuit breaker that stands in front of a step.

use serde::Serialize;
use serde_json::Value;

use super::read::{count_of, delay_of, text_of};

/// A circuit breaker, as it was told last.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct CircuitView {
    /// Its name.
    pub name: Option<String>,
    /// `closed`, `open` or `half_open`.
    pub state: String,
    /// Failures counted.
    pub failures: Option<u64>,
    /// While open: until when no attempt is made, in milliseconds since 1970.
    pub retry_at: Option<u64>,
}

impl CircuitView {
    pub(super) fn read(data: &Value, at: Option<u64>) -> Option<Self> {
        let delay = delay_of(data, "retry_after_ms");
        Some(Self {
            name: text_of(data, "name"),
            state: text_of(data, "state")?,
            failures: count_of(data, "failures"),
            retry_at: at.zip(delay).map(|(at, delay)| at.saturating_add(delay)),
        })
    }

    /// The state in a word for people.
    pub fn words(&self) -> &str {
        match self.state.as_str() {
            "open" => "circuit open",
            "half_open" => "circuit half open",
            "closed" => "circuit closed",
            other => other,
        }
    }
}
