//! One field of a form: what it is called, what it takes, and how an answer is held to that.

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// What a field takes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    /// One line.
    Text,
    /// Several lines.
    Textarea,
    /// A number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of the options, all shown.
    Radio,
    /// One of the options.
    Select,
    /// Any of the options.
    Multiselect,
    /// An address.
    Email,
    /// A web address.
    Url,
    /// A day, `2025-10-22`.
    Date,
    /// A day and a time, `2025-10-22T10:30`, with or without a zone.
    Datetime,
    /// Not shown while it is typed.
    Password,
}

/// One of several answers.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Choice {
    /// What is answered: a text, a number, or true or false.
    pub value: Value,
    /// What the person reads.
    pub label: String,
}

/// A field.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Field {
    /// The key of the answer.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// What the person reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether an answer without it is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// What there is to choose from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<Choice>,
    /// Shown while the field is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<String>,
    /// The height of a text area.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// The least number; of a text its least length, of a list of options the fewest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// The greatest, in the same way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// Taken where the answer has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl FieldType {
    /// The type that a word of any spelling means.
    pub fn parse(word: &str) -> Option<Self> {
        let plain: String = word
            .to_lowercase()
            .chars()
            .filter(|c| !matches!(c, '-' | '_' | ' '))
            .collect();
        Some(match plain.as_str() {
            "text" | "string" | "input" | "str" => Self::Text,
            "textarea" | "multiline" | "longtext" => Self::Textarea,
            "number" | "integer" | "int" | "float" | "range" | "slider" => Self::Number,
            "boolean" | "bool" | "checkbox" | "toggle" | "switch" => Self::Boolean,
            "radio" | "buttons" | "radiogroup" => Self::Radio,
            "select" | "dropdown" | "choice" | "enum" => Self::Select,
            "multiselect" | "checkboxes" | "checkboxgroup" | "multichoice" => Self::Multiselect,
            "email" => Self::Email,
            "url" | "uri" => Self::Url,
            "date" => Self::Date,
            "datetime" | "datetimelocal" => Self::Datetime,
            "password" | "secret" => Self::Password,
            _ => return None,
        })
    }

    /// The words of `docs/protocol.md`.
    pub const WORDS: [&str; 12] = [
        "text",
        "textarea",
        "number",
        "boolean",
        "radio",
        "select",
        "multiselect",
        "email",
        "url",
        "date",
        "datetime",
        "password",
    ];

    /// Whether it is answered by its options.
    pub fn chooses(self) -> bool {
        matches!(self, Self::Radio | Self::Select | Self::Multiselect)
    }
}

impl Choice {
    /// The choice of a word, shown as it is.
    pub(super) fn of_word(word: &str) -> Self {
        Self {
            value: word.into(),
            label: word.to_owned(),
        }
    }
}

impl Field {
    /// A field of this type, and nothing more.
    pub(super) fn plain(name: &str, kind: FieldType, label: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            label: Some(label.to_owned()),
            required: false,
            options: Vec::new(),
            placeholder: None,
            rows: None,
            min: None,
            max: None,
            default: None,
            description: None,
        }
    }

    /// A field that one of these answers.
    pub(super) fn choice(name: &str, options: Vec<Choice>) -> Self {
        Self {
            options,
            required: true,
            label: None,
            ..Self::plain(name, FieldType::Radio, name)
        }
    }

    /// Whether nothing has been answered.
    pub(super) fn is_blank(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::String(text) => text.trim().is_empty(),
            Value::Array(list) => list.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
        }
    }

    /// Why a value that is not blank is no answer.
    pub(crate) fn wrong(&self, value: &Value) -> Option<String> {
        match self.kind {
            FieldType::Text | FieldType::Textarea | FieldType::Password => self.wrong_text(value),
            FieldType::Number => self.wrong_number(value),
            FieldType::Boolean => {
                (!value.is_boolean()).then(|| "is answered by true or false".to_owned())
            }
            FieldType::Radio | FieldType::Select => (!self.offers(value)).then(|| self.offered()),
            FieldType::Multiselect => self.wrong_list(value),
            FieldType::Email => {
                let text = value.as_str().unwrap_or_default();
                (!is_email(text)).then(|| "is an email address".to_owned())
            }
            FieldType::Url => {
                let url = value
                    .as_str()
                    .and_then(|text| text.parse::<axum::http::Uri>().ok());
                let fits = url.is_some_and(|url| {
                    matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some()
                });
                (!fits).then(|| "is a web address that begins with http:// or https://".to_owned())
            }
            FieldType::Date => {
                let day = value
                    .as_str()
                    .filter(|text| text.len() == "2025-10-22".len());
                let fits = day.is_some_and(|text| text.parse::<Date>().is_ok());
                (!fits).then(|| "is a day, as 2025-10-22".to_owned())
            }
            FieldType::Datetime => {
                let fits = value.as_str().is_some_and(is_datetime);
                (!fits).then(|| "is a day and a time, as 2025-10-22T10:30".to_owned())
            }
        }
    }

    fn wrong_text(&self, value: &Value) -> Option<String> {
        let Some(text) = value.as_str() else {
            return Some("is answered by a text".to_owned());
        };
        self.outside(count(text.chars().count()), "characters")
    }

    fn wrong_number(&self, value: &Value) -> Option<String> {
        match value.as_f64() {
            Some(number) => self.outside(number, ""),
            None => Some("is answered by a number".to_owned()),
        }
    }

    fn wrong_list(&self, value: &Value) -> Option<String> {
        let Some(list) = value.as_array() else {
            return Some("is answered by a list of its options".to_owned());
        };
        if !list.iter().all(|one| self.offers(one)) {
            return Some(self.offered());
        }
        let twice = list.iter().enumerate().any(|(at, one)| {
            let mut before = list.iter().take(at);
            before.any(|other| other == one)
        });
        if twice {
            return Some("names an option twice".to_owned());
        }
        self.outside(count(list.len()), "options")
    }

    fn outside(&self, number: f64, unit: &str) -> Option<String> {
        let bound = |bound: &Option<Number>| bound.as_ref().and_then(Number::as_f64);
        let told = |word: &str, bound: f64| {
            let told = format!("is {word} {bound} {unit}");
            Some(told.trim_end().to_owned())
        };
        if let Some(min) = bound(&self.min).filter(|min| number < *min) {
            return told("at least", min);
        }
        if let Some(max) = bound(&self.max).filter(|max| number > *max) {
            return told("at most", max);
        }
        None
    }

    fn offers(&self, value: &Value) -> bool {
        self.options.iter().any(|option| option.value == *value)
    }

    fn offered(&self) -> String {
        let values: Vec<String> = self.options.iter().map(|it| it.value.to_string()).collect();
        format!("is one of {}", values.join(", "))
    }
}

/// Lengths are far below what a float counts exactly.
#[expect(clippy::cast_precision_loss, reason = "a length of a text or a list")]
fn count(length: usize) -> f64 {
    length as f64
}

fn is_email(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(name, host)| {
        !name.is_empty()
            && !host.is_empty()
            && !host.starts_with('.')
            && !host.ends_with('.')
            && !text.contains(char::is_whitespace)
    })
}

fn is_datetime(text: &str) -> bool {
    let zoned = text.parse::<jiff::Timestamp>().is_ok();
    zoned || (text.contains('T') && text.parse::<DateTime>().is_ok())
}
