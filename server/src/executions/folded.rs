//! The view of an execution, folded when somebody asks, from where it was folded last.

use std::sync::Arc;

use stepcast_core::control::GapReason;
use stepcast_core::view::RunView;

use crate::log::{Reader, StoreError, Stream};

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
