//! What is wrong with a pipeline file, and where: authors mend all of it in one go.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong, with its place.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Problem {
    /// Where, as a JSON path: `$.flow.paths[2].condition.type`.
    pub path: String,
    /// What.
    pub message: String,
    /// What the author may have meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean `{suggestion}`?"),
            None => Ok(()),
        }
    }
}

/// A place in a JSON document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place(String);

impl Place {
    /// The whole document, `$`.
    pub fn root() -> Self {
        Self("$".to_owned())
    }

    /// A member of the object at this place.
    pub fn key(&self, key: &str) -> Self {
        let plain = !key.is_empty()
            && !key.starts_with(|c: char| c.is_ascii_digit())
            && key.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain {
            Self(format!("{}.{key}", self.0))
        } else {
            Self(format!("{}['{}']", self.0, key.replace('\'', "\\'")))
        }
    }

    /// An element of the array at this place.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Collects what is wrong while a document is read.
#[derive(Debug, Default)]
pub struct Problems {
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    /// How often it was asked what was meant.
    guesses: usize,
}

impl Problems {
    /// What keeps the pipeline from loading.
    pub fn error(&mut self, place: &Place, message: impl Into<String>) {
        self.errors.push(problem(place, message.into(), None));
    }

    /// An error at a word that may be a slip for one of `known`.
    pub fn unknown<'k>(
        &mut self,
        place: &Place,
        message: impl Into<String>,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        let suggestion = self.guess(word, known);
        self.errors.push(problem(place, message.into(), suggestion));
    }

    /// What a word may be a slip for. Asked for too often it gives nothing: each answer looks at every known word.
    pub fn guess<'k>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) -> Option<String> {
        self.guesses += 1;
        (self.guesses <= MOST_GUESSES)
            .then(|| closest(word, known))
            .flatten()
    }

    /// What loads, and is worth a look.
    pub fn warn(&mut self, place: &Place, message: impl Into<String>, suggestion: Option<String>) {
        self.warnings
            .push(problem(place, message.into(), suggestion));
    }

    /// Takes over problems found elsewhere.
    pub fn extend(&mut self, problems: Vec<Problem>) {
        self.errors.extend(problems);
    }

    /// Whether nothing keeps the pipeline from loading.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// `value`, where nothing is wrong.
    ///
    /// # Errors
    /// With everything that is.
    pub fn into_result<T>(self, value: T) -> Result<T, Vec<Problem>> {
        if self.is_empty() {
            Ok(value)
        } else {
            Err(self.errors)
        }
    }

    /// The errors and the warnings.
    pub fn into_parts(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.errors, self.warnings)
    }
}

/// The one of `known` that `word` is most likely a slip for. Of very many, or very long ones, it looks at some: the
/// time to compare two words grows with the product of their lengths.
pub fn closest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<String> {
    if word.len() > LONGEST_WORD {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .into_iter()
        .take(MOST_KNOWN)
        .filter(|known| *known != word && known.len() <= LONGEST_WORD)
        .map(|known| {
            let score = strsim::jaro_winkler(&lower, &known.to_lowercase());
            (score, known)
        })
        .filter(|(score, _)| *score >= LIKELY)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known.to_owned())
}

fn problem(place: &Place, message: String, suggestion: Option<String>) -> Problem {
    Problem {
        path: place.to_string(),
        message,
        suggestion,
    }
}

/// Guesses in one document.
pub const MOST_GUESSES: usize = 50;

/// Words that one is compared with.
const MOST_KNOWN: usize = 1_000;

/// Longer words are compared with none, in bytes.
const LONGEST_WORD: usize = 100;

/// Jaro-Winkler similarity from which a slip is likely.
const LIKELY: f64 = 0.82;
