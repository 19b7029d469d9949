//! The event that every server sends: the product's own shape, with a number and a time that cost little to find.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::job::Shape;

/// Makes the events of a shape.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    kind: &'static str,
    text: String,
    /// Where text is of words: how long it is, and of which.
    words: Option<(usize, Vec<&'static str>)>,
}

impl Maker {
    /// Events of `shape`, to within the digits of their numbers.
    pub(crate) fn new(shape: &Shape) -> Self {
        let kind = if shape.tokens { "token" } else { "custom" };
        let mut maker = Self {
            kind,
            text: String::new(),
            words: None,
        };
        let bare = maker.json(100, 10_000).len();
        let room = shape.event_bytes.saturating_sub(bare);
        if shape.words {
            let words = README.split(|letter: char| !letter.is_ascii_alphabetic());
            maker.words = Some((room, words.filter(|word| !word.is_empty()).collect()));
        } else {
            maker.text = "x".repeat(room);
        }
        maker
    }

    /// What stands in the event's `data`.
    pub(crate) fn data(&self, n: u64) -> Value {
        let at = unix_micros();
        match &self.words {
            Some((room, all)) => {
                json!({ "kind": self.kind, "n": n, "at": at, "text": words(n, *room, all) })
            }
            None => json!({ "kind": self.kind, "n": n, "at": at, "text": self.text }),
        }
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

/// So many bytes of words, drawn by the event's number: as frequent as among `all`, in no order, so that nothing longer
/// than a word comes again.
fn words(n: u64, room: usize, all: &[&str]) -> String {
    let mut text = String::with_capacity(room + 20);
    let mut draw = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while text.len() < room {
        draw ^= draw << 13;
        draw ^= draw >> 7;
        draw ^= draw << 17;
        let word = usize::try_from(draw % all.len() as u64).unwrap();
        text.push_str(all[word]);
        text.push(' ');
    }
    text.truncate(room);
    text
}

/// Prose of this repository.
const README: &str = include_str!("../../../README.md");

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
