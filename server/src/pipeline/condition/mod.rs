//! Conditions on paths: read and checked at load, so that an unknown one cannot end a run in silence.

mod operator;
mod parse;

use std::fmt;

use regex::Regex;
use serde_json::Value;

pub use operator::{Operator, is_truthy};

use super::scope::Scope;
use super::template;

/// When a path is taken.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Condition {
    /// Always.
    Always,
    /// Where no other path out of the step is.
    Otherwise,
    /// Where the step did not fail.
    Success,
    /// Where the step failed and `continue_on_error` kept the run going.
    Failure,
    /// Where the value at a path counts as true.
    Truthy(String),
    /// Where a comparison holds.
    Compare(Comparison),
    /// Where all hold.
    All(Vec<Self>),
    /// Where at least one holds.
    Any(Vec<Self>),
    /// Where it does not hold.
    Not(Box<Self>),
}

/// A value out of the scope, compared with one that the author gave.
#[derive(Clone, Debug)]
pub struct Comparison {
    source: String,
    operator: Operator,
    value: Value,
    regex: Option<Regex>,
}

impl Condition {
    /// Whether it holds. [`Condition::Otherwise`] does not: the caller decides it when all others are known.
    pub fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::Always => true,
            Self::Otherwise => false,
            Self::Success => !scope.failed,
            Self::Failure => scope.failed,
            Self::Truthy(path) => scope.lookup(path).is_some_and(is_truthy),
            Self::Compare(comparison) => comparison.holds(scope),
            Self::All(all) => all.iter().all(|one| one.holds(scope)),
            Self::Any(any) => any.iter().any(|one| one.holds(scope)),
            Self::Not(one) => !one.holds(scope),
        }
    }

    /// Whether it holds in every case.
    pub fn is_always(&self) -> bool {
        matches!(self, Self::Always)
    }

    /// Whether it is for the case that no other does.
    pub fn is_otherwise(&self) -> bool {
        matches!(self, Self::Otherwise)
    }

    /// Calls `visit` with every path of the scope that it reads.
    pub fn each_path(&self, visit: &mut impl FnMut(&str)) {
        match self {
            Self::Always | Self::Otherwise | Self::Success | Self::Failure => {}
            Self::Truthy(path) => visit(path),
            Self::Compare(comparison) => {
                visit(&comparison.source);
                template::each_path(&comparison.value, visit);
            }
            Self::All(many) | Self::Any(many) => many.iter().for_each(|one| one.each_path(visit)),
            Self::Not(one) => one.each_path(visit),
        }
    }

    /// Whether it, or a part of it, asks for a failure.
    pub fn asks_for_failure(&self) -> bool {
        match self {
            Self::Failure => true,
            Self::Always | Self::Otherwise | Self::Success | Self::Truthy(_) | Self::Compare(_) => {
                false
            }
            Self::All(many) | Self::Any(many) => many.iter().any(Self::asks_for_failure),
            Self::Not(one) => one.asks_for_failure(),
        }
    }
}

/// The condition in words.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => f.write_str("always"),
            Self::Otherwise => f.write_str("otherwise"),
            Self::Success => f.write_str("the step succeeded"),
            Self::Failure => f.write_str("the step failed"),
            Self::Truthy(path) => write!(f, "{path} is true"),
            Self::Compare(comparison) => comparison.fmt(f),
            Self::All(many) => joined(many, " and ", f),
            Self::Any(many) => joined(many, " or ", f),
            Self::Not(one) => write!(f, "not ({one})"),
        }
    }
}

impl Comparison {
    fn holds(&self, scope: &Scope<'_>) -> bool {
        let left = scope.lookup(&self.source);
        if self.operator == Operator::Matches {
            let text = left.and_then(Value::as_str);
            return match (&self.regex, text) {
                (Some(regex), Some(text)) => regex.is_match(text),
                _ => false,
            };
        }
        if template::has_placeholder(&self.value) {
            let right = template::resolve(&self.value, scope, &mut Vec::new());
            return self.operator.holds(left, &right);
        }
        self.operator.holds(left, &self.value)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.source, self.operator.words())?;
        if self.operator.is_unary() {
            return Ok(());
        }
        match self.value.as_str().map(template::source_paths) {
            Some(Some(paths)) if template::has_placeholder(&self.value) && paths.len() == 1 => {
                write!(f, " {}", paths.join(""))
            }
            _ => write!(f, " {}", self.value),
        }
    }
}

fn joined(many: &[Condition], by: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, one) in many.iter().enumerate() {
        if at > 0 {
            f.write_str(by)?;
        }
        match one {
            Condition::All(_) | Condition::Any(_) => write!(f, "({one})")?,
            Condition::Always
            | Condition::Otherwise
            | Condition::Success
            | Condition::Failure
            | Condition::Truthy(_)
            | Condition::Compare(_)
            | Condition::Not(_) => write!(f, "{one}")?,
        }
    }
    Ok(())
}
