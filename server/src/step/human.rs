//! `human`: asks a person, and gives the answer.
//!
//! The step itself only puts the question together. Its output asks, as that of any step may, and whoever runs the
//! pipeline waits.

use serde_json::Value;

use super::question::{Preset, Stage, load as load_question};
use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Place, Problem, Problems};

struct Human {
    preset: Preset,
    /// The step's own time, where its configuration says none.
    timeout_seconds: Option<Value>,
    /// Where the data has what is to be shown, where the configuration does not say.
    content_key: Option<&'static str>,
}

/// `human`, `human_input`
pub(super) fn load_input(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    load(config, Preset::Input, None)
}

/// `approval`
pub(super) fn load_approval(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    load(config, Preset::Approval, None)
}

/// The original library's review of `content`.
pub(super) fn load_review(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    load(config, Preset::Approval, Some("content"))
}

/// The original library's decision that cannot wait.
pub(super) fn load_urgent(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    load(config, Preset::Urgent, None)
}

fn load(
    config: &StepConfig<'_>,
    preset: Preset,
    content_key: Option<&'static str>,
) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let human = Human {
        preset,
        timeout_seconds: config.step.get("timeout_seconds").cloned(),
        content_key,
    };
    let whole = human.whole(config.config);
    let _question_of_the_run =
        load_question(&whole, &config.place, Stage::File, preset, &mut problems);
    made(human, problems)
}

impl Human {
    /// The configuration with the step's own time in it.
    fn whole(&self, config: &Value) -> Value {
        let mut whole = config.clone();
        let timed = ["timeout_seconds", "timeout", "decision_timeout"];
        if let (Some(object), Some(seconds)) = (whole.as_object_mut(), &self.timeout_seconds)
            && !timed.iter().any(|key| object.contains_key(*key))
        {
            object.insert("timeout_seconds".into(), seconds.clone());
        }
        whole
    }
}

impl Step for Human {
    fn is_idempotent(&self) -> bool {
        true
    }

    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let mut problems = Problems::default();
            let whole = self.whole(context.config());
            let place = Place::root().key("config");
            let question = load_question(&whole, &place, Stage::Run, self.preset, &mut problems);
            let (errors, _warnings) = problems.into_parts();
            let (Some(mut question), true) = (question, errors.is_empty()) else {
                let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
                let message = format!("the question cannot be asked: {}", told.join("; "));
                return Err(StepError::new(Category::Configuration, message));
            };
            let key = whole.get("content_key").and_then(Value::as_str);
            if let (None, Some(key)) = (&question.context, key.or(self.content_key)) {
                question.context = context.scope().lookup(key).cloned();
            }
            Ok(question.into_output())
        })
    }
}
