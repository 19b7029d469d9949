//! Why a step failed, in the categories by which retries and reports are decided.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use stepcast_core::id::StepId;
use thiserror::Error;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// A connection.
    Network,
    /// What was given or what came out does not look as it has to.
    Validation,
    /// It took too long.
    Timeout,
    /// Something ran out, or is not there.
    Resource,
    /// Another service or program.
    Dependency,
    /// The work itself.
    Logic,
    /// The pipeline or the server is set up wrongly.
    Configuration,
    /// Nobody knows.
    Unknown,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// A bug.
    Critical,
    /// The step failed.
    #[default]
    Error,
    /// The step may be of use nevertheless.
    Warning,
    /// Nothing is wrong.
    Info,
}

/// Why a step failed.
#[derive(Clone, Debug, Deserialize, Eq, Error, PartialEq, Serialize)]
#[error("{message}")]
pub struct StepError {
    /// What kind of thing went wrong.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, for people.
    pub message: String,
    /// Whether another attempt, or a fallback, makes sense.
    pub recoverable: bool,
    /// The step that failed, where the error is told for the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_id: Option<StepId>,
    /// When another attempt may be made, where somebody else has said so: `Retry-After`.
    #[serde(skip)]
    pub retry_after: Option<Duration>,
}

impl Category {
    /// Every category.
    pub const ALL: [Self; 8] = [
        Self::Network,
        Self::Validation,
        Self::Timeout,
        Self::Resource,
        Self::Dependency,
        Self::Logic,
        Self::Configuration,
        Self::Unknown,
    ];

    /// The category as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Validation => "validation",
            Self::Timeout => "timeout",
            Self::Resource => "resource",
            Self::Dependency => "dependency",
            Self::Logic => "logic",
            Self::Configuration => "configuration",
            Self::Unknown => "unknown",
        }
    }

    /// The category of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|category| category.as_str() == word)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl StepError {
    /// An error of a category; recoverable where the category is one that passes by itself.
    pub fn new(category: Category, message: impl Into<String>) -> Self {
        Self {
            category,
            severity: Severity::Error,
            message: message.into(),
            recoverable: matches!(
                category,
                Category::Network | Category::Timeout | Category::Dependency
            ),
            step_id: None,
            retry_after: None,
        }
    }

    /// The same error, after which another attempt is to wait for so long.
    #[must_use]
    pub fn with_retry_after(self, retry_after: Option<Duration>) -> Self {
        Self {
            retry_after,
            ..self
        }
    }

    /// The same error with another severity.
    #[must_use]
    pub fn with_severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same error, of a step.
    #[must_use]
    pub fn in_step(self, step: &str) -> Self {
        Self {
            step_id: Some(StepId::from(step)),
            ..self
        }
    }

    /// The step did not get to its end because the run did not want it any more.
    pub fn stopped(why: &str) -> Self {
        Self {
            recoverable: false,
            ..Self::new(Category::Unknown, why).with_severity(Severity::Info)
        }
    }
}
