//! Classes written in Python, named by `module` and `step_class`: imported and run by a [worker] process.
//!
//! Nothing that a class does reaches further than its worker: one that crashes, hangs, prints or eats memory fails its
//! step, and the worker is replaced.
//!
//! [worker]: self::worker

mod pool;
mod settings;
mod worker;

use std::sync::Arc;

use serde_json::{Value, json};

pub(super) use self::pool::Pool;
pub use self::settings::PythonSettings;
use super::{Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Problem, Problems};

struct PythonClass {
    module: String,
    class: String,
    pool: Arc<Pool>,
}

/// A step that is this class.
pub(super) fn load(
    module: &str,
    class: &str,
    config: &StepConfig<'_>,
    pool: &Arc<Pool>,
) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    if !module.split('.').all(is_identifier) {
        let place = config.step_place.key("module");
        problems.error(&place, "a Python module looks like `package.module`");
    }
    if !is_identifier(class) {
        let key = if config.step.get("step_class").is_some() {
            "step_class"
        } else {
            "class"
        };
        problems.error(&config.step_place.key(key), "a Python class is one name");
    }
    super::registry::made(
        PythonClass {
            module: module.to_owned(),
            class: class.to_owned(),
            pool: Arc::clone(pool),
        },
        problems,
    )
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters
        .next()
        .is_some_and(|first| first.is_alphabetic() || first == '_')
        && characters.all(|character| character.is_alphanumeric() || character == '_')
}

impl Step for PythonClass {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move { self.execute(&context).await })
    }
}

impl PythonClass {
    async fn execute(&self, context: &StepContext) -> Result<Value, StepError> {
        let directory = context.policy().working_directory(None)?;
        let request = json!({
            "module": self.module,
            "class": self.class,
            "step_id": context.step_id(),
            "execution_id": context.execution_id(),
            "config": context.config(),
            "data": context.subject(),
            "trace": context.trace(),
        });
        let mut taken = self.pool.take(&directory).await?;
        let output = taken.worker.call(request, &directory, context).await;
        if taken.worker.is_alive() {
            taken.give_back(&self.pool);
        }
        output
    }
}
