//! What the attempts of an execution are given, and the schemas that it and its output are held to.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::attempt::{Execution, told};
use super::definition::{InputSource, Place, Schema};
use super::scope::Scope;
use super::template;
use crate::step::{Call, Category, StepError};

impl Execution<'_> {
    /// What the attempts are given: inputs found and checked, placeholders resolved.
    pub(super) async fn call(&self) -> Result<Call, StepError> {
        let inputs = self.inputs().await?;
        if let Some(schema) = &self.definition.input_schema {
            let subject = if self.definition.inputs.is_empty() {
                self.start.data.to_map()
            } else {
                inputs.clone()
            };
            self.check(Some(schema), &subject.into(), "input")?;
        }
        let config = if self.definition.templated {
            Arc::new(self.resolve(&self.definition.config).await)
        } else {
            Arc::clone(&self.definition.config)
        };
        Ok(Call {
            step_id: self.step_id.clone(),
            iteration: self.start.iteration,
            data: Arc::clone(&self.start.data),
            parameters: Arc::clone(&self.environment.parameters),
            input: Arc::clone(&self.environment.input),
            inputs,
            config,
            policy: Arc::clone(&self.environment.policy),
            asking: Arc::clone(&self.asking),
            trace: self.environment.emitter.trace().cloned(),
            began: self.began,
        })
    }

    async fn inputs(&self) -> Result<Map<String, Value>, StepError> {
        let mut inputs = Map::new();
        for input in &self.definition.inputs {
            let found = match &input.source {
                InputSource::Paths(paths) => {
                    let scope = self.scope();
                    paths.iter().find_map(|path| scope.lookup(path)).cloned()
                }
                InputSource::Template(value) => Some(self.resolve(value).await),
            };
            let Some(value) = found.or_else(|| input.default.clone()) else {
                if input.required {
                    let message = format!("input `{}` has no value", input.name);
                    return Err(StepError::new(Category::Validation, message));
                }
                continue;
            };
            let what = format!("input `{}`", input.name);
            self.check(input.schema.as_ref(), &value, &what)?;
            inputs.insert(input.name.clone(), value);
        }
        Ok(inputs)
    }

    pub(super) fn check(
        &self,
        schema: Option<&Schema>,
        value: &Value,
        what: &str,
    ) -> Result<(), StepError> {
        let wrong = schema.map_or_else(Vec::new, |schema| schema.check(value, &Place::root()));
        if wrong.is_empty() {
            return Ok(());
        }
        let message = format!("{what} does not fit its schema: {}", told(&wrong));
        Err(StepError::new(Category::Validation, message))
    }

    /// Resolves placeholders; those without a value stay, and a warning tells of each.
    pub(super) async fn resolve(&self, value: &Value) -> Value {
        let mut unresolved = Vec::new();
        let resolved = template::resolve(value, &self.scope(), &mut unresolved);
        for path in unresolved {
            let message = format!("`{{{{ {path} }}}}` has no value and is left as it is");
            let emitter = &self.environment.emitter;
            emitter.log(Some(&self.step_id), "warning", &message).await;
        }
        resolved
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            data: &self.start.data,
            parameters: &self.environment.parameters,
            input: &self.environment.input,
            failed: false,
        }
    }
}
