//! Rules that name values by their path in an event, compiled once for all of them.
//!
//! All rules are one machine whose state is a set of places, one bit each: a place is before a segment of a rule, or
//! after its last. One step down into a value is a few operations on words, however many rules there are.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::Value;
use thiserror::Error;

use super::REDACTED;

/// Rules, ready to be applied.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The places before a name, by the name in small letters.
    names: HashMap<Box<str>, Places>,
    /// The places before `*`.
    any: Places,
    /// The places before `**`.
    deep: Places,
    /// The places after the last segment.
    end: Places,
    /// Where every rule begins.
    begin: Places,
    used: usize,
}

/// A rule that is none.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{rule}`: {why}")]
pub struct BadRule {
    /// Which of the rules, from 0.
    pub at: usize,
    /// The rule.
    pub rule: String,
    /// What is wrong with it.
    pub why: &'static str,
}

enum Segment {
    Name(String),
    Any,
    Deep,
}

impl Rules {
    /// Reads rules: names with dots between them, from the event down (`data.headers.authorization`). `*` is any one
    /// member or element, `**` is any number of them, none included; a name that holds a dot or a star stands in
    /// quotes. Capital and small letters are the same.
    ///
    /// # Errors
    /// The first that is none.
    pub fn parse<'r>(texts: impl IntoIterator<Item = &'r str>) -> Result<Self, BadRule> {
        let mut rules = Self::default();
        for (at, text) in texts.into_iter().enumerate() {
            segments(text)
                .and_then(|segments| rules.add(segments))
                .map_err(|why| BadRule {
                    at,
                    rule: text.to_owned(),
                    why,
                })?;
        }
        Ok(rules)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.used == 0
    }

    fn add(&mut self, segments: Vec<Segment>) -> Result<(), &'static str> {
        if self.used + segments.len() + 1 > Places::MOST {
            return Err("there are too many rules: all together have at most 500 names and stars");
        }
        self.begin.add(self.used);
        for segment in segments {
            match segment {
                Segment::Name(name) => self.names.entry(name.into()).or_default().add(self.used),
                Segment::Any => self.any.add(self.used),
                Segment::Deep => self.deep.add(self.used),
            }
            self.used += 1;
        }
        self.end.add(self.used);
        self.used += 1;
        Ok(())
    }

    pub(super) fn touches(&self, path: &[&str], value: &Value) -> bool {
        let places = self.at(path);
        self.is_end(places) || self.touches_below(places, value)
    }

    pub(super) fn apply(&self, path: &[&str], value: &mut Value) {
        let places = self.at(path);
        if self.is_end(places) {
            *value = REDACTED.into();
        } else {
            self.apply_below(places, value);
        }
    }

    fn at(&self, path: &[&str]) -> Places {
        let begin = self.passed(self.begin);
        path.iter()
            .fold(begin, |places, name| self.down(places, name))
    }

    fn touches_below(&self, places: Places, value: &Value) -> bool {
        if places.is_empty() {
            return false;
        }
        let reached =
            |places: Places, value| self.is_end(places) || self.touches_below(places, value);
        match value {
            Value::Object(map) => {
                let mut members = map.iter();
                members.any(|(key, value)| reached(self.down(places, key), value))
            }
            Value::Array(list) => {
                let places = self.down_any(places);
                list.iter().any(|value| reached(places, value))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }

    fn apply_below(&self, places: Places, value: &mut Value) {
        if places.is_empty() {
            return;
        }
        let reach = |places: Places, value: &mut Value| {
            if self.is_end(places) {
                *value = REDACTED.into();
            } else {
                self.apply_below(places, value);
            }
        };
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    reach(self.down(places, key), value);
                }
            }
            Value::Array(list) => {
                let places = self.down_any(places);
                list.iter_mut().for_each(|value| reach(places, value));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// From these places into the member of this name.
    fn down(&self, places: Places, name: &str) -> Places {
        let name = match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => Cow::Owned(name.to_ascii_lowercase()),
            false => Cow::Borrowed(name),
        };
        let here = match self.names.get(&*name) {
            Some(named) => self.any.or(*named),
            None => self.any,
        };
        self.passed(places.and(here).next().or(places.and(self.deep)))
    }

    /// From these places into an element.
    fn down_any(&self, places: Places) -> Places {
        self.passed(places.and(self.any).next().or(places.and(self.deep)))
    }

    /// With what `**` passes over none to: two of them never follow one another.
    fn passed(&self, places: Places) -> Places {
        places.or(places.and(self.deep).next())
    }

    fn is_end(&self, places: Places) -> bool {
        !places.and(self.end).is_empty()
    }
}

/// The segments of one rule.
fn segments(text: &str) -> Result<Vec<Segment>, &'static str> {
    let mut segments = Vec::new();
    let mut rest = text;
    loop {
        let (segment, after) = segment(rest)?;
        let repeats = matches!(
            (&segment, segments.last()),
            (Segment::Deep, Some(Segment::Deep))
        );
        if !repeats {
            segments.push(segment);
        }
        match after.strip_prefix('.') {
            Some(next) => rest = next,
            None if after.is_empty() => break,
            None => return Err("after a name in quotes comes a dot, or nothing"),
        }
    }
    match segments.first() {
        Some(Segment::Name(name)) if !ROOTS.contains(&name.as_str()) => {
            return Err(
                "it begins with `data`, `metadata`, `*` or `**`: nothing else of an event is redacted",
            );
        }
        _ => {}
    }
    if matches!(segments.last(), Some(Segment::Deep)) {
        return Err("it ends with a name or `*`: what lies below goes with it");
    }
    Ok(segments)
}

fn segment(text: &str) -> Result<(Segment, &str), &'static str> {
    if text.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(text).into_iter::<String>();
        let Some(Ok(name)) = names.next() else {
            return Err("a name in quotes is written as in JSON");
        };
        let after = text.get(names.byte_offset()..).unwrap_or_default();
        return Ok((Segment::Name(name.to_ascii_lowercase()), after));
    }
    let (word, _) = text.split_once('.').unwrap_or((text, ""));
    let after = text.get(word.len()..).unwrap_or_default();
    let segment = match word {
        "" => return Err("a name is missing"),
        "*" => Segment::Any,
        "**" => Segment::Deep,
        word if word.contains(['*', '"', '[', ']']) => {
            return Err(
                "a star stands alone between dots, elements of lists are `*`, and a name with other signs stands in quotes",
            );
        }
        word => Segment::Name(word.to_ascii_lowercase()),
    };
    Ok((segment, after))
}

/// What of an event is redacted.
const ROOTS: [&str; 2] = ["data", "metadata"];

/// A set of places.
#[derive(Clone, Copy, Debug, Default)]
struct Places([u64; 8]);

impl Places {
    const MOST: usize = 512;

    fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    fn is_empty(self) -> bool {
        self.0 == [0; 8]
    }

    fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Each place, one further.
    fn next(self) -> Self {
        let mut carried = 0;
        Self(self.0.map(|word| {
            let moved = word << 1 | carried;
            carried = word >> 63;
            moved
        }))
    }

    fn zip(mut self, other: Self, both: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = both(*word, other);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redacted(rules: &[&str], data: Value) -> Value {
        let rules = Rules::parse(rules.iter().copied()).unwrap();
        let mut redacted = data.clone();
        rules.apply(&["data"], &mut redacted);
        assert_eq!(rules.touches(&["data"], &data), redacted != data);
        redacted
    }

    #[test]
    fn a_rule_names_a_member_at_its_depth() {
        let data = json!({"a": {"b": 1, "c": [{"b": 2}, {"B": 3, "d": {"b": 4}}]}, "b": 5});
        for (rules, expected) in [
            (
                vec!["data.a.b"],
                json!({"a": {"b": REDACTED, "c": [{"b": 2}, {"B": 3, "d": {"b": 4}}]}, "b": 5}),
            ),
            (
                vec!["*.b"],
                json!({"a": {"b": 1, "c": [{"b": 2}, {"B": 3, "d": {"b": 4}}]}, "b": REDACTED}),
            ),
            (
                vec!["data.a.c.*.b"],
                json!({"a": {"b": 1, "c": [{"b": REDACTED}, {"B": REDACTED, "d": {"b": 4}}]}, "b": 5}),
            ),
            (
                vec!["**.b"],
                json!({"a": {"b": REDACTED, "c": [{"b": REDACTED}, {"B": REDACTED, "d": {"b": REDACTED}}]}, "b": REDACTED}),
            ),
            (
                vec!["data.a.**.d.b", "data.b"],
                json!({"a": {"b": 1, "c": [{"b": 2}, {"B": 3, "d": {"b": REDACTED}}]}, "b": REDACTED}),
            ),
            (vec!["data.a"], json!({"a": REDACTED, "b": 5})),
            (
                vec!["data.**.**.c"],
                json!({"a": {"b": 1, "c": REDACTED}, "b": 5}),
            ),
            (vec!["metadata.a", "data.b.x", "data.x"], data.clone()),
            (vec!["data"], json!(REDACTED)),
        ] {
            assert_eq!(redacted(&rules, data.clone()), expected, "{rules:?}");
        }
        assert_eq!(
            redacted(&[r#"data."a.b"."*""#], json!({"a.b": {"*": 1, "x": 2}})),
            json!({"a.b": {"*": REDACTED, "x": 2}})
        );
    }

    #[test]
    fn a_bad_rule_is_refused_with_its_place() {
        for rule in [
            "",
            ".",
            "data.",
            "data..a",
            "input.a",
            "data.**",
            "data.a*",
            "data.a[0]",
            "data.\"a",
            "data.\"a\"b",
            "step_id",
        ] {
            let bad = Rules::parse(["data.a", rule]).unwrap_err();
            assert_eq!((bad.at, bad.rule.as_str()), (1, rule));
        }
        let many = vec!["data.a.b.c.d.e.f.g.h.i"; 60];
        assert_eq!(Rules::parse(many).unwrap_err().at, 46);
    }

    #[test]
    fn rules_do_not_run_into_each_other_across_words() {
        let rules: Vec<String> = (0..120).map(|n| format!("data.k{n}.v")).collect();
        let data: Value = (0..130)
            .map(|n| (format!("k{n}"), json!({"v": n, "w": n})))
            .collect();
        let redacted = redacted(&rules.iter().map(String::as_str).collect::<Vec<_>>(), data);
        for n in 0..130 {
            let expected = if n < 120 { json!(REDACTED) } else { json!(n) };
            assert_eq!(redacted[format!("k{n}")], json!({"v": expected, "w": n}));
        }
    }
}
