//! Reads objects field by field: what was asked for is what is known, so that no key is ignored in silence.

use serde_json::{Map, Value};

use super::problem::{Place, Problems};

/// An object being read.
#[derive(Debug)]
pub struct Fields<'a> {
    place: Place,
    map: &'a Map<String, Value>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens `value`; a problem where it is no object.
    pub fn open(
        value: &'a Value,
        place: &Place,
        what: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(map) = value.as_object() else {
            problems.error(
                place,
                format!("{what} is an object, not {}", kind_of(value)),
            );
            return None;
        };
        Some(Self {
            place: place.clone(),
            map,
            known: Vec::new(),
        })
    }

    /// Where the object is.
    pub fn here(&self) -> &Place {
        &self.place
    }

    /// Where a member of it is.
    pub fn place(&self, key: &str) -> Place {
        self.place.key(key)
    }

    /// Whether one of these members is there, be it null.
    pub fn has(&self, keys: &[&str]) -> bool {
        keys.iter().any(|key| self.map.contains_key(*key))
    }

    /// A member; null counts as absent.
    pub fn value(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// The first of several spellings of one member, with the spelling used.
    /// A problem where two are given and differ.
    pub fn either(
        &mut self,
        keys: &[&'static str],
        problems: &mut Problems,
    ) -> Option<(&'static str, &'a Value)> {
        let mut found: Option<(&'static str, &'a Value)> = None;
        for key in keys {
            let Some(value) = self.value(key) else {
                continue;
            };
            match found {
                None => found = Some((key, value)),
                Some((first, other)) if other != value => problems.error(
                    &self.place(key),
                    format!("`{first}` and `{key}` mean the same and differ"),
                ),
                Some(_) => {}
            }
        }
        found
    }

    /// A text.
    pub fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'a str> {
        let value = self.value(key)?;
        let text = value.as_str();
        if text.is_none() {
            self.wrong(key, "a text", value, problems);
        }
        text
    }

    /// True or false.
    pub fn flag(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.as_bool();
        if flag.is_none() {
            self.wrong(key, "true or false", value, problems);
        }
        flag
    }

    /// A whole number of at least `least`.
    pub fn count(&mut self, key: &'static str, least: u64, problems: &mut Problems) -> Option<u64> {
        let value = self.value(key)?;
        let count = value.as_u64().filter(|count| *count >= least);
        if count.is_none() {
            let wanted = format!("a whole number of at least {least}");
            self.wrong(key, &wanted, value, problems);
        }
        count
    }

    /// A number that `accept` takes; `wanted` says which those are.
    pub fn number(
        &mut self,
        key: &'static str,
        wanted: &str,
        accept: impl Fn(f64) -> bool,
        problems: &mut Problems,
    ) -> Option<f64> {
        let value = self.value(key)?;
        let number = value.as_f64().filter(|number| accept(*number));
        if number.is_none() {
            self.wrong(key, wanted, value, problems);
        }
        number
    }

    /// A span of time in seconds, zero included, at most a year.
    pub fn seconds(&mut self, key: &'static str, problems: &mut Problems) -> Option<f64> {
        self.number(
            key,
            "a number of seconds from 0 to 31536000",
            |s| (0.0..=YEAR).contains(&s),
            problems,
        )
    }

    /// An array.
    pub fn list(&mut self, key: &'static str, problems: &mut Problems) -> Option<&'a [Value]> {
        let value = self.value(key)?;
        let list = value.as_array().map(Vec::as_slice);
        if list.is_none() {
            self.wrong(key, "a list", value, problems);
        }
        list
    }

    /// An object.
    pub fn object(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<&'a Map<String, Value>> {
        let value = self.value(key)?;
        let object = value.as_object();
        if object.is_none() {
            self.wrong(key, "an object", value, problems);
        }
        object
    }

    /// Reports the members that nobody asked for, notes for people excepted.
    pub fn close(self, problems: &mut Problems) {
        for key in self.map.keys() {
            if !self.known.contains(&key.as_str()) && !is_note(key) {
                problems.unknown(
                    &self.place.key(key),
                    format!("unknown key `{key}`"),
                    key,
                    self.known.iter().copied(),
                );
            }
        }
    }

    fn wrong(&self, key: &str, wanted: &str, value: &Value, problems: &mut Problems) {
        let found = kind_of(value);
        problems.error(
            &self.place(key),
            format!("`{key}` is {wanted}, not {found}"),
        );
    }
}

/// What a value is, in words.
pub fn kind_of(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("\"{text}\""),
        Value::String(_) => "a text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Keys that people write for people; a pipeline does not run differently for them.
fn is_note(key: &str) -> bool {
    key.starts_with(['_', '$']) || key.starts_with("x-") || NOTES.contains(&key)
}

const NOTES: [&str; 26] = [
    "annotations",
    "author",
    "authors",
    "categories",
    "category",
    "comment",
    "comments",
    "created",
    "created_at",
    "created_by",
    "description",
    "display_name",
    "documentation",
    "icon",
    "label",
    "labels",
    "license",
    "metadata",
    "notes",
    "position",
    "tags",
    "title",
    "ui",
    "updated",
    "updated_at",
    "use_case",
];

const YEAR: f64 = 31_536_000.0;
