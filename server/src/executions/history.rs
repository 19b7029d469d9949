//! The history of an execution, copied into the log of the one that goes on from it.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::Seq;
use thiserror::Error;

use super::prepare::Prepared;
use crate::clock::unix_millis;
use crate::context::{Draft, EmitError};
use crate::log::{Along, Checkpoint, Reader, Record, StoreError, Stream};

/// Why a history was not copied.
#[derive(Debug, Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Read(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] EmitError),
}

/// Copies events with their times, page by page; they get the new log's own numbers.
pub(super) struct HistoryCopy<'a> {
    to: &'a Arc<Stream>,
    prepared: &'a Prepared,
    drafts: Vec<Draft>,
    happened: Vec<u64>,
    /// The first event of the old log without a hole behind it.
    since: Seq,
    /// The last number given in the new log.
    given: Seq,
}

impl<'a> HistoryCopy<'a> {
    pub(super) fn new(to: &'a Arc<Stream>, prepared: &'a Prepared) -> Self {
        Self {
            to,
            prepared,
            drafts: Vec::new(),
            happened: Vec::new(),
            since: 1,
            given: 0,
        }
    }

    /// Everything up to the checkpoint, which is kept with the last event: only a whole copy can be gone on from.
    pub(super) async fn all(
        mut self,
        from: Arc<Stream>,
        checkpoint: Checkpoint,
    ) -> Result<(), CopyError> {
        let mut reader = Reader::new(from, 0);
        loop {
            let page = reader.read(PAGE).await?;
            if let Some((_, to)) = page.gap {
                self.since = to + 1;
            }
            let until = |record: &&Record| record.seq() <= checkpoint.seq;
            for record in page.records.iter().take_while(until) {
                if let Ok(event) = record.parse() {
                    self.take(event);
                }
            }
            if page.records.is_empty() || reader.after() >= checkpoint.seq {
                break;
            }
            self.write(Along::default()).await?;
        }
        if self.given == 0 {
            self.begin();
        }
        let along = Along {
            checkpoint: Some((checkpoint.state, checkpoint.results)),
            ..Along::default()
        };
        self.write(along).await
    }

    fn take(&mut self, event: StreamEvent) {
        if self.given == 0 && event.event_type != EventType::PipelineStart {
            // retention has taken the beginning, without which nobody could make anything of the rest
            self.begin();
        }
        let mut data = event.data;
        if let Some(seq) = data.get("output_seq").and_then(Value::as_u64)
            && let Some(object) = data.as_object_mut()
        {
            object.shift_remove("output_seq");
            if seq >= self.since {
                let back = event.seq.saturating_sub(seq);
                let moved = (self.given + 1).saturating_sub(back);
                object.insert("output_seq".into(), moved.into());
            }
        }
        let draft = Draft {
            event_type: event.event_type,
            step_id: event.step_id,
            data,
            metadata: event.metadata,
        };
        let at = event.timestamp.unix_millis();
        self.push(draft, at.unwrap_or_default());
    }

    fn begin(&mut self) {
        let start = Draft {
            event_type: EventType::PipelineStart,
            step_id: None,
            data: json!({"pipeline": self.prepared.pipeline.describe(), "input": self.prepared.input}),
            metadata: None,
        };
        self.push(start, unix_millis());
    }

    fn push(&mut self, draft: Draft, happened: u64) {
        self.drafts.push(draft);
        self.happened.push(happened);
        self.given += 1;
    }

    async fn write(&mut self, along: Along) -> Result<(), CopyError> {
        self.to
            .append_past(&self.drafts, &self.happened, along)
            .await?;
        self.drafts.clear();
        self.happened.clear();
        Ok(())
    }
}

/// Events copied in one transaction.
const PAGE: usize = 1000;
