//! The lines that a program writes: one JSON object each, of one of these shapes.
//!
//! - `{"progress": 0.3, "message": "…"}`
//! - `{"token": "…"}`
//! - `{"log": "…"}` or `{"log": {"level": "warning", "message": "…"}}`
//! - `{"output": …}`: the last one is the step's output
//! - `{"custom": {…}}`
//! - `{"artifact": "chart.png"}` or `{"artifact": {"path": "out/chart.png", "name": "chart.png", "media_type":
//!   "image/png"}}`: a file below the working folder, whole by now, is kept and announced
//! - `{"error": "…"}` or `{"error": {"category": "network", "message": "…"}}`: the step fails
//!
//! Anything else is a log line. No line, however long, takes more memory than [`LONGEST`].

use serde_json::{Map, Value};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::step::artifact::ArtifactLine;
use crate::step::{Category, LogLevel, StepError};

/// What one line says.
#[derive(Debug)]
pub(in crate::step) enum Line {
    Progress {
        fraction: f64,
        message: Option<String>,
    },
    Token(String),
    Log(Log),
    Output(Value),
    Custom(Map<String, Value>),
    Artifact(ArtifactLine),
    Error(StepError),
}

/// A line for the step's log.
#[derive(Debug)]
pub(in crate::step) struct Log {
    pub(in crate::step) level: LogLevel,
    pub(in crate::step) message: String,
}

/// Reads lines.
pub(in crate::step) struct Lines<R> {
    from: BufReader<R>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(in crate::step) fn new(from: R) -> Self {
        Self {
            from: BufReader::with_capacity(64 * 1024, from),
        }
    }

    /// The next line that is not empty; none at the end, and where reading fails.
    pub(super) async fn next(&mut self) -> Option<Line> {
        Some(match self.text().await? {
            Ok(text) => Line::parse(&text),
            Err(message) => warning(message),
        })
    }

    /// The text of the next line that is not empty, or why it was dropped; none at the end, and where reading fails.
    pub(in crate::step) async fn text(&mut self) -> Option<Result<String, String>> {
        loop {
            let (bytes, dropped) = self.raw().await?;
            if dropped > 0 {
                let length = bytes.len() + dropped;
                return Some(Err(format!(
                    "a line of {length} bytes is longer than {LONGEST}, and dropped"
                )));
            }
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim();
            if !text.is_empty() {
                return Some(Ok(text.to_owned()));
            }
        }
    }

    /// The bytes of a line, and how many more there were than are kept.
    async fn raw(&mut self) -> Option<(Vec<u8>, usize)> {
        let (mut line, mut dropped, mut any) = (Vec::new(), 0, false);
        loop {
            let chunk = self.from.fill_buf().await.ok()?;
            if chunk.is_empty() {
                return any.then_some((line, dropped));
            }
            any = true;
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            let kept = part.len().min(LONGEST - line.len());
            line.extend_from_slice(part.get(..kept).unwrap_or_default());
            dropped += part.len() - kept;
            let used = part.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() {
                return Some((line, dropped));
            }
        }
    }
}

/// All that a program says, as text.
pub(crate) async fn read_program(from: impl AsyncRead + Unpin) -> Vec<String> {
    let (mut lines, mut said) = (Lines::new(from), Vec::new());
    while let Some(line) = lines.next().await {
        said.push(format!("{line:?}"));
    }
    said
}

/// Reads text in the pieces in which it comes, characters whole.
pub(super) struct Text<R> {
    from: R,
    held: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Text<R> {
    pub(super) fn new(from: R) -> Self {
        Self {
            from,
            held: Vec::new(),
        }
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            let mut part = [0; 8 * 1024];
            let read = self.from.read(&mut part).await.unwrap_or_default();
            if read == 0 {
                let rest = std::mem::take(&mut self.held);
                let rest = String::from_utf8_lossy(&rest).into_owned();
                return (!rest.is_empty()).then_some(rest);
            }
            self.held
                .extend_from_slice(part.get(..read).unwrap_or_default());
            let whole = match std::str::from_utf8(&self.held) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Ok(_) | Err(_) => self.held.len(),
            };
            if whole > 0 {
                let rest = self.held.split_off(whole);
                let text = std::mem::replace(&mut self.held, rest);
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
}

impl Line {
    /// What a line says.
    pub(in crate::step) fn parse(text: &str) -> Self {
        let parsed = serde_json::from_str::<Map<String, Value>>(text);
        parsed.ok().and_then(known).unwrap_or_else(|| {
            Self::Log(Log {
                level: LogLevel::Info,
                message: short(text),
            })
        })
    }
}

fn known(mut map: Map<String, Value>) -> Option<Line> {
    if let Some(fraction) = map.get("progress").and_then(Value::as_f64) {
        let message = map.get("message").and_then(Value::as_str);
        return Some(Line::Progress {
            fraction,
            message: message.map(short),
        });
    }
    if map.len() != 1 {
        return None;
    }
    let (key, value) = map.iter_mut().next()?;
    let value = value.take();
    match (key.as_str(), value) {
        ("output", value) => Some(Line::Output(value)),
        ("token", Value::String(text)) => Some(Line::Token(text)),
        ("custom", Value::Object(data)) => Some(Line::Custom(data)),
        ("artifact", value) => ArtifactLine::read(&value).map(Line::Artifact),
        ("log", value) => {
            let level = value.get("level").and_then(Value::as_str);
            Some(Line::Log(Log {
                level: level.and_then(LogLevel::parse).unwrap_or(LogLevel::Info),
                message: message_of(&value),
            }))
        }
        ("error", value) => {
            let category = value.get("category").and_then(Value::as_str);
            let category = category
                .and_then(Category::parse)
                .unwrap_or(Category::Logic);
            Some(Line::Error(StepError::new(category, message_of(&value))))
        }
        _ => None,
    }
}

fn message_of(value: &Value) -> String {
    let text = value.as_str().or_else(|| value.get("message")?.as_str());
    text.map_or_else(|| short(&value.to_string()), short)
}

fn warning(message: String) -> Line {
    Line::Log(Log {
        level: LogLevel::Warning,
        message,
    })
}

fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST_LOG) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// The longest line that is read, in bytes.
const LONGEST: usize = 16 << 20;

/// The longest message, in characters.
const LONGEST_LOG: usize = 4096;
