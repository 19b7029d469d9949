//! How grave what an event tells is.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

use crate::event::EventType;

/// Levels of log lines and severities of errors, on one scale.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// For those who look for a fault.
    Debug,
    /// What went as it should.
    Info,
    /// What may come to more.
    Warning,
    /// What failed.
    Error,
    /// What failed, and takes the run along.
    Critical,
}

/// A word that is no level.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a level is debug, info, warning, error or critical")]
pub struct LevelError;

impl Level {
    const ALL: [Self; 5] = [
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// The level as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }

    /// The level of an event of this type with this JSON: that of a log line, or the severity of the error that it tells
    /// of. None where it is neither, or names none that is known.
    pub fn of(event_type: &EventType, json: &str) -> Option<Self> {
        let tells = match event_type {
            EventType::StepProgress => None,
            EventType::StepError | EventType::PipelineError => Some(true),
            EventType::PipelineStart
            | EventType::StepStart
            | EventType::StepOutput
            | EventType::StepComplete
            | EventType::PipelineComplete
            | EventType::CheckpointSaved
            | EventType::Unknown(_) => return None,
        };
        // most progress is tokens, and says so
        if tells.is_none() && !json.contains("\"level\"") && !json.contains("\"severity\"") {
            return None;
        }
        let Leveled { data } = serde_json::from_str(json).ok()?;
        let of_error = tells.unwrap_or(matches!(data.kind.as_deref(), Some("retry" | "fallback")));
        let word = match &data {
            Data {
                error: Some(error), ..
            } if of_error => error.severity.as_deref(),
            Data {
                kind: Some(kind),
                level,
                ..
            } if !of_error && kind == "log" => level.as_deref(),
            Data { .. } => None,
        };
        word?.parse().ok()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        let named = Self::ALL.into_iter().find(|level| level.as_str() == text);
        named.ok_or(LevelError)
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Deserialize)]
struct Leveled<'a> {
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    level: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    error: Option<Error<'a>>,
}

#[derive(Deserialize)]
struct Error<'a> {
    #[serde(borrow, default)]
    severity: Option<Cow<'a, str>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_and_errors_have_a_level() {
        for (event_type, data, level) in [
            (
                "step_progress",
                r#"{"kind":"log","level":"debug","message":"x"}"#,
                Some(Level::Debug),
            ),
            (
                "step_progress",
                r#"{"kind":"retry","attempt":2,"error":{"severity":"error"}}"#,
                Some(Level::Error),
            ),
            (
                "step_progress",
                r#"{"kind":"fallback","error":{"severity":"warning"}}"#,
                Some(Level::Warning),
            ),
            (
                "step_progress",
                r#"{"kind":"custom","level":"error"}"#,
                None,
            ),
            (
                "step_progress",
                r#"{"kind":"custom","error":{"severity":"error"}}"#,
                None,
            ),
            ("step_progress", r#"{"kind":"log","level":"loud"}"#, None),
            ("step_progress", r#"{"kind":"log","level":7}"#, None),
            (
                "step_progress",
                r#"{"kind":"token","text":"\"level\" x"}"#,
                None,
            ),
            ("step_progress", "7", None),
            (
                "step_error",
                r#"{"error":{"severity":"critical"}}"#,
                Some(Level::Critical),
            ),
            (
                "pipeline_error",
                r#"{"error":{"severity":"info"},"reason":"failed"}"#,
                Some(Level::Info),
            ),
            ("step_error", r#"{"error":"broken"}"#, None),
            ("step_output", r#"{"kind":"log","level":"error"}"#, None),
            ("step_dreamt", r#"{"kind":"log","level":"error"}"#, None),
        ] {
            let json = format!(r#"{{"event_type":"{event_type}","seq":1,"data":{data}}}"#);
            assert_eq!(Level::of(&event_type.into(), &json), level, "{json}");
        }
    }

    #[test]
    fn levels_are_written_as_they_are_read_and_in_order() {
        for level in Level::ALL {
            assert_eq!(level.as_str().parse(), Ok(level));
            assert_eq!(
                serde_json::to_string(&level).unwrap(),
                format!("\"{level}\"")
            );
        }
        assert!(Level::ALL.is_sorted());
        assert_eq!("fatal".parse::<Level>(), Err(LevelError));
    }
}
