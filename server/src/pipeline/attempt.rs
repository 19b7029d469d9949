//! One execution of a step: its attempts, its questions, its fallback, and the events of all that.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::{Seq, StepId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::definition::{Problem, Retry, StepDefinition};
use super::emitter::RunEmitter;
use super::scheduler::Start;
use super::waits::Resumption;
use crate::step::{
    Ask, Asking, Call, Category, Question, Severity, StepContext, StepEmitter, StepError,
    StepFuture, StepPolicy,
};

/// What every execution of one run has in common.
#[derive(Debug)]
pub(super) struct Environment {
    pub(super) emitter: Arc<RunEmitter>,
    pub(super) input: Arc<Value>,
    pub(super) parameters: Arc<Map<String, Value>>,
    pub(super) policy: Arc<StepPolicy>,
    /// Ends everything that is under way.
    pub(super) stop: CancellationToken,
    /// The way to the run's questions.
    pub(super) asks: mpsc::Sender<Ask>,
}

/// How an execution ended.
#[derive(Debug)]
pub(super) struct Executed {
    /// False where it was stopped in the pause before it: nothing was told of it.
    pub(super) started: bool,
    pub(super) attempt: u32,
    pub(super) duration: Duration,
    pub(super) result: Result<Output, StepError>,
    /// Whether the run wanted it no more.
    pub(super) stopped: bool,
    /// What it has to show although it failed.
    pub(super) partial: Option<Value>,
}

/// What a step gave, and the event that holds it.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) value: Arc<Value>,
    pub(super) seq: Seq,
}

/// Executes a step; one that did nothing but wait when the server stopped goes on waiting.
pub(super) async fn execute(
    definition: &StepDefinition,
    start: &Start,
    waited: Option<Resumption>,
    environment: &Environment,
) -> Executed {
    let stop = &environment.stop;
    let mut executed = Executed {
        started: false,
        attempt: 1,
        duration: Duration::ZERO,
        result: Err(StepError::stopped("stopped before it began")),
        stopped: false,
        partial: None,
    };
    if !start.delay.is_zero() {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(start.delay) => {}
        }
    }
    if stop.is_cancelled() {
        executed.stopped = true;
        return executed;
    }
    let before = waited.as_ref().map_or(Duration::ZERO, |it| it.worked);
    let asking = Asking::new(start.execution, environment.asks.clone(), before);
    let mut execution = Execution {
        definition,
        step_id: StepId::from(definition.id.as_str()),
        start,
        environment,
        asking: Arc::new(asking),
        began: 0,
    };
    match &waited {
        None => execution.began = execution.announce().await,
        Some(waited) => executed.attempt = waited.attempt,
    }
    executed.started = true;
    let emitter = Arc::new(StepEmitter::new(
        Arc::clone(&environment.emitter),
        execution.step_id.clone(),
    ));
    let work = execution.attempts(waited, &emitter, &mut executed.attempt);
    let result = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        result = work => Some(result),
        never = emitter.keep_flushing() => match never {},
    };
    executed.stopped = result.is_none();
    executed.result = match result {
        Some(Ok(value)) => Ok(execution.deliver(value, &emitter).await),
        Some(Err(error)) => Err(error),
        None => Err(StepError::stopped(
            "stopped: the run ended before the step did",
        )),
    };
    if executed.result.is_err() {
        emitter.flush().await;
        executed.partial = emitter.output_partial().await;
    }
    emitter.end();
    executed.duration = execution.asking.worked();
    executed
}

/// An execution under way.
pub(super) struct Execution<'a> {
    pub(super) definition: &'a StepDefinition,
    pub(super) step_id: StepId,
    pub(super) start: &'a Start,
    pub(super) environment: &'a Environment,
    pub(super) asking: Arc<Asking>,
    /// The event that began it; 0 where that is not known.
    pub(super) began: Seq,
}

impl Execution<'_> {
    async fn announce(&self) -> Seq {
        let mut data = Map::new();
        if let Some(name) = &self.definition.name {
            data.insert("name".into(), name.as_str().into());
        }
        data.insert("kind".into(), self.definition.kind.as_str().into());
        data.insert("iteration".into(), self.start.iteration.into());
        data.insert("attempt".into(), 1.into());
        self.emit(EventType::StepStart, data.into()).await
    }

    /// Tries as often as it may, then falls back; `attempt` says how far it came.
    async fn attempts(
        &self,
        waited: Option<Resumption>,
        emitter: &Arc<StepEmitter>,
        attempt: &mut u32,
    ) -> Result<Value, StepError> {
        let mut failed = match waited {
            None => None,
            Some(waited) => match self.go_on_waiting(waited).await {
                Ok(value) => return Ok(value),
                Err(error) => Some(error),
            },
        };
        let call = Arc::new(self.call().await?);
        let handling = &self.definition.error_handling;
        let error = loop {
            let tried = match failed.take() {
                Some(error) => Err(error),
                None => self.guarded(&call, emitter, *attempt).await,
            };
            let error = match tried {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            if self.is_shut() {
                break error;
            }
            let retry = handling.retry.as_ref().filter(|retry| {
                *attempt < retry.max_attempts
                    && retry.retry_on.contains(&error.category)
                    && (retry.retry_partial || emitter.partial().is_none())
            });
            let Some(retry) = retry else {
                break error;
            };
            let delay = match pause(retry, *attempt, &error) {
                Ok(delay) => delay,
                Err(error) => break error,
            };
            *attempt += 1;
            let data = json!({
                "kind": "retry",
                "attempt": *attempt,
                "max_attempts": retry.max_attempts,
                "delay_ms": millis(delay),
                "error": &error,
            });
            emitter.progress(data).await;
            tokio::time::sleep(delay).await;
        };
        self.fall_back(&call, emitter, *attempt, error).await
    }

    /// One attempt, where the step's circuit lets it pass.
    async fn guarded(
        &self,
        call: &Arc<Call>,
        emitter: &Arc<StepEmitter>,
        attempt: u32,
    ) -> Result<Value, StepError> {
        let breaker = self.definition.error_handling.circuit_breaker.as_ref();
        let Some((circuit, breaker)) = self.definition.circuit.as_ref().zip(breaker) else {
            return self.once(call, emitter, attempt).await;
        };
        let (permit, told) = circuit.admit(breaker)?;
        if let Some(told) = told {
            emitter.progress(told).await;
        }
        let tried = self.once(call, emitter, attempt).await;
        if let Some(told) = permit.settle(tried.is_ok()) {
            emitter.progress(told).await;
        }
        tried
    }

    /// Whether the step's circuit lets nothing pass at present: another attempt would be in vain.
    fn is_shut(&self) -> bool {
        let circuit = self.definition.circuit.as_ref();
        circuit.is_some_and(|circuit| circuit.is_shut())
    }

    /// One attempt: bounded in time, and a panic in it is an error like others.
    async fn once(
        &self,
        call: &Arc<Call>,
        emitter: &Arc<StepEmitter>,
        attempt: u32,
    ) -> Result<Value, StepError> {
        emitter.set_partial(None);
        let over = self.environment.stop.child_token();
        let working = over.clone().drop_guard();
        let context = StepContext::new(Arc::clone(call), Arc::clone(emitter), attempt, over);
        let step = &self.definition.step;
        let value = self
            .bounded(async move { step.run(context).await }.boxed())
            .await?;
        // whatever the step has left elsewhere does not wait for people
        drop(working);
        let value = match Question::asked_by(&value) {
            Some(asked) => {
                let (question, rest) = asked?;
                emitter.flush().await;
                let answer = self.asking.ask(attempt, question, Some(rest.clone()));
                answer.await?.merged_into(rest)
            }
            None => value,
        };
        self.check(self.definition.output_schema.as_ref(), &value, "output")?;
        Ok(value)
    }

    /// The attempt that waited when the server stopped.
    async fn go_on_waiting(&self, waited: Resumption) -> Result<Value, StepError> {
        let Resumption {
            number,
            attempt,
            question,
            output,
            ..
        } = waited;
        let answer = self
            .asking
            .ask_again(number, attempt, question, output.clone());
        let value = answer.await?.merged_into(output);
        self.check(self.definition.output_schema.as_ref(), &value, "output")?;
        Ok(value)
    }

    async fn fall_back(
        &self,
        call: &Arc<Call>,
        emitter: &Arc<StepEmitter>,
        attempt: u32,
        error: StepError,
    ) -> Result<Value, StepError> {
        let handling = &self.definition.error_handling;
        let told = json!({"kind": "fallback", "error": &error});
        if let Some(output) = &handling.fallback_output {
            emitter.progress(told).await;
            return Ok(self.resolve(output).await);
        }
        if !(handling.enable_fallback && error.recoverable) {
            return Err(error);
        }
        let over = self.environment.stop.child_token();
        let _over = over.clone().drop_guard();
        let context = StepContext::new(Arc::clone(call), Arc::clone(emitter), attempt, over);
        let Some(fallback) = self.definition.step.fallback(context, error.clone()) else {
            return Err(error);
        };
        emitter.progress(told).await;
        self.bounded(fallback).await
    }

    async fn bounded(&self, work: StepFuture<'_>) -> Result<Value, StepError> {
        let work = AssertUnwindSafe(work).catch_unwind();
        let caught = match self.definition.error_handling.timeout {
            None => work.await,
            Some(limit) => match self.within(limit, work).await {
                Some(caught) => caught,
                None => {
                    let message = format!("took longer than {} s", limit.as_secs_f64());
                    return Err(StepError::new(Category::Timeout, message));
                }
            },
        };
        caught.unwrap_or_else(|panic| {
            let message = format!("panicked: {}", panic_message(panic.as_ref()));
            Err(StepError::new(Category::Unknown, message).with_severity(Severity::Critical))
        })
    }

    /// What `work` gives; none where it works for longer. Waiting for people is no work.
    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(work);
        let (before, mut waited) = (self.asking.worked(), self.asking.waited());
        loop {
            let waits = waited.borrow_and_update().is_open();
            let worked = self.asking.worked().saturating_sub(before);
            let left = limit.saturating_sub(worked);
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                _changed = waited.changed() => {}
                () = tokio::time::sleep(left), if !waits => return None,
            }
        }
    }

    /// Tells the output, and that all is done where the step itself never told how far it was.
    async fn deliver(&self, value: Value, emitter: &StepEmitter) -> Output {
        if !emitter.has_progressed() && self.environment.emitter.emits_progress() {
            emitter.progress(json!({"progress": 1.0})).await;
        }
        let (seq, value) = emitter.output(value).await;
        Output { value, seq }
    }

    async fn emit(&self, event_type: EventType, data: Value) -> Seq {
        let emitter = &self.environment.emitter;
        emitter.emit(event_type, Some(&self.step_id), data).await
    }
}

/// How long the next attempt waits. Who was asked knows best when to be asked again; where that is later than the
/// policy waits at all, there is no next attempt.
fn pause(retry: &Retry, attempt: u32, error: &StepError) -> Result<Duration, StepError> {
    let own = || Duration::from_secs_f64(retry.delay(attempt, fastrand::f64()));
    let asked = error.retry_after.unwrap_or_else(own);
    let most = Duration::from_secs_f64(retry.max_delay);
    if error.retry_after.is_none() || asked <= most {
        return Ok(asked);
    }
    let message = format!(
        "{}; it asks to wait {} s, longer than `max_delay` ({} s), so it is not tried again",
        error.message,
        asked.as_secs_f64(),
        retry.max_delay,
    );
    Err(StepError {
        message,
        ..error.clone()
    })
}

/// Problems in one line.
pub(super) fn told(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

/// Milliseconds with microseconds behind the point.
pub(super) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
