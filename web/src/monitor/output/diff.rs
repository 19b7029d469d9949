//! What differs between two values, place by place.

use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;
use similar::DiffOp;
use similar::algorithms::{Capture, Replace, myers};

use super::place::{Key, push_key};
use super::short;

/// What differs, as far as it is listed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Diff {
    pub(super) changes: Vec<Change>,
    /// Whether there is more than is listed.
    pub(super) more: bool,
}

/// One place that differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Its JSON path: in the new value, of what was removed in the old one.
    pub(super) path: String,
    pub(super) kind: Kind,
}

/// How a place differs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// It is new.
    Added(String),
    /// It is gone.
    Removed(String),
    /// It is another value.
    Changed(String, String),
    /// It is another text.
    Rewritten(Vec<Part>),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub(super) side: Side,
    pub(super) text: String,
}

/// In which of two texts something is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Both,
    Old,
    New,
}

/// What differs between two values.
pub(super) fn diff(old: &Value, new: &Value) -> Diff {
    let mut diff = Diff::default();
    diff.compare(&mut "$".to_owned(), old, new);
    diff
}

impl Diff {
    fn compare(&mut self, path: &mut String, old: &Value, new: &Value) {
        if self.more || old == new {
            return;
        }
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for (name, value) in old {
                    let key = Key::Field(name.clone());
                    self.below(path, &key, |diff, path| match new.get(name) {
                        Some(new) => diff.compare(path, value, new),
                        None => diff.tell(path, Kind::Removed(brief(value))),
                    });
                }
                for (name, value) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
                    let key = Key::Field(name.clone());
                    self.below(path, &key, |diff, path| {
                        diff.tell(path, Kind::Added(brief(value)));
                    });
                }
            }
            (Value::Array(old), Value::Array(new)) => self.compare_lists(path, old, new),
            (Value::String(old), Value::String(new)) => {
                let kind = match rewritten(old, new) {
                    Some(parts) => Kind::Rewritten(parts),
                    None => Kind::Changed(brief_text(old), brief_text(new)),
                };
                self.tell(path, kind);
            }
            _ => self.tell(path, Kind::Changed(brief(old), brief(new))),
        }
    }

    fn compare_lists(&mut self, path: &mut String, old: &[Value], new: &[Value]) {
        for op in ops(&hashes(old), &hashes(new)) {
            let (was, is) = (op.old_range(), op.new_range());
            if matches!(op, DiffOp::Equal { .. }) {
                continue;
            }
            // what stands in the same place of a stretch that differs is taken for the same thing
            for step in 0..was.len().max(is.len()) {
                let (from, to) = (was.start + step, is.start + step);
                let before = old.get(from).filter(|_| step < was.len());
                let after = new.get(to).filter(|_| step < is.len());
                let at = if after.is_some() { to } else { from };
                self.below(path, &Key::Item(at), |diff, path| match (before, after) {
                    (Some(before), Some(after)) => diff.compare(path, before, after),
                    (Some(before), None) => diff.tell(path, Kind::Removed(brief(before))),
                    (None, Some(after)) => diff.tell(path, Kind::Added(brief(after))),
                    (None, None) => {}
                });
            }
        }
    }

    fn below(&mut self, path: &mut String, key: &Key, look: impl FnOnce(&mut Self, &mut String)) {
        let end = path.len();
        push_key(path, key);
        look(self, path);
        path.truncate(end);
    }

    fn tell(&mut self, path: &str, kind: Kind) {
        if self.changes.len() >= MAX_CHANGES {
            self.more = true;
        } else {
            let path = path.to_owned();
            self.changes.push(Change { path, kind });
        }
    }
}

/// What two texts have in common, by words, or by lines where they are long; none where that tells nothing.
fn rewritten(old: &str, new: &str) -> Option<Vec<Part>> {
    if old.len().min(new.len()) < LEAST_TEXT || old.len() + new.len() > MOST_TEXT {
        return None;
    }
    let words = |text| split(text, char::is_whitespace);
    let lines = |text| split(text, |c| c == '\n');
    let (mut before, mut after) = (words(old), words(new));
    if before.len() + after.len() > MOST_COMPARED {
        (before, after) = (lines(old), lines(new));
    }
    let tell = |side, of: &[&str], range: std::ops::Range<usize>| Part {
        side,
        text: of.get(range).unwrap_or_default().concat(),
    };
    let mut parts = Vec::new();
    for op in ops(&hashes(&before), &hashes(&after)) {
        if matches!(op, DiffOp::Equal { .. }) {
            parts.push(tell(Side::Both, &after, op.new_range()));
        } else {
            parts.push(tell(Side::Old, &before, op.old_range()));
            parts.push(tell(Side::New, &after, op.new_range()));
        }
    }
    parts.retain(|part| !part.text.is_empty());
    parts
        .iter()
        .any(|part| part.side == Side::Both)
        .then_some(parts)
}

/// The pieces of a text, each with what ends it.
fn split(text: &str, ends: impl Fn(char) -> bool) -> Vec<&str> {
    text.split_inclusive(ends).collect()
}

/// How one list becomes the other.
fn ops(old: &[u64], new: &[u64]) -> Vec<DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let left = old.len().min(new.len()) - head;
    let ends = old.iter().rev().zip(new.iter().rev());
    let tail = ends.take(left).take_while(|(a, b)| a == b).count();
    let (was, is) = (head..old.len() - tail, head..new.len() - tail);
    let around = |middle: Vec<DiffOp>| {
        let equal = |old_index, new_index, len| {
            (len > 0).then_some(DiffOp::Equal {
                old_index,
                new_index,
                len,
            })
        };
        let (first, last) = (equal(0, 0, head), equal(was.end, is.end, tail));
        first.into_iter().chain(middle).chain(last).collect()
    };
    if was.len() + is.len() > MOST_COMPARED {
        // more work than a page may take: place by place
        let whole = DiffOp::Replace {
            old_index: was.start,
            old_len: was.len(),
            new_index: is.start,
            new_len: is.len(),
        };
        return around(vec![whole]);
    }
    let mut found = Replace::new(Capture::new());
    match myers::diff(&mut found, old, was.clone(), new, is.clone()) {
        Ok(()) => around(found.into_inner().into_ops()),
        Err(never) => match never {},
    }
}

fn hashes<T: Hash>(of: &[T]) -> Vec<u64> {
    let hash = |one: &T| {
        let mut hasher = DefaultHasher::new();
        one.hash(&mut hasher);
        hasher.finish()
    };
    of.iter().map(hash).collect()
}

fn brief(value: &Value) -> String {
    short::json(value, BRIEF_BYTES)
}

fn brief_text(text: &str) -> String {
    short::cut(text, BRIEF_BYTES).0
}

/// The most places that are listed.
const MAX_CHANGES: usize = 500;
/// The most list items, words or lines that are compared with each other: at worst their product is the work.
const MOST_COMPARED: usize = 4_000;
/// Of shorter texts it is easier to see both.
const LEAST_TEXT: usize = 24;
/// Of longer texts nobody reads the difference here.
const MOST_TEXT: usize = 256 << 10;
/// The longest value in a line.
const BRIEF_BYTES: usize = 200;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The differences, a line each.
    fn told(old: &Value, new: &Value) -> Vec<String> {
        let told = |change: &Change| match &change.kind {
            Kind::Added(value) => format!("+ {} {value}", change.path),
            Kind::Removed(value) => format!("- {} {value}", change.path),
            Kind::Changed(old, new) => format!("{} {old} > {new}", change.path),
            Kind::Rewritten(parts) => {
                let parts = parts.iter().map(|part| match part.side {
                    Side::Both => part.text.clone(),
                    Side::Old => format!("[-{}]", part.text),
                    Side::New => format!("[+{}]", part.text),
                });
                format!("{} {}", change.path, parts.collect::<String>())
            }
        };
        diff(old, new).changes.iter().map(told).collect()
    }

    #[test]
    fn fields_come_go_and_change() {
        let (old, new) = (
            json!({"a":1,"b":[1],"c":{"d":null}}),
            json!({"a":2,"c":{"d":true},"e":"x"}),
        );
        let expected = ["$.a 1 > 2", "- $.b [1]", "$.c.d null > true", "+ $.e \"x\""];
        assert_eq!(told(&old, &new), expected);
        assert_eq!(told(&old, &old), Vec::<String>::new());
        assert_eq!(told(&json!([1]), &json!({"a":1})), ["$ [1] > {\"a\":1}"]);
    }

    #[test]
    fn an_item_that_was_put_in_front_changes_no_other() {
        let list = |ids: &[i32]| Value::Array(ids.iter().map(|id| json!({"id": id})).collect());
        assert_eq!(
            told(&list(&[1, 2, 3]), &list(&[0, 1, 2, 3])),
            ["+ $[0] {\"id\":0}"]
        );
        assert_eq!(
            told(&list(&[1, 2, 3]), &list(&[1, 3])),
            ["- $[1] {\"id\":2}"]
        );
        assert_eq!(
            told(&list(&[1, 2, 3]), &list(&[1, 9, 3])),
            ["$[1].id 2 > 9"]
        );
        assert_eq!(told(&list(&[1, 2]), &list(&[2, 1])).len(), 2);
    }

    #[test]
    fn a_long_text_says_which_words_are_new() {
        let (old, new) = (
            json!("The tide comes in at noon today."),
            json!("The tide comes in at dusk today."),
        );
        assert_eq!(
            told(&old, &new),
            ["$ The tide comes in at [-noon ][+dusk ]today."]
        );
        assert_eq!(told(&json!("a"), &json!("b")), ["$ a > b"]);
        let other = json!("Nothing-of-this-is-in-the-other-text");
        assert_eq!(diff(&old, &other).changes.len(), 1);
    }

    #[test]
    fn much_that_differs_is_bounded() {
        let list =
            |from: usize| Value::Array((from..from + 100_000).map(|n| json!({"n": n})).collect());
        let found = diff(&list(0), &list(1_000_000));
        assert_eq!((found.changes.len(), found.more), (MAX_CHANGES, true));
        let moved = diff(&list(0), &list(1));
        assert!(!moved.changes.is_empty());
    }
}
