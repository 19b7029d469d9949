//! What a step is given, and how it speaks to those who watch.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use stepcast_core::id::{Seq, StepId};
use tokio::io::AsyncRead;
use tokio_util::sync::CancellationToken;

use super::StepError;
use super::asking::Asking;
use super::emitter::{Channel, Partial, StepEmitter};
use super::policy::StepPolicy;
use super::question::{Answer, Question};
use crate::artifact::Writing;
use crate::log::Artifact;
use crate::pipeline::data::Data;
use crate::pipeline::scope::Scope;
use crate::trace::{Carried, TraceContext};

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
    pub(crate) asking: Arc<Asking>,
    /// What it passes on of the trace that its run belongs to.
    pub(crate) trace: Option<Arc<Carried>>,
    /// The event that began it; 0 where that is not known.
    pub(crate) began: Seq,
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

    /// The run's id.
    pub fn execution_id(&self) -> &str {
        self.emitter.execution_id()
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

    /// Where in a trace this attempt belongs, in the words of W3C Trace Context: for what the step asks of others. None
    /// where nobody traces the run.
    pub fn trace(&self) -> Option<TraceContext> {
        let carried = self.call.trace.as_ref()?;
        Some(carried.by(self.call.began, self.attempt))
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
        if !self.emitter.emits_progress() || !fraction.is_finite() {
            return;
        }
        let mut data = Map::new();
        data.insert("progress".into(), json!(fraction.clamp(0.0, 1.0)));
        if let Some(message) = message.into() {
            data.insert("message".into(), message.into());
        }
        self.emitter.progresses();
        self.emitter.progress(data.into()).await;
    }

    /// Appends to the step's text. The first token is written at once; those that follow shortly are merged, up to
    /// the pipeline's `streaming.flush_interval_ms`, and written before anything else that the step says.
    pub async fn emit_token(&self, text: &str) {
        self.emitter.append(&Channel::Text, text).await;
    }

    /// Appends to the step's reasoning, as [`StepContext::emit_token`] does to its text.
    pub async fn emit_reasoning(&self, text: &str) {
        self.emitter.append(&Channel::Reasoning, text).await;
    }

    /// Begins a tool call that a model asks for; its arguments follow.
    pub async fn emit_tool_call(&self, call_id: &str, name: &str) {
        let data = json!({"kind": "tool_call", "call_id": call_id, "name": name});
        self.emitter.progress(data).await;
    }

    /// Appends to the JSON text of a tool call's arguments, as [`StepContext::emit_token`] does to the text.
    pub async fn emit_arguments(&self, call_id: &str, text: &str) {
        let channel = Channel::Arguments(call_id.to_owned());
        self.emitter.append(&channel, text).await;
    }

    /// Says that a tool call's arguments are whole.
    pub async fn emit_tool_call_done(&self, call_id: &str) {
        let data = json!({"kind": "tool_call", "call_id": call_id, "done": true});
        self.emitter.progress(data).await;
    }

    /// Writes a `step_progress` of another shape that `docs/protocol.md` gives, `kind` included.
    pub async fn emit_shape(&self, data: Value) {
        self.emitter.progress(data).await;
    }

    /// What is shown if this attempt fails, be it by its deadline or because the run is cancelled: `partial` is
    /// asked then. An attempt that has something to show is tried again only where `retry.retry_partial` says so.
    pub fn keep_partial(&self, partial: impl Fn() -> Option<Value> + Send + Sync + 'static) {
        self.emitter.set_partial(Some(Partial(Arc::new(partial))));
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

    /// Keeps a file, and announces it: whoever watches can see or load it from then on. One of the same name takes the
    /// former's place on the page. `content` is anything that can be read, a slice of bytes too.
    ///
    /// # Errors
    /// Category `resource` where there is no room for it, or it cannot be read; `configuration` where the name or the
    /// type is none, or nothing is kept of the run.
    pub async fn artifact(
        &self,
        name: &str,
        media_type: &str,
        mut content: impl AsyncRead + Unpin,
    ) -> Result<Artifact, StepError> {
        let mut writing = self.begin_artifact(name, media_type).await?;
        writing.write_all(&mut content).await?;
        self.announce(writing).await
    }

    /// Begins a file that comes in pieces; [`StepContext::announce`] ends it.
    ///
    /// # Errors
    /// As [`StepContext::artifact`].
    pub async fn begin_artifact(&self, name: &str, media_type: &str) -> Result<Writing, StepError> {
        Ok(self.emitter.begin_artifact(name, media_type).await?)
    }

    /// Puts a file into its place, and announces it.
    ///
    /// # Errors
    /// As [`StepContext::artifact`].
    pub async fn announce(&self, writing: Writing) -> Result<Artifact, StepError> {
        let kept = writing.finish(None).await?;
        let artifact = kept.artifact().clone();
        self.emitter.announce(kept).await;
        Ok(artifact)
    }

    /// Asks a person, and waits for the answer: for days if need be, and the time counts for no timeout.
    ///
    /// After a restart of the server the step begins anew; the same question, asked in the same place among the
    /// step's questions, then keeps its deadline and its answer. So what a step does before it asks may be done twice.
    ///
    /// # Errors
    /// Category `timeout` where nobody answers in time and the question has no default; `configuration` where nobody
    /// can be asked, as in a run whose caller waits for its result.
    pub async fn ask(&self, question: Question) -> Result<Answer, StepError> {
        self.emitter.flush().await;
        self.call.asking.ask(self.attempt, question, None).await
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
