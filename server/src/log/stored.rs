//! Events read back from a store, page by page: the frames of one page share one allocation.

use bytes::Bytes;
use stepcast_core::id::{Cursor, Epoch, Seq};

use super::record::{Layout, Record, write_frame};

/// A page that is being read. Its records keep all of it, so it is for readers that take a page and let it go.
#[derive(Debug)]
pub struct StoredPage {
    epoch: Epoch,
    text: String,
    records: Vec<(Seq, usize, Layout)>,
}

impl StoredPage {
    /// A page of a log of this incarnation.
    pub fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            text: String::new(),
            records: Vec::new(),
        }
    }

    /// Adds an event; `None` where the bytes are not ones that [`Record::json`] gave.
    pub fn push(&mut self, seq: Seq, json: &[u8]) -> Option<()> {
        let json = std::str::from_utf8(json).ok()?;
        let epoch = self.epoch;
        let layout = write_frame(&mut self.text, Cursor { epoch, seq }, json)?;
        self.records.push((seq, self.text.len(), layout));
        Some(())
    }

    /// Events so far.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes that the records will hold.
    pub fn size(&self) -> usize {
        self.text.len() + self.records.len() * size_of::<Record>()
    }

    /// The records.
    pub fn finish(self) -> Vec<Record> {
        let text = Bytes::from(self.text);
        let mut start = 0;
        let record = |(seq, end, layout)| {
            let frame = text.slice(start..end);
            start = end;
            let epoch = self.epoch;
            Record::new(Cursor { epoch, seq }, frame, layout)
        };
        self.records.into_iter().map(record).collect()
    }
}
