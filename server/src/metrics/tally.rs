//! The counts of one execution, as far as its log has been read.

use std::sync::Arc;

use stepcast_core::metrics::RunMetrics;

use crate::log::{Reader, StoreError, Stream};

/// Reads a log on and counts what it says.
#[derive(Debug)]
pub(super) struct Tally {
    reader: Reader,
    metrics: RunMetrics,
}

impl Tally {
    pub(super) fn new(stream: Arc<Stream>) -> Self {
        Self {
            reader: Reader::new(stream, 0),
            metrics: RunMetrics::default(),
        }
    }

    /// What has been counted.
    pub(super) fn metrics(&self) -> &RunMetrics {
        &self.metrics
    }

    /// Whether nothing more comes.
    pub(super) fn has_ended(&self) -> bool {
        let tail = self.reader.stream().tail();
        tail.ended.is_some() && self.reader.after() >= tail.last_seq
    }

    /// Counts all that is there.
    pub(super) async fn advance(&mut self) -> Result<(), StoreError> {
        loop {
            let page = self.reader.read(PAGE).await?;
            if page.gap.is_some() {
                self.metrics.gap();
            }
            for record in &page.records {
                if !RunMetrics::concerns(record.event_type(), record.json()) {
                    continue;
                }
                if let Ok(event) = record.parse() {
                    self.metrics.apply(&event);
                }
            }
            if page.records.is_empty() && page.gap.is_none() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Events counted between two chances for other tasks.
const PAGE: usize = 1000;
