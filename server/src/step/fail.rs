//! `fail`: fails on purpose, to show and to test what happens then.

use serde_json::{Value, json};

use super::registry::made;
use super::{Category, Severity, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};

struct Fail {
    /// Attempts that fail, of each iteration; none for all.
    times: Option<u32>,
    category: Category,
}

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let (mut times, mut category) = (None, Category::Unknown);
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        times = fields
            .count("times", 0, &mut problems)
            .map(|times| u32::try_from(times).unwrap_or(u32::MAX));
        if let Some(word) = fields.text("category", &mut problems) {
            match Category::parse(word) {
                Some(known) => category = known,
                None => problems.unknown(
                    &fields.place("category"),
                    format!("unknown category of errors `{word}`"),
                    word,
                    Category::ALL.iter().map(|category| category.as_str()),
                ),
            }
        }
        let _resolved_later = (fields.value("message"), fields.value("output"));
        fields.close(&mut problems);
    }
    made(Fail { times, category }, problems)
}

impl Step for Fail {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let attempt = context.attempt();
            let config = context.config();
            if self.times.is_some_and(|times| attempt > times) {
                let output = config.get("output").cloned();
                return Ok(output.unwrap_or_else(|| json!({"attempts": attempt})));
            }
            let message = config.get("message").and_then(Value::as_str);
            let message = message.unwrap_or("failed on purpose");
            Err(StepError::new(self.category, message).with_severity(Severity::Error))
        })
    }
}
