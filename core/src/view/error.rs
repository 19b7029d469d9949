//! An error as the view shows it, read from whatever an event holds.

use serde::Serialize;
use serde_json::Value;

use super::read::text_of;

/// An error, as events carry it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct ErrorView {
    /// `network`, `validation`, `timeout`, `resource`, `dependency`, `logic`, `configuration` or `unknown`.
    pub category: String,
    /// What went wrong.
    pub message: String,
    /// In which step, where the run's error names one.
    pub step_id: Option<String>,
    /// `critical`, `error`, `warning` or `info`, where the event says so.
    pub severity: Option<String>,
}

impl ErrorView {
    /// Reads an error of any form: the documented object, a bare text, or something else, kept as its JSON.
    pub(super) fn read(value: &Value) -> Self {
        let message = match value {
            Value::Object(_) => text_of(value, "message").unwrap_or_else(|| value.to_string()),
            Value::String(text) => text.clone(),
            Value::Null => "no message".to_owned(),
            Value::Bool(_) | Value::Number(_) | Value::Array(_) => value.to_string(),
        };
        Self {
            category: text_of(value, "category").unwrap_or_else(|| "unknown".to_owned()),
            message,
            step_id: text_of(value, "step_id"),
            severity: text_of(value, "severity"),
        }
    }

    /// An error that no event told, only the end of the run.
    pub(super) fn inferred(message: String) -> Self {
        Self {
            category: "unknown".to_owned(),
            message,
            step_id: None,
            severity: None,
        }
    }
}
