//! A position in a stream, and the one way to read on from it.

use std::sync::Arc;

use stepcast_core::control::EndReason;
use stepcast_core::id::{Epoch, Seq};
use tokio::sync::watch;

use super::record::Record;
use super::store::StoreError;
use super::stream::{Stream, Tail};

/// What there was after a place.
#[derive(Debug, Default)]
pub struct Page {
    /// Events that are gone, before `records`: first and last.
    pub gap: Option<(Seq, Seq)>,
    /// The events.
    pub records: Vec<Record>,
    /// Set where the execution has ended and `records` reach its end.
    pub ended: Option<(Seq, EndReason)>,
}

/// A cursor into a stream.
///
/// Past and present are read the same way, so the hand-over between them has no race: the ring is asked
/// first, and what has left the ring is committed and in the store.
#[derive(Debug)]
pub struct Reader {
    stream: Arc<Stream>,
    tail: watch::Receiver<Tail>,
    after: Seq,
}

impl Reader {
    /// A reader of what comes after `after`.
    pub fn new(stream: Arc<Stream>, after: Seq) -> Self {
        Self {
            tail: stream.watch(),
            stream,
            after,
        }
    }

    /// What is read.
    pub fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// The last event read.
    pub fn after(&self) -> Seq {
        self.after
    }

    /// The log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.stream.epoch()
    }

    /// Goes to the place after `after`.
    pub fn seek(&mut self, after: Seq) {
        self.after = after;
    }

    /// Waits until there is more to read, or the execution has ended.
    pub async fn grown(&mut self) -> Tail {
        let after = self.after;
        let more = |tail: &Tail| tail.last_seq > after || tail.ended.is_some();
        match self.tail.wait_for(more).await {
            Ok(tail) => *tail,
            // The reader holds the stream, and with it the sender.
            Err(_closed) => self.stream.tail(),
        }
    }

    /// Reads on, without waiting for more to come.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn read(&mut self, max: usize) -> Result<Page, StoreError> {
        let page = read(&self.stream, self.after, max).await?;
        if let Some((_, to)) = page.gap {
            self.after = self.after.max(to);
        }
        if let Some(record) = page.records.last() {
            self.after = record.seq();
        }
        Ok(page)
    }
}

/// Reads what comes after `after`, at most `max` events.
pub(super) async fn read(stream: &Arc<Stream>, after: Seq, max: usize) -> Result<Page, StoreError> {
    // Taken before the events: a later tail could name an end that this page does not reach.
    let tail = stream.tail();
    let mut page = Page::default();
    match stream.read_ring(after, max, PAGE_BYTES) {
        Some(records) => page.records = records,
        None => {
            let blocking = stream.clone();
            let read = move || {
                blocking
                    .store()
                    .read(&blocking.row_key(), after, max, PAGE_BYTES)
            };
            page.records = tokio::task::spawn_blocking(read)
                .await
                .map_err(|error| StoreError::Damaged(error.to_string()))??;
            // The store is ahead of the tail for a moment. Who was given more than the tail tells could come back
            // with a cursor that is past it.
            let told = stream.tail().last_seq;
            page.records.retain(|record| record.seq() <= told);
        }
    }
    let first = page
        .records
        .first()
        .map_or_else(|| stream.ring_start().min(tail.last_seq + 1), Record::seq);
    if first > after + 1 && tail.last_seq > after {
        page.gap = Some((after + 1, first - 1));
    }
    let reached = page
        .records
        .last()
        .map_or_else(|| page.gap.map_or(after, |(_, to)| to), Record::seq);
    page.ended = tail
        .ended
        .filter(|_| reached >= tail.last_seq)
        .map(|reason| (tail.last_seq, reason));
    Ok(page)
}

/// Bytes of one page, so that a reader far behind costs no more than one page.
const PAGE_BYTES: usize = 256 << 10;
