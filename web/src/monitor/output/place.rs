//! A place inside a value, and how it is written.

use std::sync::Arc;

use serde_json::Value;

/// A place inside a value.
#[derive(Clone, Debug)]
pub(super) struct Place {
    root: Arc<Value>,
    path: Vec<Key>,
}

/// One way down.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    Field(String),
    Item(usize),
}

impl Key {
    /// As it stands in front of its value.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Field(name) => name.clone(),
            Self::Item(at) => at.to_string(),
        }
    }
}

impl Place {
    pub(super) const fn root(root: Arc<Value>) -> Self {
        Self {
            root,
            path: Vec::new(),
        }
    }

    pub(super) const fn is_root(&self) -> bool {
        self.path.is_empty()
    }

    pub(super) fn child(&self, key: Key) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        Self {
            root: Arc::clone(&self.root),
            path,
        }
    }

    pub(super) fn value(&self) -> &Value {
        self.path.iter().fold(&*self.root, |value, key| {
            match key {
                Key::Field(name) => value.get(name),
                Key::Item(at) => value.get(at),
            }
            .unwrap_or(&Value::Null)
        })
    }

    /// The keys of the children from `from` on, [`PAGE`] of them, and how many there are in all.
    pub(super) fn keys(&self, from: usize) -> (Vec<Key>, usize) {
        match self.value() {
            Value::Array(items) => {
                let to = items.len().min(from + PAGE);
                ((from..to).map(Key::Item).collect(), items.len())
            }
            Value::Object(fields) => {
                let names = fields.keys().skip(from).take(PAGE);
                (names.cloned().map(Key::Field).collect(), fields.len())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (Vec::new(), 0),
        }
    }

    /// Its JSON path.
    pub(super) fn words(&self) -> String {
        let mut words = "$".to_owned();
        for key in &self.path {
            push_key(&mut words, key);
        }
        words
    }
}

/// Appends one way down to a JSON path.
pub(super) fn push_key(path: &mut String, key: &Key) {
    match key {
        Key::Item(at) => path.push_str(&format!("[{at}]")),
        Key::Field(name) if is_word(name) => {
            path.push('.');
            path.push_str(name);
        }
        Key::Field(name) => {
            let name = name.replace('\\', "\\\\").replace('\'', "\\'");
            path.push_str(&format!("['{name}']"));
        }
    }
}

fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next();
    first.is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// How many children are drawn at a time.
pub(super) const PAGE: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_found_again_and_paged() {
        let value = json!({"rows": (0..250).collect::<Vec<_>>()});
        let rows = Place::root(Arc::new(value)).child(Key::Field("rows".into()));
        assert_eq!(rows.keys(200).0.len(), 50);
        assert_eq!(rows.keys(0).1, 250);
        assert_eq!(rows.child(Key::Item(249)).value(), &json!(249));
        assert_eq!(rows.child(Key::Item(250)).value(), &Value::Null);
    }

    #[test]
    fn a_path_is_written_so_that_it_leads_there() {
        let root = Place::root(Arc::new(Value::Null));
        let field = |name: &str| Key::Field(name.to_owned());
        let place = root.child(field("a")).child(Key::Item(3));
        assert_eq!(place.words(), "$.a[3]");
        assert_eq!(root.child(field("it's a key")).words(), "$['it\\'s a key']");
        assert_eq!(
            root.child(field("3")).child(field("ü_1")).words(),
            "$['3'].ü_1"
        );
        assert_eq!(root.words(), "$");
    }
}
