//! What an operator says of the export by OTLP: the `[otlp]` table, and the variables that OpenTelemetry has for it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The `[otlp]` table. What it leaves out is taken from the variables of OpenTelemetry; without an endpoint in either,
/// nothing is sent.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct OtlpSettings {
    /// Where the collector listens for OTLP over HTTP: `/v1/traces` and `/v1/metrics` are put behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Whether traces are sent.
    pub traces: bool,
    /// Whether metrics are sent.
    pub metrics: bool,
    /// How often, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics_interval_ms: Option<u64>,
    /// What the server is called there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,
    /// Spans that wait for a collector; those past it are dropped, and counted.
    pub queue_spans: usize,
    /// What the environment says.
    #[serde(skip)]
    pub(crate) environment: Environment,
}

/// The variables of OpenTelemetry that count here. Some hold keys: none is shown.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            traces: true,
            metrics: true,
            metrics_interval_ms: None,
            service_name: None,
            queue_spans: 16_384,
            environment: Environment::default(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    pub(crate) fn of(variables: impl Iterator<Item = (String, String)>) -> Self {
        let ours =
            variables.filter(|(name, value)| name.starts_with("OTEL_") && !value.trim().is_empty());
        Self(ours.collect())
    }

    /// A variable's value; an empty one is none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.trim())
    }

    /// A variable of one signal, else that of all.
    pub(super) fn of_signal(&self, signal: &str, what: &str) -> Option<&str> {
        let own = self.get(&format!("OTEL_EXPORTER_OTLP_{signal}_{what}"));
        own.or_else(|| self.get(&format!("OTEL_EXPORTER_OTLP_{what}")))
    }
}
