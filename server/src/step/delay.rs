//! `delay`: waits, and says how far it is.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};
use crate::pipeline::template::has_placeholder;

struct Delay;

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        match fields.value("seconds") {
            Some(value) if has_placeholder(value) => {}
            Some(_) => {
                fields.seconds("seconds", &mut problems);
            }
            None => problems.error(&config.place, "`delay` needs `seconds`"),
        }
        let _shown = fields.value("message");
        fields.close(&mut problems);
    }
    made(Delay, problems)
}

impl Step for Delay {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            let seconds = seconds(context.config())?;
            let message = context.config().get("message").and_then(Value::as_str);
            let whole = Duration::from_secs_f64(seconds);
            let part = (whole / UPDATES).max(SHORTEST);
            let begun = Instant::now();
            while begun.elapsed() + part < whole {
                tokio::time::sleep(part).await;
                let fraction = begun.elapsed().as_secs_f64() / seconds;
                if fraction < 1.0 {
                    context.emit_progress(fraction, message).await;
                }
            }
            tokio::time::sleep_until(begun + whole).await;
            context.emit_progress(1.0, message).await;
            Ok(json!({"waited_seconds": seconds}))
        })
    }
}

fn seconds(config: &Value) -> Result<f64, StepError> {
    let value = config.get("seconds").unwrap_or(&Value::Null);
    let number = value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok());
    number
        .filter(|seconds| (0.0..=31_536_000.0).contains(seconds))
        .ok_or_else(|| {
            let message = format!("`seconds` is a number of seconds, not {value}");
            StepError::new(Category::Configuration, message)
        })
}

/// How often a delay says how far it is, unless that were more often than [`SHORTEST`].
const UPDATES: u32 = 20;

const SHORTEST: Duration = Duration::from_millis(100);
