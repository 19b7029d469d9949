//! `condition`: says whether conditions hold, for the paths of type `condition` and `else` behind it.

use serde_json::json;

use super::registry::made;
use super::{Step, StepConfig, StepContext, StepFuture};
use crate::pipeline::condition::Condition;
use crate::pipeline::definition::{Fields, Problem, Problems};

struct Conditions(Condition);

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let in_step = config.step.get("conditions");
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        if in_step.is_none() {
            let _known = fields.value("conditions");
        }
        fields.close(&mut problems);
    }
    let (conditions, place) = match (in_step, config.config.get("conditions")) {
        (Some(conditions), _) => (Some(conditions), config.step_place.key("conditions")),
        (None, conditions) => (conditions, config.place.key("conditions")),
    };
    let condition = match conditions.map(|value| (value, value.as_array())) {
        Some((_, Some(list))) => Condition::All(
            list.iter()
                .enumerate()
                .map(|(at, one)| Condition::parse(one, &place.index(at), &mut problems))
                .collect(),
        ),
        Some((one, None)) => Condition::parse(one, &place, &mut problems),
        None => {
            problems.error(&config.step_place, "`condition` needs `conditions`");
            Condition::Always
        }
    };
    made(Conditions(condition), problems)
}

impl Step for Conditions {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        let matched = self.0.holds(&context.scope());
        Box::pin(async move { Ok(json!({"matched": matched})) })
    }
}
