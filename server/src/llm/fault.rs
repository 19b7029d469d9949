//! Why a provider gave no answer, or half of one.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::provider::Provider;
use crate::step::{Category, StepError, retry_after};

/// Why there is no answer, without the provider's name.
#[derive(Debug)]
pub(crate) struct Fault {
    category: Category,
    message: String,
    retry_after: Option<Duration>,
}

impl Fault {
    pub(crate) fn new(category: Category, message: impl Into<String>) -> Self {
        Self {
            category,
            message: message.into(),
            retry_after: None,
        }
    }

    /// An event that cannot be read.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        let message = format!(
            "sent an event that cannot be read: {}",
            cut(&error.to_string())
        );
        Self::new(Category::Dependency, message)
    }

    /// An error that came as an event, in the middle of an answer: its JSON.
    pub(crate) fn sent(json: &str) -> Self {
        let error = serde_json::from_str(json).unwrap_or_else(|_| Value::from(json));
        let told = Told::of(&error);
        let category = told.category().unwrap_or(Category::Dependency);
        Self::new(category, format!("sent an error: {}", told.message))
    }

    /// A status that is no answer, with what came along.
    pub(crate) fn status(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(body);
        let error = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text.trim()));
        let told = Told::of(&error);
        // the quota is used up: to wait some seconds does not help
        let spent = told
            .kind
            .contains("insufficient_quota")
            .then_some(Category::Resource);
        let category = spent.unwrap_or_else(|| of_status(status.as_u16()));
        let message = if told.message.is_empty() {
            format!("answered {status}")
        } else {
            format!("answered {status}: {}", told.message)
        };
        Self {
            retry_after: retry_after(headers, SystemTime::now()),
            ..Self::new(category, message)
        }
    }

    /// A connection that failed. The error's own text names the URL: it is left out.
    pub(crate) fn transport(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::new(
                Category::Configuration,
                "cannot be asked: no such request can be built",
            );
        }
        let mut message = if error.is_connect() {
            "cannot be reached".to_owned()
        } else {
            "broke the connection off".to_owned()
        };
        let mut cause = std::error::Error::source(error);
        while let Some(error) = cause {
            message = format!("{message}: {error}");
            cause = error.source();
        }
        Self::new(Category::Network, message)
    }

    /// A connection on which nothing comes.
    pub(crate) fn silent(idle: Duration) -> Self {
        let message = format!("said nothing for {} s", idle.as_secs_f64());
        Self::new(Category::Timeout, message)
    }

    /// A stream that ended before its answer did.
    pub(crate) fn broken_off() -> Self {
        Self::new(
            Category::Network,
            "ended the stream before the end of its answer",
        )
    }

    /// As a step's error. Whatever a provider repeats, the key is not in it.
    pub(crate) fn into_error(self, provider: &Provider) -> StepError {
        let message = format!("provider `{}` {}", provider.name, self.message);
        let message = match &provider.key {
            Some(key) => key.removed_from(&message),
            None => message,
        };
        StepError::new(self.category, message).with_retry_after(self.retry_after)
    }
}

/// What a provider says of an error.
struct Told {
    message: String,
    /// Its type, code and status, in one text.
    kind: String,
    code: Option<u64>,
}

impl Told {
    fn of(error: &Value) -> Self {
        // Gemini answers with a list of one
        let error = error.get(0).unwrap_or(error);
        let error = error.get("error").unwrap_or(error);
        let message = ["message", "detail", "error"]
            .iter()
            .find_map(|key| error.get(*key)?.as_str());
        let message = match message.or_else(|| error.as_str()) {
            Some(message) => cut(message),
            None if error.is_null() => String::new(),
            None => cut(&error.to_string()),
        };
        let words = ["type", "code", "status"]
            .iter()
            .filter_map(|key| error.get(*key)?.as_str());
        let kind: Vec<String> = words.map(str::to_lowercase).collect();
        Self {
            message,
            kind: kind.join(" "),
            code: error.get("code").and_then(Value::as_u64),
        }
    }

    fn category(&self) -> Option<Category> {
        let found = KINDS.iter().find(|(word, _)| self.kind.contains(word));
        let by_code = || {
            let code = self.code.and_then(|code| u16::try_from(code).ok())?;
            (400..600).contains(&code).then(|| of_status(code))
        };
        found.map(|(_, category)| *category).or_else(by_code)
    }
}

fn of_status(status: u16) -> Category {
    match status {
        408 | 504 => Category::Timeout,
        401 | 403 | 404 | 407 | 300..=399 => Category::Configuration,
        402 => Category::Resource,
        409 | 429 | 500..=599 => Category::Dependency,
        _ => Category::Validation,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// What providers' words for errors mean here.
const KINDS: [(&str, Category); 12] = [
    ("insufficient_quota", Category::Resource),
    ("billing", Category::Resource),
    ("authentication", Category::Configuration),
    ("unauthenticated", Category::Configuration),
    ("invalid_api_key", Category::Configuration),
    ("permission", Category::Configuration),
    ("not_found", Category::Configuration),
    ("timeout", Category::Timeout),
    ("deadline", Category::Timeout),
    ("invalid", Category::Validation),
    ("badrequest", Category::Validation),
    ("bad_request", Category::Validation),
];

/// Characters of a provider's message that are repeated.
const MOST: usize = 400;
