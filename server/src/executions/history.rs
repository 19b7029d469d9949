//! The history of an execution, copied into the log of the one that goes on from it.

use std::sync::Arc;

use serde_json::{Value, json};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::Seq;
use thiserror::Error;

use super::prepare::Prepared;
use crate::artifact::{ArtifactError, Artifacts, Kept};
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
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

/// Copies events with their times, page by page; they get the new log's own numbers.
pub(super) struct HistoryCopy<'a> {
    to: &'a Arc<Stream>,
    prepared: &'a Prepared,
    /// Where the files are, and whose they are so far.
    artifacts: &'a Artifacts,
    owner: i64,
    lent: Vec<Kept>,
    drafts: Vec<Draft>,
    happened: Vec<u64>,
    /// The first event of the old log without a hole behind it.
    since: Seq,
    /// The last number given in the new log.
    given: Seq,
}

impl<'a> HistoryCopy<'a> {
    /// Files of `owner` become files of the copy too.
    pub(super) fn new(
        to: &'a Arc<Stream>,
        prepared: &'a Prepared,
        artifacts: &'a Artifacts,
        owner: i64,
    ) -> Self {
        Self {
            to,
            prepared,
            artifacts,
            owner,
            lent: Vec::new(),
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
                    self.take(event)?;
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
            confidential: checkpoint.confidential,
            ..Along::default()
        };
        self.write(along).await
    }

    fn take(&mut self, event: StreamEvent) -> Result<(), CopyError> {
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
        self.borrow(&draft.data)?;
        self.push(draft, at.unwrap_or_default());
        Ok(())
    }

    /// Holds the file that the next event announces, where it does and the server has it.
    fn borrow(&mut self, data: &Value) -> Result<(), CopyError> {
        let text = |key: &str| data.get(key).and_then(Value::as_str);
        let sha256 = text("sha256").and_then(|text| text.parse().ok());
        let Some(sha256) = sha256.filter(|_| text("kind") == Some("artifact")) else {
            return Ok(());
        };
        let (to, seq) = (self.to.key(), self.given + 1);
        let lent = self.artifacts.lend(self.owner, &sha256, to, seq)?;
        self.lent.extend(lent);
        Ok(())
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

    async fn write(&mut self, mut along: Along) -> Result<(), CopyError> {
        along.artifacts = std::mem::take(&mut self.lent);
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
