//! What an operator wants to hold.

use serde::{Deserialize, Serialize};

use crate::telemetry::BOUNDS;

/// One of `[[slo]]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SloSettings {
    /// What it is called: letters, digits, `-` and `_`.
    pub name: String,
    /// What is counted.
    pub objective: Objective,
    /// For [`Objective::DeliveryLatency`] and [`Objective::ClientLatency`]: a delivery within so many milliseconds is good. One of the bounds of the
    /// buckets in which deliveries are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_ms: Option<f64>,
    /// The share that is to be good: above 0 and below 1.
    pub target: f64,
    /// Over so many seconds.
    #[serde(default = "thirty_days")]
    pub window_seconds: u64,
    /// No alert is given for a window in which less was counted.
    #[serde(default = "ten")]
    pub min_events: u64,
}

/// What an objective is about.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Of the deliveries of events to readers that were there, those within the threshold are good.
    DeliveryLatency,
    /// Of the deliveries that clients report, those within the threshold are good.
    ClientLatency,
    /// Of the readers that come back to a place, those that miss nothing are good.
    ResumesExact,
    /// Of the executions that ended, but for those that somebody cancelled, the complete ones are good.
    RunsCompleted,
}

/// The `[alerts]` table: who is told.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct AlertSettings {
    /// Alerts are posted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// The variable of the environment that holds the address, where it is a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_env: Option<String>,
    /// Whether that may be on the machine itself or its networks.
    pub inside: bool,
}

/// Which setting is wrong, and what about it.
type Wrong = (String, String);

/// Whether these objectives can be watched.
///
/// # Errors
/// The first setting that is wrong.
pub(crate) fn check(slos: &[SloSettings]) -> Result<(), Wrong> {
    for (at, slo) in slos.iter().enumerate() {
        let wrong = |key: &str, message: String| Err((format!("slo[{at}].{key}"), message));
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if slo.name.is_empty() || slo.name.len() > 64 || !slo.name.chars().all(is_word) {
            let message = "must be 1 to 64 letters, digits, `-` or `_`";
            return wrong("name", message.to_owned());
        }
        if slos.iter().take(at).any(|other| other.name == slo.name) {
            return wrong("name", format!("`{}` is there already", slo.name));
        }
        if !(slo.target > 0.0 && slo.target < 1.0) {
            let message = "must be above 0 and below 1, for example 0.999";
            return wrong("target", message.to_owned());
        }
        if !(HOUR..=90 * 24 * HOUR).contains(&slo.window_seconds) {
            let message = "must be from 3600, an hour, to 7776000, 90 days";
            return wrong("window_seconds", message.to_owned());
        }
        let is_bound = |ms: f64| {
            BOUNDS
                .iter()
                .any(|bound| *bound as f64 == (ms * 1e3).round())
        };
        match (slo.objective, slo.threshold_ms) {
            (Objective::DeliveryLatency | Objective::ClientLatency, Some(ms)) if is_bound(ms) => {}
            (Objective::DeliveryLatency | Objective::ClientLatency, _) => {
                let bounds = BOUNDS.map(|bound| (bound as f64 / 1e3).to_string());
                let message = format!("must be one of {}", bounds.join(", "));
                return wrong("threshold_ms", message);
            }
            (Objective::ResumesExact | Objective::RunsCompleted, None) => {}
            (Objective::ResumesExact | Objective::RunsCompleted, Some(_)) => {
                let message =
                    "is for the objectives `delivery_latency` and `client_latency`: leave it out";
                return wrong("threshold_ms", message.to_owned());
            }
        }
    }
    Ok(())
}

impl AlertSettings {
    /// Whether somebody can be told.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let wrong = |message: &str| Err(("alerts.webhook".to_owned(), message.to_owned()));
        if self.webhook.is_some() && self.webhook_env.is_some() {
            return wrong("and webhook_env are one too many: leave one of them out");
        }
        match &self.webhook {
            Some(url) if !is_web(url) => wrong("must be an address of http or https"),
            Some(_) | None => Ok(()),
        }
    }
}

/// Whether a text is an address of the web.
pub(super) fn is_web(text: &str) -> bool {
    reqwest::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))
}

const HOUR: u64 = 3600;

const fn thirty_days() -> u64 {
    30 * 24 * HOUR
}

const fn ten() -> u64 {
    10
}
