//! `set`: gives values, with placeholders resolved.

use serde_json::Value;

use super::registry::made;
use super::{Step, StepConfig, StepContext, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};

struct Set;

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        if fields.object("values", &mut problems).is_none() && !fields.has(&["values"]) {
            problems.error(&config.place, "`set` needs `values`");
        }
        fields.close(&mut problems);
    }
    made(Set, problems)
}

impl Step for Set {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        let values = context.config().get("values").cloned();
        Box::pin(async move { Ok(values.unwrap_or(Value::Null)) })
    }
}
