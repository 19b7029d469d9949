//! What a run emits its events through, and where subscribers are attached.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::{ExecutionId, Seq, StepId};
use thiserror::Error;

use crate::artifact::{ArtifactError, Artifacts, Writing};
use crate::log::{Along, Reader, StoreError, Stream};
use crate::subscriber::{Subscriber, SubscriberId, Subscribers};
use crate::trace::Carried;

/// An event before the log has given it a place and a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// What happened.
    pub event_type: EventType,
    /// In which step.
    pub step_id: Option<StepId>,
    /// What, in the shape that `docs/protocol.md` gives for the type.
    pub data: Value,
    /// What the author attached.
    pub metadata: Option<Value>,
}

impl Draft {
    /// Whether it is kept where events of steps are not: questions to people have to be seen to be answered, and files to
    /// be found.
    fn concerns_the_run(&self) -> bool {
        let kind = self.data.get("kind").and_then(Value::as_str);
        self.step_id.is_none() || matches!(kind, Some("waiting" | "answered" | "artifact"))
    }
}

/// Why an event was not taken.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[non_exhaustive]
pub enum EmitError {
    /// The execution has had its terminal event.
    #[error("the execution has ended: nothing can be added to it")]
    Ended,
    /// The event's type is not a word of `a-z 0-9 _`.
    #[error("an event type is a word of a-z, 0-9 and _")]
    EventType,
    /// The log cannot take more: the disk is full, or the store failed.
    #[error("the log cannot be written: {0}")]
    Store(String),
}

impl From<StoreError> for EmitError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}

/// The way from a run to its log, and from the log to subscribers inside this process.
///
/// Emitting never waits for a reader. It waits only while more is uncommitted than the log's own budget allows,
/// which is when the disk is slower than the producer.
///
/// ```
/// use std::sync::Arc;
///
/// use serde_json::json;
/// use stepcast::context::{Draft, StreamingContext};
/// use stepcast::log::{Budget, Log, MemoryStore, NewExecution};
/// use stepcast::subscriber::{CallbackSubscriber, MetricsSubscriber};
/// use stepcast_core::event::EventType;
/// use stepcast_core::id::StepId;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // a log, and an execution in it; in place of memory, `SqliteStore::open(folder, durability)` keeps it
/// let log = Log::new(Arc::new(MemoryStore::new()));
/// let stream = log.create(
///     &NewExecution::named("import-17".parse()?, "Import", stepcast::clock::unix_millis()),
///     Budget::default(),
/// )?;
/// let context = StreamingContext::new(stream);
///
/// let (seen, mut events) = tokio::sync::mpsc::channel(100);
/// context.subscribe(Box::new(CallbackSubscriber::new(move |event| {
///     // what does not fit is lost to this receiver only; a closed one would be an error, and end the subscription
///     seen.try_send(event.event_type().to_owned()).ok();
///     Ok(())
/// })));
/// let metrics = MetricsSubscriber::default();
/// let counting = context.subscribe(Box::new(metrics.clone()));
///
/// let step = StepId::from("rows");
/// context.emit_progress(&step, 0.5, Some("500 of 1000")).await?;
/// context
///     .emit(Draft {
///         event_type: EventType::PipelineComplete,
///         step_id: None,
///         data: json!({"output": {"rows": 1000}, "duration_ms": 12.5, "steps_completed": 1}),
///         metadata: None,
///     })
///     .await?;
///
/// assert_eq!(events.recv().await.as_deref(), Some("step_progress"));
/// assert_eq!(events.recv().await.as_deref(), Some("pipeline_complete"));
/// // after its terminal event an execution takes no more
/// assert!(context.emit_progress(&step, 1.0, None).await.is_err());
/// // false where the subscriber is gone already, as it is once the execution has ended and it has seen all
/// if let Some(id) = counting {
///     let _was_attached: bool = context.unsubscribe(id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StreamingContext {
    execution_id: ExecutionId,
    streaming: Option<Streaming>,
    /// What steps pass on.
    trace: Option<Arc<Carried>>,
}

#[derive(Clone, Debug)]
struct Streaming {
    stream: Arc<Stream>,
    /// None where no files are kept.
    artifacts: Option<Artifacts>,
    /// Only what concerns the whole execution is kept, and what people are asked.
    ends_only: bool,
    subscribers: Subscribers,
}

impl Streaming {
    /// A checkpoint may hold what is taken out of these, which are not kept.
    fn note_redacted(&self, drafts: &[Draft]) -> Result<(), EmitError> {
        let redaction = self.stream.redaction()?;
        let mut dropped = drafts.iter().filter(|draft| !draft.concerns_the_run());
        if dropped.any(|draft| redaction.touches(&["data"], &draft.data)) {
            self.stream.note_redacted();
        }
        Ok(())
    }
}

impl StreamingContext {
    /// A context over an execution's log.
    pub fn new(stream: Arc<Stream>) -> Self {
        let execution_id = stream.id().clone();
        Self {
            execution_id,
            streaming: Some(Streaming {
                stream,
                artifacts: None,
                subscribers: Subscribers::default(),
                ends_only: false,
            }),
            trace: None,
        }
    }

    /// Keeps the files that steps make here.
    #[must_use]
    pub fn with_artifacts(mut self, artifacts: Artifacts) -> Self {
        if let Some(streaming) = &mut self.streaming {
            streaming.artifacts = Some(artifacts);
        }
        self
    }

    /// Has steps pass this on.
    #[must_use]
    pub(crate) fn with_trace(mut self, trace: Option<Carried>) -> Self {
        self.trace = trace.map(Arc::new);
        self
    }

    /// What steps pass on of the trace that the run belongs to.
    pub(crate) fn trace(&self) -> Option<&Arc<Carried>> {
        self.trace.as_ref()
    }

    /// Keeps the start and the end of the execution, and in between no more than what people are asked: what a
    /// pipeline with `"streaming": {"enabled": false}` asks for.
    #[must_use]
    pub fn ends_only(mut self) -> Self {
        if let Some(streaming) = &mut self.streaming {
            streaming.ends_only = true;
        }
        self
    }

    /// A context that keeps nothing: the plan's blocking execution takes the same path as a streamed one.
    pub fn disabled(execution_id: ExecutionId) -> Self {
        Self {
            execution_id,
            streaming: None,
            trace: None,
        }
    }

    /// Whose events these are.
    pub fn execution_id(&self) -> &ExecutionId {
        &self.execution_id
    }

    /// The log; none where nothing is kept.
    pub fn stream(&self) -> Option<&Arc<Stream>> {
        self.streaming.as_ref().map(|streaming| &streaming.stream)
    }

    /// Begins a file of this execution.
    ///
    /// # Errors
    /// Where no files are kept, the name or the type is none, or there is no room.
    pub async fn begin_artifact(
        &self,
        name: &str,
        media_type: &str,
    ) -> Result<Writing, ArtifactError> {
        let streaming = self.streaming.as_ref().ok_or(ArtifactError::NotKept)?;
        let artifacts = streaming.artifacts.clone();
        let artifacts = artifacts.ok_or(ArtifactError::NotKept)?;
        let key = streaming.stream.key();
        let (name, media_type) = (name.to_owned(), media_type.to_owned());
        let begun = tokio::task::spawn_blocking(move || artifacts.begin(key, &name, &media_type));
        begun.await.map_err(std::io::Error::other)?
    }

    /// Adds an event to the log; its place is returned, 0 where the context keeps nothing.
    ///
    /// # Errors
    /// Where the execution has ended, or the log cannot be written.
    pub async fn emit(&self, draft: Draft) -> Result<Seq, EmitError> {
        self.emit_all(&[draft], Along::default()).await
    }

    /// Adds all of these events, or none, with what comes along; the place of the last one, 0 where none is kept.
    ///
    /// # Errors
    /// As [`StreamingContext::emit`].
    pub async fn emit_all(&self, drafts: &[Draft], along: Along) -> Result<Seq, EmitError> {
        match &self.streaming {
            Some(streaming) if streaming.ends_only => {
                streaming.note_redacted(drafts)?;
                let kept = drafts.iter().filter(|draft| draft.concerns_the_run());
                let kept: Vec<Draft> = kept.cloned().collect();
                if kept.is_empty() {
                    return Ok(0);
                }
                streaming.stream.append_all(&kept, along).await
            }
            Some(streaming) => streaming.stream.append_all(drafts, along).await,
            None => Ok(0),
        }
    }

    /// Says how far a step is, from 0 to 1, and what it is doing.
    ///
    /// # Errors
    /// As [`StreamingContext::emit`].
    pub async fn emit_progress(
        &self,
        step_id: &StepId,
        progress: f64,
        message: Option<&str>,
    ) -> Result<Seq, EmitError> {
        let mut data = json!({ "progress": progress.clamp(0.0, 1.0) });
        if let (Some(message), Some(object)) = (message, data.as_object_mut()) {
            object.insert("message".to_owned(), message.into());
        }
        let draft = Draft {
            event_type: EventType::StepProgress,
            step_id: Some(step_id.clone()),
            data,
            metadata: None,
        };
        self.emit(draft).await
    }

    /// Attaches a subscriber; it sees every event from the first that is still there.
    ///
    /// It runs as a task of its own. If it fails, panics or hangs, it is counted and removed, and nothing else
    /// notices. `None` where the context keeps nothing.
    pub fn subscribe(&self, subscriber: Box<dyn Subscriber>) -> Option<SubscriberId> {
        self.subscribe_after(subscriber, 0)
    }

    /// Attaches a subscriber as [`StreamingContext::subscribe`] does; it sees what comes after this place.
    pub fn subscribe_after(
        &self,
        subscriber: Box<dyn Subscriber>,
        after: Seq,
    ) -> Option<SubscriberId> {
        let streaming = self.streaming.as_ref()?;
        let reader = Reader::new(streaming.stream.clone(), after);
        Some(streaming.subscribers.add(subscriber, reader))
    }

    /// Detaches a subscriber; false where it is gone already.
    pub fn unsubscribe(&self, id: SubscriberId) -> bool {
        self.streaming
            .as_ref()
            .is_some_and(|streaming| streaming.subscribers.remove(id))
    }

    /// The attached subscribers.
    pub fn subscribers(&self) -> Option<&Subscribers> {
        self.streaming
            .as_ref()
            .map(|streaming| &streaming.subscribers)
    }
}
