//! Runs a pipeline: every step that the scheduler starts becomes a task, every end of one is told and handed back.
//!
//! A run ends in one place and with one terminal event. When it is cancelled, out of time or has failed, what is
//! still under way is dropped, and every step that was announced has its end told before the run's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::StepId;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Environment, Executed, execute, millis, told};
use super::definition::{Pipeline, Place};
use super::emitter::{RunEmitter, put_output};
use super::result::{RunResult, RunStatus, StepRecord, StepStatus};
use super::scheduler::{Outcome, Scheduler, Start};
use super::scope::Scope;
use super::template;
use crate::context::StreamingContext;
use crate::step::{Category, Severity, StepError, StepPolicy};

/// How a run is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Ends the run as `cancelled`.
    pub cancel: CancellationToken,
    /// How many steps may be executed in all, loops counted each time.
    pub max_steps: usize,
    /// How long the run may take; the pipeline's own limit holds too.
    pub timeout: Option<Duration>,
    /// Where relative paths of steps begin, and below which all that they read and write is.
    pub work_dir: PathBuf,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            cancel: CancellationToken::new(),
            max_steps: 10_000,
            timeout: None,
            work_dir: PathBuf::from("."),
        }
    }
}

/// Runs a pipeline once and gives what it comes to. What happens meanwhile goes to `context`.
pub async fn run(
    pipeline: Arc<Pipeline>,
    input: Map<String, Value>,
    context: StreamingContext,
    options: RunOptions,
) -> RunResult {
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let _stop_when_dropped = stop.clone().drop_guard();
    let emits_progress = pipeline.streaming().emit_progress;
    let emitter = Arc::new(RunEmitter::new(context, emits_progress, stop.clone()));
    let parameters = pipeline.check_input(&input);
    let input = Arc::new(Value::Object(input));
    let start = json!({"pipeline": pipeline.describe(), "input": input.as_ref()});
    emitter.emit(EventType::PipelineStart, None, start).await;
    let (parameters, refused) = match parameters {
        Ok(parameters) => (parameters, None),
        Err(problems) => (Map::new(), Some(told(&problems))),
    };
    let max_steps = u32::try_from(options.max_steps).unwrap_or(u32::MAX);
    let scheduler = Scheduler::new(
        Arc::clone(&pipeline),
        Arc::clone(&input),
        parameters,
        max_steps,
    );
    let environment = Arc::new(Environment {
        emitter,
        input,
        parameters: Arc::clone(scheduler.state().parameters()),
        policy: Arc::new(StepPolicy::new(&options.work_dir)),
        stop,
    });
    let mut run = Run {
        pipeline,
        scheduler,
        environment,
        tasks: JoinSet::new(),
        under_way: BTreeMap::new(),
        records: Vec::new(),
        completed: 0,
        ended: None,
        begun,
    };
    if let Some(message) = refused {
        let message = format!("the input does not fit: {message}");
        let error = StepError::new(Category::Validation, message);
        return run.end(RunStatus::Failed, Err(error)).await;
    }
    run.drive(&options).await;
    run.conclude().await
}

struct Run {
    pipeline: Arc<Pipeline>,
    scheduler: Scheduler,
    environment: Arc<Environment>,
    tasks: JoinSet<(u32, Executed)>,
    under_way: BTreeMap<u32, (usize, u32, Id)>,
    records: Vec<StepRecord>,
    /// Executions that ended well.
    completed: u64,
    /// Set where the run was ended from outside.
    ended: Option<(RunStatus, StepError)>,
    begun: Instant,
}

impl Run {
    /// Until nothing is under way any more.
    async fn drive(&mut self, options: &RunOptions) {
        let limits = [options.timeout, self.pipeline.timeout()];
        let limit = limits.into_iter().flatten().min();
        let deadline = async move {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(deadline);
        let starts = self.scheduler.start(self.now_ms());
        self.spawn(starts);
        while !self.tasks.is_empty() {
            tokio::select! {
                biased;
                () = options.cancel.cancelled(), if self.ended.is_none() => {
                    self.stop(RunStatus::Cancelled, StepError::stopped("the run was cancelled"));
                }
                () = &mut deadline, if self.ended.is_none() => {
                    let seconds = limit.unwrap_or_default().as_secs_f64();
                    let message = format!("the run took longer than {seconds} s");
                    self.stop(RunStatus::Timeout, StepError::new(Category::Timeout, message));
                }
                Some(joined) = self.tasks.join_next() => match joined {
                    Ok((execution, executed)) => self.finish(execution, executed).await,
                    Err(error) => self.lost(&error).await,
                },
            }
        }
    }

    fn stop(&mut self, status: RunStatus, error: StepError) {
        self.scheduler.halt(error.clone());
        self.ended = Some((status, error));
        self.environment.stop.cancel();
    }

    fn spawn(&mut self, starts: Vec<Start>) {
        for start in starts {
            let (execution, step, iteration) = (start.execution, start.step, start.iteration);
            let pipeline = Arc::clone(&self.pipeline);
            let environment = Arc::clone(&self.environment);
            let task = self.tasks.spawn(async move {
                let executed = match pipeline.steps().get(step) {
                    Some(definition) => execute(definition, &start, &environment).await,
                    None => unreachable_step(),
                };
                (execution, executed)
            });
            self.under_way
                .insert(execution, (step, iteration, task.id()));
        }
    }

    /// Tells how an execution ended, and starts what follows.
    async fn finish(&mut self, execution: u32, executed: Executed) {
        let Some((step, iteration, _)) = self.under_way.remove(&execution) else {
            return;
        };
        let pipeline = Arc::clone(&self.pipeline);
        let Some(definition) = pipeline.steps().get(step) else {
            return;
        };
        let step_id = StepId::from(definition.id.as_str());
        let mut data = Map::new();
        let goes_on = definition.error_handling.continue_on_error && !executed.stopped;
        let (outcome, event_type) = match &executed.result {
            Ok(output) => {
                self.completed += 1;
                put_output(&mut data, &output.value, output.seq);
                let outcome = Outcome::Completed(Arc::clone(&output.value));
                (outcome, EventType::StepComplete)
            }
            Err(error) => {
                data.insert("error".into(), json!(error));
                let outcome = if goes_on {
                    Outcome::Continued(Arc::new(self.continued(execution, error, &executed)))
                } else {
                    Outcome::Failed(error.clone().in_step(&definition.id))
                };
                (outcome, EventType::StepError)
            }
        };
        let result = match &outcome {
            Outcome::Completed(value) | Outcome::Continued(value) => Arc::clone(value),
            Outcome::Failed(_) => Arc::new(Value::Null),
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        let advance = self.scheduler.finish(execution, outcome, self.now_ms());
        if !executed.started {
            return;
        }
        data.insert("duration_ms".into(), millis(executed.duration).into());
        data.insert("iteration".into(), iteration.into());
        data.insert("attempt".into(), executed.attempt.into());
        if executed.result.is_err() {
            data.insert("continued".into(), goes_on.into());
        }
        if !failed {
            data.insert("next".into(), json!(advance.next));
        }
        let emitter = &self.environment.emitter;
        emitter.emit(event_type, Some(&step_id), data.into()).await;
        self.records.push(StepRecord {
            step_name: definition.id.clone(),
            step_index: execution.saturating_sub(1),
            result,
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
        self.spawn(advance.starts);
    }

    /// A task that ended without a word; its step has failed.
    async fn lost(&mut self, error: &JoinError) {
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
        json!({
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
        })
    }

    /// The end of a run whose steps have all ended.
    async fn conclude(mut self) -> RunResult {
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
    async fn end(self, status: RunStatus, outcome: Result<Value, StepError>) -> RunResult {
        let duration_ms = millis(self.begun.elapsed());
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

    fn now_ms(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The end of an execution that had nothing to execute.
fn unreachable_step() -> Executed {
    Executed {
        started: true,
        attempt: 1,
        duration: Duration::ZERO,
        result: Err(StepError::new(Category::Unknown, "there is no such step")),
        stopped: false,
    }
}

/// What [`Run::continued`] gives; not repeated in the `original_data` of a later failure.
const ERROR_FIELDS: [&str; 7] = [
    "step_error",
    "error_message",
    "error_category",
    "error_severity",
    "step_name",
    "original_data",
    "context",
];
