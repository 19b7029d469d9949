//! The operators of conditions, by word and by symbol.

use std::cmp::Ordering;

use serde_json::Value;

/// How two values are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operator {
    /// The same value; numbers by amount, so that 1 is 1.0.
    Equals,
    /// Another value, or none at all.
    NotEquals,
    /// The same text but for case.
    EqualsIgnoreCase,
    /// A larger number, or a later text.
    GreaterThan,
    /// Not smaller.
    GreaterOrEqual,
    /// A smaller number, or an earlier text.
    LessThan,
    /// Not larger.
    LessOrEqual,
    /// One of a list, a part of a text, a key of an object.
    In,
    /// None of them.
    NotIn,
    /// Holds: the other way round of [`Operator::In`].
    Contains,
    /// Does not hold.
    NotContains,
    /// A text that begins so.
    StartsWith,
    /// A text that ends so.
    EndsWith,
    /// A text in which the regular expression is found.
    Matches,
    /// There is a value, and it is not null.
    Exists,
    /// There is none.
    NotExists,
    /// None, null, false, 0, or an empty text, list or object.
    Empty,
    /// Anything else.
    NotEmpty,
}

impl Operator {
    /// The operator of a word or a symbol.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.trim().to_lowercase().replace([' ', '-'], "_");
        SPELLINGS
            .iter()
            .find(|(_, spellings)| spellings.contains(&word.as_str()))
            .map(|(operator, _)| *operator)
    }

    /// Every spelling.
    pub fn spellings() -> impl Iterator<Item = &'static str> {
        SPELLINGS
            .iter()
            .flat_map(|(_, spellings)| *spellings)
            .copied()
    }

    /// Whether it asks about one value alone.
    pub fn is_unary(self) -> bool {
        matches!(
            self,
            Self::Exists | Self::NotExists | Self::Empty | Self::NotEmpty
        )
    }

    /// The operator in words, as in "score is at least 5".
    pub fn words(self) -> &'static str {
        match self {
            Self::Equals => "is",
            Self::NotEquals => "is not",
            Self::EqualsIgnoreCase => "is, whatever the case,",
            Self::GreaterThan => "is greater than",
            Self::GreaterOrEqual => "is at least",
            Self::LessThan => "is less than",
            Self::LessOrEqual => "is at most",
            Self::In => "is in",
            Self::NotIn => "is not in",
            Self::Contains => "contains",
            Self::NotContains => "does not contain",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
            Self::Matches => "matches",
            Self::Exists => "exists",
            Self::NotExists => "does not exist",
            Self::Empty => "is empty",
            Self::NotEmpty => "is not empty",
        }
    }

    /// Whether it holds. What is not there is neither larger nor smaller than anything, and no error.
    /// [`Operator::Matches`] is decided by the expression that the condition has compiled.
    pub fn holds(self, left: Option<&Value>, right: &Value) -> bool {
        let value = left.unwrap_or(&Value::Null);
        let order = || compare(value, right);
        match self {
            Self::Equals => equal(value, right),
            Self::NotEquals => !equal(value, right),
            Self::EqualsIgnoreCase => match (value.as_str(), right.as_str()) {
                (Some(a), Some(b)) => a.to_lowercase() == b.to_lowercase(),
                _ => equal(value, right),
            },
            Self::GreaterThan => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Self::LessThan => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::In => contains(right, value),
            Self::NotIn => !contains(right, value),
            Self::Contains => contains(value, right),
            Self::NotContains => !contains(value, right),
            Self::StartsWith => texts(value, right).is_some_and(|(a, b)| a.starts_with(b)),
            Self::EndsWith => texts(value, right).is_some_and(|(a, b)| a.ends_with(b)),
            Self::Matches => false,
            Self::Exists => !value.is_null(),
            Self::NotExists => value.is_null(),
            Self::Empty => !is_truthy(value),
            Self::NotEmpty => is_truthy(value),
        }
    }
}

/// Whether a value counts as true: not null, false, 0, nor an empty text, list or object.
pub fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(_), Value::Number(_)) => compare(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// Numbers by amount, a text that spells a number too where the other is a number; texts by character.
fn compare(a: &Value, b: &Value) -> Option<Ordering> {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return Some(a.cmp(&b));
    }
    if let (Some(a), Some(b)) = (a.as_u64(), b.as_u64()) {
        return Some(a.cmp(&b));
    }
    if let Some((a, b)) = texts(a, b) {
        return Some(a.cmp(b));
    }
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    number(a)?.partial_cmp(&number(b)?)
}

fn contains(whole: &Value, part: &Value) -> bool {
    match whole {
        Value::Array(list) => list.iter().any(|value| equal(value, part)),
        Value::String(text) => part.as_str().is_some_and(|part| text.contains(part)),
        Value::Object(map) => part.as_str().is_some_and(|key| map.contains_key(key)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn texts<'a>(a: &'a Value, b: &'a Value) -> Option<(&'a str, &'a str)> {
    Some((a.as_str()?, b.as_str()?))
}

const SPELLINGS: [(Operator, &[&str]); 18] = [
    (
        Operator::Equals,
        &["equals", "==", "=", "equal", "eq", "is"],
    ),
    (
        Operator::NotEquals,
        &["not_equals", "!=", "<>", "not_equal", "ne", "neq", "is_not"],
    ),
    (Operator::EqualsIgnoreCase, &["equals_ignore_case"]),
    (Operator::GreaterThan, &["greater_than", ">", "gt"]),
    (
        Operator::GreaterOrEqual,
        &[
            "greater_than_or_equal",
            ">=",
            "greater_than_or_equals",
            "gte",
            "ge",
            "at_least",
        ],
    ),
    (Operator::LessThan, &["less_than", "<", "lt"]),
    (
        Operator::LessOrEqual,
        &[
            "less_than_or_equal",
            "<=",
            "less_than_or_equals",
            "lte",
            "le",
            "at_most",
        ],
    ),
    (Operator::In, &["in"]),
    (Operator::NotIn, &["not_in"]),
    (Operator::Contains, &["contains"]),
    (Operator::NotContains, &["not_contains"]),
    (Operator::StartsWith, &["starts_with", "startswith"]),
    (Operator::EndsWith, &["ends_with", "endswith"]),
    (Operator::Matches, &["regex", "matches", "=~"]),
    (Operator::Exists, &["exists", "is_set"]),
    (Operator::NotExists, &["not_exists", "is_not_set"]),
    (Operator::Empty, &["is_empty", "empty"]),
    (Operator::NotEmpty, &["is_not_empty", "not_empty"]),
];
