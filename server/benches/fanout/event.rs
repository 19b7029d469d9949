//! The event that every server sends: the product's own shape, with a number and a time that cost little to find.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::job::Shape;

/// Makes the events of a shape.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    kind: &'static str,
    text: String,
}

impl Maker {
    /// Events of `shape`, to within the digits of their numbers.
    pub(crate) fn new(shape: &Shape) -> Self {
        let kind = if shape.tokens { "token" } else { "custom" };
        let mut maker = Self {
            kind,
            text: String::new(),
        };
        let bare = maker.json(100, 10_000).len();
        maker.text = "x".repeat(shape.event_bytes.saturating_sub(bare));
        maker
    }

    /// What stands in the event's `data`.
    pub(crate) fn data(&self, n: u64) -> Value {
        json!({ "kind": self.kind, "n": n, "at": unix_micros(), "text": self.text })
    }

    /// The same, of so many tokens, of which the last is `n` and the first came at `at`.
    pub(crate) fn merged(&self, n: u64, at: u64, tokens: u64, text: &str) -> Value {
        json!({ "kind": self.kind, "n": n, "at": at, "tokens": tokens, "text": text })
    }

    /// The whole event, as the product writes it.
    pub(crate) fn json(&self, stream: usize, n: u64) -> String {
        let (kind, at, text) = (self.kind, unix_micros(), &self.text);
        format!(
            r#"{{"event_type":"step_progress","execution_id":"run-{stream}","step_id":"answer","seq":{n},"timestamp":"2026-01-01T00:00:00.000Z","data":{{"kind":"{kind}","n":{n},"at":{at},"text":"{text}"}}}}"#
        )
    }
}

/// The time on the wall: the one clock that every process and language has.
pub(crate) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_micros()).unwrap()
}

/// Stands before an event's number, and nowhere else.
pub(crate) const NUMBER: &[u8] = br#""n":"#;

/// Stands between the number and the time.
pub(crate) const TIME: &[u8] = br#","at":"#;

/// Stands between the time and the number of tokens, where several are one event.
pub(crate) const TOKENS: &[u8] = br#","tokens":"#;
