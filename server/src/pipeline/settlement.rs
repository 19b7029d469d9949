//! The end of one execution: told, kept in a checkpoint, and handed to the scheduler, whose answer is started.
//!
//! The event that tells the end and the checkpoint after it are one transaction: no step that anybody has seen to
//! be complete is executed again.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::StepId;
use tokio::task::JoinError;

use super::attempt::{Executed, millis};
use super::checkpoint::{End, Kept};
use super::definition::StepDefinition;
use super::emitter::put_output;
use super::result::{StepRecord, StepStatus};
use super::runner::Run;
use super::scheduler::{Advance, Outcome};
use crate::context::Draft;
use crate::log::Along;
use crate::step::{Category, Severity, StepError};

/// How an execution ended, as the scheduler has taken it.
struct Settled {
    execution: u32,
    iteration: u32,
    executed: Executed,
    /// What the run goes on with; none where it does not.
    output: Option<Arc<Value>>,
    advance: Advance,
    elapsed_ms: u64,
}

impl Run {
    /// Tells how an execution ended, and starts what follows.
    pub(super) async fn finish(&mut self, execution: u32, executed: Executed) {
        let Some((step, iteration, _)) = self.under_way.remove(&execution) else {
            return;
        };
        let pipeline = Arc::clone(&self.pipeline);
        let Some(definition) = pipeline.steps().get(step) else {
            return;
        };
        let goes_on = definition.error_handling.continue_on_error && !executed.stopped;
        let outcome = match &executed.result {
            Ok(output) => {
                self.completed += 1;
                Outcome::Completed(Arc::clone(&output.value))
            }
            Err(error) if goes_on => {
                Outcome::Continued(Arc::new(self.continued(execution, error, &executed)))
            }
            Err(error) => Outcome::Failed(error.clone().in_step(&definition.id)),
        };
        let output = match &outcome {
            Outcome::Completed(value) | Outcome::Continued(value) => Some(Arc::clone(value)),
            Outcome::Failed(_) => None,
        };
        if self.waits.forget(execution) {
            self.show_questions();
        }
        let elapsed_ms = self.now_ms();
        let advance = self.scheduler.finish(execution, outcome, elapsed_ms);
        if !executed.started {
            return;
        }
        let settled = Settled {
            execution,
            iteration,
            executed,
            output,
            advance,
            elapsed_ms,
        };
        self.tell(definition, &settled).await;
        let failed = settled.output.is_none();
        self.records.push(StepRecord {
            step_name: definition.id.clone(),
            step_index: execution.saturating_sub(1),
            result: settled.output.unwrap_or_default(),
            status: if failed {
                StepStatus::Failed
            } else {
                StepStatus::Completed
            },
        });
        if self.scheduler.is_halted() {
            // the run has failed: what is still under way would be for nothing
            self.environment.stop.cancel();
        }
        self.spawn(settled.advance.starts);
    }

    /// Writes the end of an execution and, unless the run is over, the checkpoint after it.
    async fn tell(&mut self, definition: &StepDefinition, settled: &Settled) {
        let executed = &settled.executed;
        let mut data = Map::new();
        let event_type = match &executed.result {
            Ok(output) => {
                put_output(&mut data, &output.value, output.seq);
                EventType::StepComplete
            }
            Err(error) => {
                data.insert("error".into(), json!(error));
                EventType::StepError
            }
        };
        data.insert("duration_ms".into(), millis(executed.duration).into());
        data.insert("iteration".into(), settled.iteration.into());
        data.insert("attempt".into(), executed.attempt.into());
        if executed.result.is_err() {
            data.insert("continued".into(), settled.output.is_some().into());
            if executed.partial.is_some() {
                data.insert("partial".into(), true.into());
            }
        }
        if settled.output.is_some() {
            data.insert("next".into(), json!(settled.advance.next));
        }
        let mut drafts = vec![Draft {
            event_type,
            step_id: Some(StepId::from(definition.id.as_str())),
            data: data.into(),
            metadata: None,
        }];
        let waits = settled.advance.starts.is_empty() && self.all_wait();
        let mut along = Along {
            status: self.news_of_status(waits),
            ..Along::default()
        };
        if let Some((state, entry)) = self.checkpoint(settled) {
            along.checkpoint = Some((state, vec![entry]));
            drafts.push(self.checkpoint_saved(definition));
        }
        self.environment.emitter.emit_all(&drafts, along).await;
    }

    fn checkpoint(&mut self, settled: &Settled) -> Option<(bytes::Bytes, (u32, bytes::Bytes))> {
        let output = settled.output.as_deref()?;
        // a halted run is resumed from before what halted it
        if self.scheduler.is_halted() || !self.environment.emitter.keeps_checkpoints() {
            return None;
        }
        let (continued, seq) = match &settled.executed.result {
            // an event from which something was taken out is none to go on from
            Ok(output) if !self.environment.emitter.redacts(&output.value) => (false, output.seq),
            Ok(_) => (false, 0),
            Err(_) => (true, 0),
        };
        let end = End {
            execution: settled.execution,
            elapsed_ms: settled.elapsed_ms,
            continued,
            output: Kept::of(output, seq),
        };
        self.journal.write(&self.scheduler, self.waits.kept(), &end)
    }

    fn checkpoint_saved(&self, definition: &StepDefinition) -> Draft {
        Draft {
            event_type: EventType::CheckpointSaved,
            step_id: None,
            data: json!({
                "checkpoint_id": self.journal.newest().to_string(),
                "step_id": definition.id,
                "steps_completed": self.completed,
            }),
            metadata: None,
        }
    }

    /// A task that ended without a word; its step has failed.
    pub(super) async fn lost(&mut self, error: &JoinError) {
        let id = error.id();
        let execution = self
            .under_way
            .iter()
            .find(|(_, (_, _, task))| *task == id)
            .map(|(execution, _)| *execution);
        if let Some(execution) = execution {
            let message = format!("the step's task was lost: {error}");
            let executed = Executed {
                result: Err(
                    StepError::new(Category::Unknown, message).with_severity(Severity::Critical)
                ),
                ..unreachable_step()
            };
            self.finish(execution, executed).await;
        }
    }

    /// What a failed step gives where the run goes on without it.
    fn continued(&self, execution: u32, error: &StepError, executed: &Executed) -> Value {
        let state = self.scheduler.state();
        let (step, data) = match state.execution(execution) {
            Some((step, data)) => (step, data.fields_to_map()),
            None => (0, Map::new()),
        };
        // the data of a step that failed before would nest without end
        let original: Map<String, Value> = data
            .into_iter()
            .filter(|(key, _)| !ERROR_FIELDS.contains(&key.as_str()))
            .collect();
        let definition = self.pipeline.steps().get(step);
        let mut given = json!({
            "step_error": true,
            "error_message": error.message,
            "error_category": error.category,
            "error_severity": error.severity,
            "step_name": definition.map_or("", |definition| definition.id.as_str()),
            "original_data": original,
            "context": {
                "execution_id": self.environment.emitter.execution_id(),
                "attempt": executed.attempt,
            },
        });
        if let (Some(partial), Some(map)) = (&executed.partial, given.as_object_mut()) {
            map.insert("partial_output".into(), partial.clone());
        }
        given
    }
}

/// The end of an execution that had nothing to execute.
pub(super) fn unreachable_step() -> Executed {
    Executed {
        started: true,
        attempt: 1,
        duration: Duration::ZERO,
        result: Err(StepError::new(Category::Unknown, "there is no such step")),
        stopped: false,
        partial: None,
    }
}

/// What [`Run::continued`] gives; not repeated in the `original_data` of a later failure.
const ERROR_FIELDS: [&str; 8] = [
    "step_error",
    "partial_output",
    "error_message",
    "error_category",
    "error_severity",
    "step_name",
    "original_data",
    "context",
];
