//! A question to a person: what is asked, the form of the answer, and until when.
//!
//! One loader reads every spelling: the configuration of a `human` step in the pipeline's file, the same once its
//! placeholders have values, and the output of a step that asks by `{"status": "human_input_required", …}`.

mod answer;
mod field;
mod form;
mod load;
mod load_field;
mod load_form;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use self::answer::{Answer, AnswerSource};
pub use self::field::{Choice, Field, FieldType};
pub use self::form::Form;
pub(crate) use self::load::{Preset, Stage, load};
use super::{Category, StepError};
use crate::pipeline::definition::{Place, Problem, Problems};
use crate::pipeline::emitter::is_larger_than;

/// A question, and the rest of the output that asks it.
type Asking = (Question, Map<String, Value>);

/// What a person is asked.
///
/// ```
/// use std::time::Duration;
///
/// use stepcast::step::Question;
///
/// let question = Question::choice("Publish it?", "decision", ["publish", "reject"])
///     .with_timeout(Duration::from_secs(3600));
/// assert_eq!(question.form.fields[0].name, "decision");
/// ```
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Question {
    /// In a sentence.
    pub prompt: String,
    /// What the answer looks like.
    pub form: Form,
    /// What the person should see beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// Who is meant; shown, and not enforced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assigned_users: Vec<String>,
    /// Where they should learn of it; shown, for programs that notify people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<String>,
    /// How long the answer may take; no limit where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// The answer at the deadline; without one the step fails then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Map<String, Value>>,
}

impl Question {
    /// A question that is answered in words, in the field `user_input`.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            form: Form::input(),
            context: None,
            assigned_users: Vec::new(),
            channels: Vec::new(),
            timeout: None,
            default: None,
        }
    }

    /// A question that is answered by one of these words, in the field `name`.
    pub fn choice<'a>(
        prompt: impl Into<String>,
        name: &str,
        choices: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let choices = choices.into_iter().map(Choice::of_word).collect();
        Self {
            form: Form::one(Field::choice(name, choices)),
            ..Self::new(prompt)
        }
    }

    /// Reads a question as a `human` step's configuration has it.
    ///
    /// # Errors
    /// With the place of everything that is wrong.
    pub fn from_json(value: &Value) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems::default();
        let question = load(
            value,
            &Place::root(),
            Stage::Run,
            Preset::Input,
            &mut problems,
        );
        let (errors, _warnings) = problems.into_parts();
        match question {
            Some(question) if errors.is_empty() => Ok(question),
            _ => Err(errors),
        }
    }

    /// The same question, to be answered within this time.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
            ..self
        }
    }

    /// The same question, with something to look at.
    #[must_use]
    pub fn with_context(self, context: impl Into<Value>) -> Self {
        Self {
            context: Some(context.into()),
            ..self
        }
    }

    /// The same question; at the deadline this is the answer.
    #[must_use]
    pub fn with_default(self, default: Map<String, Value>) -> Self {
        Self {
            default: Some(default),
            ..self
        }
    }

    /// The output of a step that asks this.
    pub(crate) fn into_output(self) -> Value {
        let seconds = self.timeout.map(|timeout| timeout.as_secs_f64());
        let mut output = Map::new();
        output.insert("status".into(), "human_input_required".into());
        for (key, value) in [
            ("prompt", Some(json!(self.prompt))),
            ("form", Some(json!(self.form))),
            ("context", self.context),
            ("assigned_users", Some(json!(self.assigned_users))),
            ("channels", Some(json!(self.channels))),
            ("timeout_seconds", seconds.map(Value::from)),
            ("default", self.default.map(Value::from)),
        ] {
            output.extend(value.map(|value| (key.to_owned(), value)));
        }
        output.into()
    }

    /// Why nobody can be asked this, where that is so.
    pub(crate) fn wrong(&self) -> Option<StepError> {
        let whole = json!([self.form, self.context, self.prompt]);
        if is_larger_than(&whole, LARGEST) {
            let message = format!("a question may have {LARGEST} bytes; this one is larger");
            return Some(StepError::new(Category::Validation, message));
        }
        let default = self.default.as_ref()?;
        let place = Place::root().key("default");
        let wrong = self.form.check_default(default, &place).err()?;
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        let message = format!("the question's default is no answer: {}", told.join("; "));
        Some(StepError::new(Category::Configuration, message))
    }

    /// The question that a step's output asks, and the rest of that output; none where it asks nothing.
    pub(crate) fn asked_by(output: &Value) -> Option<Result<Asking, StepError>> {
        let object = output.as_object()?;
        let status = object.get("status").and_then(Value::as_str)?;
        let preset = match status {
            "human_input_required" => Preset::Input,
            "time_sensitive_decision" => Preset::Urgent,
            _ => return None,
        };
        let mut problems = Problems::default();
        let question = load(output, &Place::root(), Stage::Output, preset, &mut problems);
        let (errors, _warnings) = problems.into_parts();
        let (Some(question), true) = (question, errors.is_empty()) else {
            let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
            let message = format!("the step's question cannot be asked: {}", told.join("; "));
            return Some(Err(StepError::new(Category::Validation, message)));
        };
        let rest = object
            .iter()
            .filter(|(key, _)| !load::KEYS.contains(&key.as_str()) && *key != "status");
        let rest = rest.map(|(key, value)| (key.clone(), value.clone()));
        Some(Ok((question, rest.collect())))
    }

    /// The `step_progress` that tells it.
    pub(crate) fn told(&self, wait_id: &str, expires_at: Option<&str>) -> Value {
        let mut data = Map::new();
        data.insert("kind".into(), "waiting".into());
        data.insert("wait_id".into(), wait_id.into());
        data.insert("prompt".into(), self.prompt.as_str().into());
        data.insert("form".into(), json!(self.form));
        if let Some(context) = &self.context {
            data.insert("context".into(), context.clone());
        }
        for (key, list) in [
            ("assigned_users", &self.assigned_users),
            ("channels", &self.channels),
        ] {
            if !list.is_empty() {
                data.insert(key.into(), json!(list));
            }
        }
        if let Some(time) = expires_at {
            data.insert("expires_at".into(), time.into());
            if let Some(default) = &self.default {
                data.insert("default".into(), default.clone().into());
            }
        }
        data.into()
    }
}

/// The largest question, in bytes: it is kept beside the log for as long as it is open.
const LARGEST: usize = 1 << 20;
