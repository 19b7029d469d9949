//! What a step is given, and how it speaks to those who watch.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::{Seq, StepId};
use tokio_util::sync::CancellationToken;

use super::policy::StepPolicy;
use crate::pipeline::data::Data;
use crate::pipeline::emitter::RunEmitter;
use crate::pipeline::scope::Scope;

/// One attempt of a step: its data, its configuration, and the way to its viewers.
#[derive(Clone, Debug)]
pub struct StepContext {
    call: Arc<Call>,
    emitter: Arc<StepEmitter>,
    attempt: u32,
    cancel: CancellationToken,
}

/// How much a log line matters.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// For the author of the step.
    Debug,
    /// For whoever watches.
    Info,
    /// Something to look at.
    Warning,
    /// Something that went wrong.
    Error,
}

/// What all attempts of one iteration have in common.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) step_id: StepId,
    pub(crate) iteration: u32,
    pub(crate) data: Arc<Data>,
    pub(crate) parameters: Arc<Map<String, Value>>,
    pub(crate) input: Arc<Value>,
    pub(crate) inputs: Map<String, Value>,
    pub(crate) config: Arc<Value>,
    pub(crate) policy: Arc<StepPolicy>,
}

/// Writes the events of one iteration of a step, until it has ended.
#[derive(Debug)]
pub(crate) struct StepEmitter {
    run: Arc<RunEmitter>,
    step_id: StepId,
    progressed: AtomicBool,
    ended: AtomicBool,
    output: Mutex<Option<(Seq, Arc<Value>)>>,
}

impl StepContext {
    pub(crate) fn new(
        call: Arc<Call>,
        emitter: Arc<StepEmitter>,
        attempt: u32,
        cancel: CancellationToken,
    ) -> Self {
        Self {
            call,
            emitter,
            attempt,
            cancel,
        }
    }

    /// The merged data: the input and what the steps before gave.
    pub fn data(&self) -> &Data {
        &self.call.data
    }

    /// The pipeline's parameters.
    pub fn parameters(&self) -> &Map<String, Value> {
        &self.call.parameters
    }

    /// The step's named inputs.
    pub fn inputs(&self) -> &Map<String, Value> {
        &self.call.inputs
    }

    /// What the step works on: its inputs where it names any, else the merged data.
    pub fn subject(&self) -> Value {
        if self.call.inputs.is_empty() {
            self.call.data.to_map().into()
        } else {
            self.call.inputs.clone().into()
        }
    }

    /// What conditions see.
    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope {
            data: &self.call.data,
            parameters: &self.call.parameters,
            input: &self.call.input,
            failed: false,
        }
    }

    /// The configuration, placeholders resolved.
    pub fn config(&self) -> &Value {
        &self.call.config
    }

    /// The step's id.
    pub fn step_id(&self) -> &StepId {
        &self.call.step_id
    }

    /// 1 for the first time through a loop.
    pub fn iteration(&self) -> u32 {
        self.call.iteration
    }

    /// 1 for the first try.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What the step may touch.
    pub fn policy(&self) -> &StepPolicy {
        &self.call.policy
    }

    /// Ends when the attempt is over, be it by cancellation, by its deadline or because it is done.
    /// For work that the step has started elsewhere.
    pub fn cancelled(&self) -> CancellationToken {
        self.cancel.clone()
    }

    /// Says how far the step has come, from 0 to 1, and what it is doing.
    pub async fn emit_progress(&self, fraction: f64, message: impl Into<Option<&str>>) {
        if !self.emitter.run.emits_progress() || !fraction.is_finite() {
            return;
        }
        let mut data = Map::new();
        data.insert("progress".into(), json!(fraction.clamp(0.0, 1.0)));
        if let Some(message) = message.into() {
            data.insert("message".into(), message.into());
        }
        self.emitter.progressed.store(true, Ordering::Relaxed);
        self.emitter.progress(data.into()).await;
    }

    /// Appends to the step's text.
    pub async fn emit_token(&self, text: &str) {
        if !text.is_empty() {
            self.emitter
                .progress(json!({"kind": "token", "text": text}))
                .await;
        }
    }

    /// Writes a line of the step's log.
    pub async fn log(&self, level: LogLevel, message: &str) {
        let data = json!({"kind": "log", "level": level.as_str(), "message": message});
        self.emitter.progress(data).await;
    }

    /// Says anything else.
    pub async fn emit_custom(&self, mut data: Map<String, Value>) {
        data.insert("kind".into(), "custom".into());
        self.emitter.progress(data.into()).await;
    }

    /// Shows output before the step has ended. The last one is the step's result where it returns the same.
    pub async fn output(&self, value: Value) {
        self.emitter.output(value).await;
    }
}

impl LogLevel {
    /// The level as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// The level of a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.as_str() == word)
    }
}

impl StepEmitter {
    pub(crate) fn new(run: Arc<RunEmitter>, step_id: StepId) -> Self {
        Self {
            run,
            step_id,
            progressed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            output: Mutex::new(None),
        }
    }

    /// Whether the step has said how far it is.
    pub(crate) fn has_progressed(&self) -> bool {
        self.progressed.load(Ordering::Relaxed)
    }

    /// After this nothing of the step is written: what it left running elsewhere speaks to nobody.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) async fn progress(&self, data: Value) {
        self.emit(EventType::StepProgress, data).await;
    }

    /// Writes an output, unless it is the one that was written last; its place, and the value to be shared.
    pub(crate) async fn output(&self, value: Value) -> (Seq, Arc<Value>) {
        let last = self.lock_output().clone();
        if let Some((seq, last)) = last.filter(|(_, last)| **last == value) {
            return (seq, last);
        }
        let data = json!({"output": &value});
        let seq = self.emit(EventType::StepOutput, data).await;
        let value = Arc::new(value);
        *self.lock_output() = Some((seq, Arc::clone(&value)));
        (seq, value)
    }

    fn lock_output(&self) -> MutexGuard<'_, Option<(Seq, Arc<Value>)>> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn emit(&self, event_type: EventType, data: Value) -> Seq {
        if self.ended.load(Ordering::Acquire) {
            return 0;
        }
        self.run.emit(event_type, Some(&self.step_id), data).await
    }
}
