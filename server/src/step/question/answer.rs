//! The answer to a question.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Who answered.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AnswerSource {
    /// Somebody.
    Person,
    /// Nobody in time: it is the question's default.
    Default,
}

/// An answer, as the form wants it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Answer {
    /// One entry a field; null where nothing was given.
    #[serde(rename = "answer")]
    pub values: Map<String, Value>,
    /// Who says to have given it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where it comes from.
    pub source: AnswerSource,
}

impl Answer {
    /// What a step that asked gives: the rest of its own output, then the answer's fields, then what belongs to the
    /// answer as a whole.
    pub(crate) fn merged_into(self, mut output: Map<String, Value>) -> Value {
        let fields = self.values.clone();
        output.extend(fields);
        output.insert("human_input".into(), self.values.into());
        output.insert("responded_by".into(), self.by.into());
        let timed_out = self.source == AnswerSource::Default;
        output.insert("timed_out".into(), timed_out.into());
        output.into()
    }
}
