//! Writes the events of one iteration of a step, its tokens merged, until it has ended.

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use stepcast_core::coalesce::Coalescer;
use stepcast_core::event::EventType;
use stepcast_core::id::{Seq, StepId};
use stepcast_core::time::Time;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::artifact::{ArtifactError, Kept, Writing};
use crate::context::Draft;
use crate::log::Along;
use crate::pipeline::emitter::RunEmitter;

/// Writes the events of one iteration of a step, until it has ended.
#[derive(Debug)]
pub(crate) struct StepEmitter {
    run: Arc<RunEmitter>,
    step_id: StepId,
    progressed: AtomicBool,
    ended: AtomicBool,
    output: Mutex<Option<(Seq, Arc<Value>)>>,
    partial: Mutex<Option<Partial>>,
    begun: Instant,
    /// Locked until what is said has its place in the log, so that nothing overtakes tokens that are held.
    tokens: tokio::sync::Mutex<Coalescer<Channel>>,
    /// Told when tokens begin to be held.
    holding: Notify,
}

/// What a piece of streamed text is appended to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Channel {
    /// The step's text.
    Text,
    /// What a model thinks before it speaks.
    Reasoning,
    /// The arguments of the tool call of this id.
    Arguments(String),
}

/// Gives what a step has to show although it failed.
#[derive(Clone)]
pub(crate) struct Partial(pub(crate) Arc<dyn Fn() -> Option<Value> + Send + Sync>);

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Partial")
    }
}

impl StepEmitter {
    pub(crate) fn new(run: Arc<RunEmitter>, step_id: StepId) -> Self {
        let tokens = Coalescer::new(run.flush_interval(), MOST_MERGED);
        Self {
            run,
            step_id,
            progressed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            output: Mutex::new(None),
            partial: Mutex::new(None),
            begun: Instant::now(),
            tokens: tokio::sync::Mutex::new(tokens),
            holding: Notify::new(),
        }
    }

    /// The run's id.
    pub(crate) fn execution_id(&self) -> &str {
        self.run.execution_id()
    }

    /// Whether fractions of progress are wanted.
    pub(crate) fn emits_progress(&self) -> bool {
        self.run.emits_progress()
    }

    /// Notes that the step says itself how far it is.
    pub(crate) fn progresses(&self) {
        self.progressed.store(true, Ordering::Relaxed);
    }

    /// Whether the step has said how far it is.
    pub(crate) fn has_progressed(&self) -> bool {
        self.progressed.load(Ordering::Relaxed)
    }

    /// After this nothing of the step is written: what it left running elsewhere speaks to nobody.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// What is asked for something to show where the attempt fails; `None` at the start of an attempt.
    pub(crate) fn set_partial(&self, partial: Option<Partial>) {
        *lock(&self.partial) = partial;
    }

    /// What the attempt has to show although it failed.
    pub(crate) fn partial(&self) -> Option<Value> {
        let partial = lock(&self.partial).clone();
        partial.and_then(|partial| (partial.0)())
    }

    /// Appends to a channel: at once, or merged with what follows shortly.
    pub(crate) async fn append(&self, channel: &Channel, text: &str) {
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let mut tokens = self.tokens.lock().await;
        let held = tokens.due().is_some();
        tokens.push(channel, text, self.now());
        self.write_ready(&mut tokens).await;
        if !held && tokens.due().is_some() {
            self.holding.notify_one();
        }
    }

    /// Writes held tokens when their time has come. Never ends: it is polled beside the step's work, by the same
    /// task. Its pauses are entries of the runtime's timer wheel, which all steps share: no task and no thread of
    /// its own, however many steps stream.
    pub(crate) async fn keep_flushing(&self) -> Infallible {
        loop {
            let due = self.tokens.lock().await.due();
            let Some(due) = due else {
                self.holding.notified().await;
                continue;
            };
            tokio::time::sleep_until(self.begun + due.since_start()).await;
            let mut tokens = self.tokens.lock().await;
            tokens.tick(self.now());
            self.write_ready(&mut tokens).await;
        }
    }

    /// Writes all tokens that are held.
    pub(crate) async fn flush(&self) {
        let mut tokens = self.tokens.lock().await;
        tokens.flush();
        self.write_ready(&mut tokens).await;
    }

    /// Writes a `step_progress`.
    pub(crate) async fn progress(&self, data: Value) {
        self.emit(EventType::StepProgress, data).await;
    }

    /// Begins a file of the step.
    pub(crate) async fn begin_artifact(
        &self,
        name: &str,
        media_type: &str,
    ) -> Result<Writing, ArtifactError> {
        self.run.begin_artifact(name, media_type).await
    }

    /// Announces a file; its reference is kept with the event, or neither is.
    pub(crate) async fn announce(&self, kept: Kept) {
        let mut tokens = self.tokens.lock().await;
        tokens.flush();
        self.write_ready(&mut tokens).await;
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let draft = Draft {
            event_type: EventType::StepProgress,
            step_id: Some(self.step_id.clone()),
            data: kept.announcement(),
            metadata: None,
        };
        let along = Along {
            artifacts: vec![kept],
            ..Along::default()
        };
        self.run.emit_all(&[draft], along).await;
    }

    /// Writes an output, unless it is the one that was written last; its place, and the value to be shared.
    pub(crate) async fn output(&self, value: Value) -> (Seq, Arc<Value>) {
        let last = lock(&self.output).clone();
        if let Some((seq, last)) = last.filter(|(_, last)| **last == value) {
            return (seq, last);
        }
        let data = json!({"output": &value});
        let seq = self.emit(EventType::StepOutput, data).await;
        let value = Arc::new(value);
        *lock(&self.output) = Some((seq, Arc::clone(&value)));
        (seq, value)
    }

    /// Writes what a failed step has to show, and gives it.
    pub(crate) async fn output_partial(&self) -> Option<Value> {
        let value = self.partial()?;
        let data = json!({"output": &value, "partial": true});
        self.emit(EventType::StepOutput, data).await;
        Some(value)
    }

    async fn emit(&self, event_type: EventType, data: Value) -> Seq {
        let mut tokens = self.tokens.lock().await;
        tokens.flush();
        self.write_ready(&mut tokens).await;
        self.write(event_type, data).await
    }

    /// Each run is let go of only when it has its place: who is stopped while waiting for one loses none.
    async fn write_ready(&self, tokens: &mut Coalescer<Channel>) {
        while let Some(run) = tokens.ready() {
            let data = run.channel.event(&run.text);
            self.write(EventType::StepProgress, data).await;
            tokens.written();
        }
    }

    async fn write(&self, event_type: EventType, data: Value) -> Seq {
        if self.ended.load(Ordering::Acquire) {
            return 0;
        }
        self.run.emit(event_type, Some(&self.step_id), data).await
    }

    fn now(&self) -> Time {
        Time::new(self.begun.elapsed())
    }
}

impl Channel {
    fn event(&self, text: &str) -> Value {
        match self {
            Self::Text => json!({"kind": "token", "text": text}),
            Self::Reasoning => json!({"kind": "token", "channel": "reasoning", "text": text}),
            Self::Arguments(call) => {
                json!({"kind": "tool_call", "call_id": call, "arguments": text})
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of merged tokens in one event. What a program writes in one go comes in pieces of 8 KiB.
const MOST_MERGED: usize = 16 << 10;
