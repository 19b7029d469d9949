//! Writes a run's events in the shapes of `docs/protocol.md`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::{Seq, StepId};
use tokio_util::sync::CancellationToken;

use super::definition::Streaming;
use crate::artifact::{ArtifactError, Writing};
use crate::context::{Draft, EmitError, StreamingContext};
use crate::log::Along;
use crate::trace::Carried;

/// Where a run's events go. A log that takes no more stops the run: nobody could learn how it went.
#[derive(Debug)]
pub(crate) struct RunEmitter {
    context: StreamingContext,
    emit_progress: bool,
    flush_interval: Duration,
    broken: OnceLock<EmitError>,
    stop: CancellationToken,
}

impl RunEmitter {
    pub(crate) fn new(
        context: StreamingContext,
        streaming: &Streaming,
        stop: CancellationToken,
    ) -> Self {
        Self {
            context,
            emit_progress: streaming.emit_progress,
            flush_interval: Duration::from_millis(streaming.flush_interval_ms),
            broken: OnceLock::new(),
            stop,
        }
    }

    /// Whether a checkpoint is kept that comes along with events.
    pub(crate) fn keeps_checkpoints(&self) -> bool {
        self.context
            .stream()
            .is_some_and(|stream| stream.keeps_checkpoints())
    }

    /// Whether something is taken out of the event that tells this output.
    pub(crate) fn redacts(&self, output: &Value) -> bool {
        let redaction = self.context.stream().map(|stream| stream.redaction());
        // where it cannot be known, it is taken for so
        redaction
            .is_some_and(|known| known.map_or(true, |it| it.touches(&["data", "output"], output)))
    }

    /// Whether fractions of progress are wanted.
    pub(crate) fn emits_progress(&self) -> bool {
        self.emit_progress
    }

    /// How long tokens are gathered.
    pub(crate) fn flush_interval(&self) -> Duration {
        self.flush_interval
    }

    /// Why nothing is written any more.
    pub(crate) fn broken(&self) -> Option<&EmitError> {
        self.broken.get()
    }

    /// What steps pass on of the trace that the run belongs to.
    pub(crate) fn trace(&self) -> Option<&Arc<Carried>> {
        self.context.trace()
    }

    pub(crate) fn execution_id(&self) -> &str {
        self.context.execution_id().as_str()
    }

    /// Writes an event; its place, 0 where nothing is kept.
    pub(crate) async fn emit(
        &self,
        event_type: EventType,
        step_id: Option<&StepId>,
        data: Value,
    ) -> Seq {
        let draft = Draft {
            event_type,
            step_id: step_id.cloned(),
            data,
            metadata: None,
        };
        self.emit_all(&[draft], Along::default()).await
    }

    /// Writes events with what comes along, or nothing of it; the place of the last, 0 where nothing is kept.
    pub(crate) async fn emit_all(&self, drafts: &[Draft], along: Along) -> Seq {
        if self.broken.get().is_some() {
            return 0;
        }
        match self.context.emit_all(drafts, along).await {
            Ok(seq) => seq,
            Err(error) => {
                tracing::error!(execution_id = self.execution_id(), %error, "the run stops");
                self.broken.get_or_init(|| error);
                self.stop.cancel();
                0
            }
        }
    }

    /// Writes events with what comes along, or nothing of it; a log that takes no more stops nothing.
    pub(crate) async fn try_emit_all(
        &self,
        drafts: &[Draft],
        along: Along,
    ) -> Result<Seq, EmitError> {
        match self.broken.get() {
            Some(broken) => Err(broken.clone()),
            None => self.context.emit_all(drafts, along).await,
        }
    }

    /// Begins a file of this run.
    pub(crate) async fn begin_artifact(
        &self,
        name: &str,
        media_type: &str,
    ) -> Result<Writing, ArtifactError> {
        self.context.begin_artifact(name, media_type).await
    }

    /// Waits until everything that was written is kept; false where it cannot be at present.
    pub(crate) async fn settled(&self) -> bool {
        match self.context.stream() {
            Some(stream) => stream.settled(stream.last_given()).await.is_ok(),
            None => true,
        }
    }

    /// Writes a line of the run's or a step's log.
    pub(crate) async fn log(&self, step_id: Option<&StepId>, level: &str, message: &str) {
        let data = json!({"kind": "log", "level": level, "message": message});
        self.emit(EventType::StepProgress, step_id, data).await;
    }
}

/// An output in the data of an event; where it is large, the place of the event that already holds it.
pub(crate) fn put_output(data: &mut Map<String, Value>, output: &Value, seq: Seq) {
    if seq > 0 && is_larger_than(output, REPEATED) {
        data.insert("output_seq".into(), seq.into());
    } else {
        data.insert("output".into(), output.clone());
    }
}

/// Whether the JSON text of a value has more than so many bytes, roughly; stops counting there.
pub(crate) fn is_larger_than(value: &Value, bytes: usize) -> bool {
    fn left(value: &Value, budget: usize) -> Option<usize> {
        let own = match value {
            Value::Null | Value::Bool(_) => 4,
            Value::Number(_) => 8,
            Value::String(text) => text.len() + 2,
            Value::Array(list) => list.len() + 1,
            Value::Object(map) => map.keys().map(|key| key.len() + 4).sum::<usize>() + 1,
        };
        let budget = budget.checked_sub(own)?;
        match value {
            Value::Array(list) => list.iter().try_fold(budget, |b, value| left(value, b)),
            Value::Object(map) => map.values().try_fold(budget, |b, value| left(value, b)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Some(budget),
        }
    }
    left(value, bytes).is_none()
}

/// The largest output that `step_complete` repeats, in bytes.
const REPEATED: usize = 16 * 1024;
