//! In place of conditions, in a build that cannot evaluate any: the headless client asks for none, and would be a third
//! larger.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// A condition, of which there is none in this build: the feature `conditions` is not on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub enum Condition {}

/// A text that is no condition.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`where` is not understood by this build")]
pub struct ConditionError;

impl Condition {
    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        match *self {}
    }

    /// Whether it holds of the event that is this JSON.
    pub fn holds(&self, _json: &str) -> bool {
        match *self {}
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(_text: &str) -> Result<Self, ConditionError> {
        Err(ConditionError)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(_deserializer: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom(ConditionError))
    }
}
