//! JSON paths, and where in a text of JSON they lead.

/// One way down a JSON path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// A field of an object.
    Field(String),
    /// An item of a list.
    Item(usize),
}

impl Key {
    /// Whether it is the field of this name.
    pub(super) fn is(&self, name: &str) -> bool {
        matches!(self, Self::Field(field) if field == name)
    }
}

/// The keys of a path such as `$.steps[2]['odd key'].type`, as far as they can be read.
pub(super) fn keys(path: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut rest = path.strip_prefix('$').unwrap_or(path);
    loop {
        if let Some(quoted) = rest.strip_prefix("['") {
            let Some((name, after)) = unquoted(quoted) else {
                return keys;
            };
            keys.push(Key::Field(name));
            rest = after;
        } else if let Some(numbered) = rest.strip_prefix('[') {
            let item = numbered.split_once(']');
            let Some((Ok(at), after)) = item.map(|(at, after)| (at.parse(), after)) else {
                return keys;
            };
            keys.push(Key::Item(at));
            rest = after;
        } else {
            let named = rest.strip_prefix('.').unwrap_or(rest);
            let end = named.find(['.', '[']).unwrap_or(named.len());
            let (name, after) = named.split_at(end);
            if name.is_empty() {
                return keys;
            }
            keys.push(Key::Field(name.to_owned()));
            rest = after;
        }
    }
}

/// A name up to its closing quote, and what follows the bracket.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.push(chars.next()?.1),
            '\'' => return Some((name, text.get(at + 1..)?.strip_prefix(']')?)),
            c => name.push(c),
        }
    }
    None
}

/// The line, from 0, on which a path leads to something in a text of JSON; as far as it leads.
pub(super) fn line(text: &str, path: &str) -> usize {
    let mut reader = Reader { text, at: 0 };
    reader.blank();
    let mut found = reader.at;
    for key in keys(path) {
        match reader.enter(&key) {
            Some(at) => found = at,
            None => break,
        }
    }
    let before = text.as_bytes().get(..found).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count()
}

/// A place in a text of JSON. What is no JSON ends the way.
struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blank(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        self.blank();
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    /// Goes to the value behind a key of the value that begins here; where the key stands.
    fn enter(&mut self, key: &Key) -> Option<usize> {
        let (open, close) = match key {
            Key::Field(_) => (b'{', b'}'),
            Key::Item(_) => (b'[', b']'),
        };
        self.take(open)?;
        let mut number = 0;
        loop {
            self.blank();
            let begins = self.at;
            if self.peek()? == close {
                return None;
            }
            let is_it = match key {
                Key::Field(name) => {
                    let told = self.string()?;
                    self.take(b':')?;
                    self.blank();
                    serde_json::from_str::<String>(told).is_ok_and(|told| told == *name)
                }
                Key::Item(at) => *at == number,
            };
            if is_it {
                return Some(begins);
            }
            self.skip()?;
            self.take(b',')?;
            number += 1;
        }
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let begins = self.at;
        self.take(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        let text = self.text;
        text.get(begins..self.at)
    }

    /// Passes over a value.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' | b',' if depth == 0 => return Some(()),
                b'}' | b']' => {
                    depth -= 1;
                    self.at += 1;
                }
                _ => self.at += 1,
            }
            if depth == 0 && matches!(self.peek()?, b',' | b'}' | b']') {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "{\n  \"name\": \"A, b: {\\\" [\",\n  \"steps\": [\n    {\"id\": \"a\"},\n    {\n      \"id\": \"b\",\n      \
        \"it's\": {\"deep\":\n        1}\n    }\n  ],\n  \"\\u0066low\": {}\n}";

    #[test]
    fn a_path_is_read_key_by_key() {
        let field = |name: &str| Key::Field(name.to_owned());
        assert_eq!(
            keys("$.steps[2]['it\\'s a'].b"),
            [field("steps"), Key::Item(2), field("it's a"), field("b")]
        );
        assert_eq!(keys("input.n"), [field("input"), field("n")]);
        assert_eq!(keys("$"), []);
        assert_eq!(keys("$.a[x].b"), [field("a")]);
        assert_eq!(keys("$['a"), []);
    }

    #[test]
    fn a_path_leads_to_its_line_or_as_far_as_there_is_something() {
        for (path, expected) in [
            ("$", 0),
            ("$.name", 1),
            ("$.steps", 2),
            ("$.steps[0].id", 3),
            ("$.steps[1]", 4),
            ("$.steps[1].id", 5),
            ("$.steps[1]['it\\'s'].deep", 6),
            ("$.flow", 10),
            ("$.flow.start_at", 10),
            ("$.steps[7].id", 2),
            ("$.none", 0),
        ] {
            assert_eq!(line(TEXT, path), expected, "{path}");
        }
        // what is no JSON leads as far as it is one, and never out of it
        for end in 0..TEXT.len() {
            for path in ["$.steps[1].id", "$.flow"] {
                assert!(line(TEXT.get(..end).unwrap_or_default(), path) <= 10);
            }
        }
        assert_eq!(line("[\"\\", "$[1]"), 0);
    }
}
