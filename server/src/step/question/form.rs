//! The form of an answer: its fields, and the check that an answer is held to.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::field::{Choice, Field, FieldType};
use crate::pipeline::definition::problem::{MOST_GUESSES, closest};
use crate::pipeline::definition::{Place, Problem};

/// What an answer looks like: `FORM` of `docs/protocol.md`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Form {
    /// Above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Below that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// In the order in which they are shown; each name once.
    pub fields: Vec<Field>,
}

impl Form {
    /// A form of one field.
    pub(super) fn one(field: Field) -> Self {
        Self {
            fields: vec![field],
            ..Self::default()
        }
    }

    /// An answer in words.
    pub(super) fn input() -> Self {
        let field = Field::plain("user_input", FieldType::Textarea, "Your input");
        Self::one(Field {
            required: true,
            ..field
        })
    }

    /// A decision, and a comment on it.
    pub(super) fn approval() -> Self {
        let options = [
            ("approve", "Approve"),
            ("reject", "Reject"),
            ("request_changes", "Request changes"),
        ];
        let decision = Field {
            label: Some("Decision".to_owned()),
            ..Field::choice("decision", labelled(&options))
        };
        let comments = Field::plain("comments", FieldType::Textarea, "Comments");
        Self {
            fields: vec![decision, comments],
            ..Self::default()
        }
    }

    /// A decision that cannot wait.
    pub(super) fn urgent() -> Self {
        let options = [
            ("proceed", "Proceed"),
            ("abort", "Abort"),
            ("modify", "Modify"),
        ];
        Self::one(Field {
            label: Some("Your decision".to_owned()),
            ..Field::choice("decision", labelled(&options))
        })
    }

    /// The answer with one entry a field, where nothing is wrong with it.
    ///
    /// # Errors
    /// With the place below `place` of everything that is.
    pub fn check(
        &self,
        answer: &Map<String, Value>,
        place: &Place,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        self.fill(answer, place, true)
    }

    /// [`Form::check`] of an answer that nobody gives: what it leaves out is null, be it required.
    pub(super) fn check_default(
        &self,
        answer: &Map<String, Value>,
        place: &Place,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        self.fill(answer, place, false)
    }

    fn fill(
        &self,
        answer: &Map<String, Value>,
        place: &Place,
        whole: bool,
    ) -> Result<Map<String, Value>, Vec<Problem>> {
        let mut problems = self.unknown(answer, place);
        let mut filled = Map::new();
        for field in &self.fields {
            let given = answer
                .get(&field.name)
                .filter(|value| !Field::is_blank(value));
            let value = given.or(field.default.as_ref());
            let wrong = match value {
                Some(value) => field.wrong(value),
                None if field.required && whole => Some("is required".to_owned()),
                None => None,
            };
            match wrong {
                Some(message) => problems.push(Problem {
                    path: place.key(&field.name).to_string(),
                    message: format!("`{}` {message}", field.name),
                    suggestion: None,
                }),
                None => {
                    let value = value.cloned().unwrap_or_default();
                    filled.insert(field.name.clone(), value);
                }
            }
        }
        if problems.is_empty() {
            Ok(filled)
        } else {
            Err(problems)
        }
    }

    fn unknown(&self, answer: &Map<String, Value>, place: &Place) -> Vec<Problem> {
        let names = || self.fields.iter().map(|field| field.name.as_str());
        let known: BTreeSet<&str> = names().collect();
        let strange = answer.keys().filter(|key| !known.contains(key.as_str()));
        strange
            .enumerate()
            .map(|(at, key)| Problem {
                path: place.key(key).to_string(),
                message: format!("the form has no field `{key}`"),
                suggestion: (at < MOST_GUESSES).then(|| closest(key, names())).flatten(),
            })
            .collect()
    }
}

fn labelled(options: &[(&str, &str)]) -> Vec<Choice> {
    let choices = options.iter().map(|(value, label)| Choice {
        value: (*value).into(),
        label: (*label).to_owned(),
    });
    choices.collect()
}
