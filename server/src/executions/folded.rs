//! The view of an execution, folded when somebody asks, from where it was folded last.

use std::sync::Arc;

use stepcast_core::control::GapReason;
use stepcast_core::id::ExecutionId;
use stepcast_core::view::RunView;

use super::Executions;
use crate::log::{Reader, StoreError, Stream};

impl Executions {
    /// The view of an execution, as far as its log goes now.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn view(&self, id: &ExecutionId) -> Result<Option<RunView>, StoreError> {
        if let Some(folded) = self.folded(id) {
            let mut folded = folded.lock().await;
            folded.advance().await?;
            return Ok(Some(folded.view.clone()));
        }
        let Some(stream) = self.0.log.open(id)? else {
            return Ok(None);
        };
        let mut folded = Folded::new(stream);
        folded.advance().await?;
        Ok(Some(folded.view))
    }

    /// The overall progress of an execution under way in this process, 0 to 1.
    pub async fn progress(&self, id: &ExecutionId) -> Option<f64> {
        let folded = self.folded(id)?;
        let mut folded = folded.lock().await;
        folded.advance().await.ok()?;
        Some(folded.view.progress())
    }

    fn folded(&self, id: &ExecutionId) -> Option<Arc<tokio::sync::Mutex<Folded>>> {
        let running = self.runs().get(id).map(|running| running.view.clone());
        running.or_else(|| self.external_view(id))
    }
}

/// A view and how far it has read: summaries are folded when asked for, from where the last one ended.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) reader: Reader,
    pub(super) view: RunView,
}

impl Folded {
    pub(super) fn new(stream: Arc<Stream>) -> Self {
        Self {
            reader: Reader::new(stream, 0),
            view: RunView::default(),
        }
    }

    pub(super) async fn advance(&mut self) -> Result<(), StoreError> {
        loop {
            let page = self.reader.read(PAGE).await?;
            if let Some((from, to)) = page.gap {
                self.view.gap(from, to, GapReason::Retention);
            }
            for event in page.records.iter().filter_map(|record| record.parse().ok()) {
                self.view.apply(&event);
            }
            if page.records.is_empty() && page.gap.is_none() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Events folded between two chances for other tasks.
const PAGE: usize = 1000;
