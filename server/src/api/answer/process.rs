//! Of the process itself.

use schemars::JsonSchema;
use serde::Serialize;

use crate::metrics::Definition;
use crate::subscriber::MetricsSnapshot;

/// The process answers.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Health {
    /// `ok`.
    pub(crate) status: &'static str,
    /// The server's version.
    pub(crate) version: &'static str,
}

/// The process can do its work.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Ready {
    /// `ready`.
    pub(crate) status: &'static str,
    /// Runs under way; for administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) running: Option<usize>,
    /// What was counted since the start; for administrators only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) totals: Option<MetricsSnapshot>,
}

/// What is measured.
#[derive(Debug, JsonSchema, Serialize)]
pub(crate) struct Metrics {
    /// Each metric, with its formula and its target.
    pub(crate) metrics: Vec<Definition>,
}
