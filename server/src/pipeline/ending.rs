//! The end of a run: its output, and its one terminal event.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::event::EventType;

use super::attempt::{millis, told};
use super::definition::Place;
use super::result::{RunResult, RunStatus};
use super::runner::Run;
use super::scope::Scope;
use super::template;
use crate::step::{Category, StepError};

impl Run {
    /// The end of a run whose steps have all ended.
    pub(super) async fn conclude(mut self) -> RunResult {
        if let Some(broken) = self.environment.emitter.broken() {
            let message = format!("the run's events cannot be kept: {broken}");
            let error = StepError::new(Category::Resource, message);
            return self.end(RunStatus::Failed, Err(error)).await;
        }
        if let Some((status, error)) = self.ended.take() {
            return self.end(status, Err(error)).await;
        }
        if let Some(error) = self.scheduler.failure().cloned() {
            return self.end(RunStatus::Failed, Err(error)).await;
        }
        let output = self.output().await;
        let wrong = self
            .pipeline
            .output_schema()
            .map_or_else(Vec::new, |schema| schema.check(&output, &Place::root()));
        if wrong.is_empty() {
            return self.end(RunStatus::Completed, Ok(output)).await;
        }
        let message = format!("the output does not fit its schema: {}", told(&wrong));
        let error = StepError::new(Category::Validation, message);
        self.end(RunStatus::Failed, Err(error)).await
    }

    /// What the pipeline's `outputs` make of the data; without any, the data itself.
    async fn output(&self) -> Value {
        let data = self.scheduler.result();
        let Some(outputs) = self.pipeline.outputs() else {
            return data.to_map().into();
        };
        let scope = Scope {
            data: &data,
            parameters: &self.environment.parameters,
            input: &self.environment.input,
            failed: false,
        };
        let mut unresolved = Vec::new();
        let output = template::resolve_map(outputs, &scope, &mut unresolved);
        for path in unresolved {
            let message = format!("`{{{{ {path} }}}}` has no value and is left as it is");
            let emitter = &self.environment.emitter;
            emitter.log(None, "warning", &message).await;
        }
        output.into()
    }

    /// The terminal event, and the result.
    pub(super) async fn end(
        self,
        status: RunStatus,
        outcome: Result<Value, StepError>,
    ) -> RunResult {
        let duration_ms = millis(self.elapsed());
        let (event_type, data) = match &outcome {
            Ok(output) => {
                let data = json!({
                    "output": output,
                    "duration_ms": duration_ms,
                    "steps_completed": self.completed,
                });
                (EventType::PipelineComplete, data)
            }
            Err(error) => {
                let reason = status.reason();
                let data = json!({"error": error, "reason": reason, "duration_ms": duration_ms});
                (EventType::PipelineError, data)
            }
        };
        self.environment.emitter.emit(event_type, None, data).await;
        let (output, error) = match outcome {
            Ok(output) => (output, None),
            Err(error) => (Value::Null, Some(error)),
        };
        RunResult {
            status,
            input: Arc::clone(&self.environment.input),
            output,
            steps: self.records,
            error,
        }
    }
}
