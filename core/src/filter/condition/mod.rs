//! Conditions on whole events, written in JMESPath.
//!
//! A condition comes from the network and is asked of every event, so its cost has bounds that do not depend on what
//! it says. It is short, and nests little. Of the language only that is taken which never makes a value larger than
//! what it was made of: paths, comparisons, `!`, `&&`, `||`, filters, projections, and the functions of
//! [`FUNCTIONS`]. Every value that comes up is then a part of the event, or a text or number made of such a part, and
//! no two elements of a list share a part. So an event costs at most its size times the length of the condition.

mod check;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, LazyLock};

use jmespath::functions as f;
use jmespath::{Expression, Runtime, Variable};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What must hold of an event, as a JMESPath expression over it.
///
/// It holds where its value is true by the rules of JMESPath: everything but `false`, `null`, and what is empty. It does
/// not hold where it cannot be evaluated, as when a text is asked of what is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition(Arc<Expression<'static>>);

/// A text that is no condition.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`where` is no condition: {0}")]
pub struct ConditionError(String);

impl Condition {
    /// Bytes of a condition at most.
    pub const LONGEST: usize = 512;

    /// How deep a condition may nest.
    pub const DEEPEST: usize = 32;

    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it holds of the event that is this JSON.
    pub fn holds(&self, json: &str) -> bool {
        let event = Variable::from_json(json).ok();
        let found = event.and_then(|event| self.0.search(event).ok());
        found.is_some_and(|value| value.is_truthy())
    }
}

/// Expressions are compared as they were written.
impl Eq for Condition {}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, ConditionError> {
        check::text(text).map_err(ConditionError)?;
        let expression = RUNTIME.compile(text).map_err(|error| {
            let place = error.column + 1;
            ConditionError(format!("at character {place}: {}", error.reason))
        })?;
        check::tree(expression.as_ast()).map_err(ConditionError)?;
        Ok(Self(Arc::new(expression)))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The functions that a condition may call. None gives more than it was given.
pub const FUNCTIONS: [&str; 16] = [
    "abs",
    "avg",
    "ceil",
    "contains",
    "ends_with",
    "floor",
    "keys",
    "length",
    "max",
    "min",
    "not_null",
    "starts_with",
    "sum",
    "to_number",
    "to_string",
    "type",
];

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = Runtime::new();
    let mut add = |name, function| runtime.register_function(name, function);
    add("abs", Box::new(f::AbsFn::new()) as Box<dyn f::Function>);
    add("avg", Box::new(f::AvgFn::new()));
    add("ceil", Box::new(f::CeilFn::new()));
    add("contains", Box::new(f::ContainsFn::new()));
    add("ends_with", Box::new(f::EndsWithFn::new()));
    add("floor", Box::new(f::FloorFn::new()));
    add("keys", Box::new(f::KeysFn::new()));
    add("length", Box::new(f::LengthFn::new()));
    add("max", Box::new(f::MaxFn::new()));
    add("min", Box::new(f::MinFn::new()));
    add("not_null", Box::new(f::NotNullFn::new()));
    add("starts_with", Box::new(f::StartsWithFn::new()));
    add("sum", Box::new(f::SumFn::new()));
    add("to_number", Box::new(f::ToNumberFn::new()));
    add("to_string", Box::new(f::ToStringFn::new()));
    add("type", Box::new(f::TypeFn::new()));
    runtime
});

#[cfg(test)]
mod tests;
