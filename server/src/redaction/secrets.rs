//! Secrets of the environment, taken out of every text in which they stand.

use std::borrow::Cow;
use std::fmt;

use aho_corasick::{AhoCorasick, MatchKind};
use serde_json::{Map, Value};

use super::{LEAST_SECRET, REDACTED};

/// All secrets as one automaton: a text is looked through once, however many there are.
#[derive(Clone)]
pub(super) struct Secrets {
    automaton: AhoCorasick,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// None where none is long enough.
    pub(super) fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Option<Self> {
        let mut patterns = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref().trim();
            if secret.len() < LEAST_SECRET {
                continue;
            }
            patterns.push(secret.to_owned());
            // as it stands in JSON that is itself a text
            let escaped = Value::from(secret).to_string();
            let escaped = escaped.trim_matches('"');
            if escaped != secret {
                patterns.push(escaped.to_owned());
            }
        }
        if patterns.is_empty() {
            return None;
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&patterns);
        match automaton {
            Ok(automaton) => Some(Self { automaton }),
            Err(error) => {
                tracing::error!(%error, "secrets are not looked for: there are too many");
                None
            }
        }
    }

    pub(super) fn touches(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.automaton.is_match(text),
            Value::Array(list) => list.iter().any(|value| self.touches(value)),
            Value::Object(map) => map
                .iter()
                .any(|(key, value)| self.automaton.is_match(key) || self.touches(value)),
            Value::Number(number) => self.is_in(number),
            Value::Null | Value::Bool(_) => false,
        }
    }

    pub(super) fn apply(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.text(text) {
                    *text = redacted;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.apply(value)),
            Value::Object(map) => {
                if map.keys().any(|key| self.automaton.is_match(key)) {
                    let members = std::mem::take(map).into_iter();
                    *map = members
                        .map(|(key, value)| (self.text(&key).into_owned(), value))
                        .collect::<Map<String, Value>>();
                }
                map.values_mut().for_each(|value| self.apply(value));
            }
            Value::Number(number) => {
                if self.is_in(number) {
                    *value = REDACTED.into();
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.automaton.is_match(text) {
            return Cow::Borrowed(text);
        }
        let with = vec![REDACTED; self.automaton.patterns_len()];
        Cow::Owned(self.automaton.replace_all(text, &with))
    }

    /// A secret of digits may have been read as a number.
    fn is_in(&self, number: &serde_json::Number) -> bool {
        self.automaton.min_pattern_len() <= 20 && self.automaton.is_match(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_taken_out_wherever_it_stands() {
        let secrets = Secrets::new([
            "sk-12345678",
            "sk-12345678-long",
            "a\"b\\c\n-d",
            "12345678",
            "short",
        ]);
        let secrets = secrets.unwrap();
        let mut value = json!({
            "text": "key=sk-12345678, and sk-12345678-long!",
            "nested": [{"sk-12345678": 1, "n": 12_345_678, "m": 1.5}],
            "raw": "xa\"b\\c\n-dx",
            "json": json!({"k": "a\"b\\c\n-d"}).to_string(),
            "short": "short",
        });
        assert!(secrets.touches(&value));
        secrets.apply(&mut value);
        assert_eq!(
            value,
            json!({
                "text": "key=[redacted], and [redacted]!",
                "nested": [{"[redacted]": 1, "n": "[redacted]", "m": 1.5}],
                "raw": "x[redacted]x",
                "json": "{\"k\":\"[redacted]\"}",
                "short": "short",
            })
        );
        assert!(!secrets.touches(&value));
        assert!(Secrets::new(["short", "", "       x"]).is_none());
        assert_eq!(format!("{secrets:?}"), "Secrets");
    }
}
