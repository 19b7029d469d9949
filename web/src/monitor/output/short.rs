//! Values in one short line, however long they are.

use std::io;

use serde_json::Value;

use crate::monitor::words;

/// What a folded value holds, in one line.
pub(super) fn preview(value: &Value) -> String {
    match value {
        Value::Array(items) => words::counted(items.len() as u64, "item"),
        Value::Object(fields) if fields.is_empty() => "empty".to_owned(),
        Value::Object(fields) => {
            let mut line = fields
                .keys()
                .take(5)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if fields.len() > 5 {
                line.push_str(", …");
            }
            cut(&line, PREVIEW_CHARS).0
        }
        Value::String(text) => cut(text, PREVIEW_CHARS).0,
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A leaf's kind and its text.
pub(super) fn leaf(value: &Value) -> (&'static str, String) {
    match value {
        Value::String(text) => ("string", text.clone()),
        Value::Number(number) => ("number", number.to_string()),
        Value::Null | Value::Bool(_) => ("word", value.to_string()),
        Value::Array(_) => ("empty", "[]".to_owned()),
        Value::Object(_) => ("empty", "{}".to_owned()),
    }
}

/// The first characters of a text, and how many were left out.
pub(super) fn cut(text: &str, most: usize) -> (String, usize) {
    match text.char_indices().nth(most) {
        Some((at, _)) => {
            let (head, tail) = text.split_at(at);
            (format!("{head}…"), tail.chars().count())
        }
        None => (text.to_owned(), 0),
    }
}

/// The beginning of a value's JSON: no more of it is written than is wanted.
pub(in crate::monitor) fn json(value: &Value, most: usize) -> String {
    let mut head = Head {
        bytes: Vec::new(),
        most,
    };
    let whole = serde_json::to_writer(&mut head, value).is_ok();
    let end = match std::str::from_utf8(&head.bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    head.bytes.truncate(end);
    let mut text = String::from_utf8_lossy(&head.bytes).into_owned();
    if !whole {
        text.push('…');
    }
    text
}

/// Takes so many bytes, and then no more.
struct Head {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for Head {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let room = self.most - self.bytes.len();
        if room == 0 && !more.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = more.get(..room.min(more.len())).unwrap_or(more);
        self.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The longest preview.
const PREVIEW_CHARS: usize = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview(&serde_json::json!([1, 2, 3])), "3 items");
        assert_eq!(
            preview(&serde_json::json!({"a":1,"b":2,"c":3,"d":4,"e":5,"f":6})),
            "a, b, c, d, e, …"
        );
        assert_eq!(preview(&"ü".repeat(100).into()).chars().count(), 81);
        assert_eq!(cut("abcdef", 4), ("abcd…".to_owned(), 2));
    }

    #[test]
    fn no_more_json_is_written_than_is_wanted() {
        assert_eq!(json(&serde_json::json!({"a":[1]}), 100), "{\"a\":[1]}");
        assert_eq!(json(&serde_json::json!({"a":[1]}), 9), "{\"a\":[1]}");
        assert_eq!(json(&serde_json::json!({"a":[1]}), 4), "{\"a\"…");
        // never within a character
        assert_eq!(json(&"üü".into(), 4), "\"ü…");
    }
}
