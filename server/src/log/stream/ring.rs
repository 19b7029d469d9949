//! The newest events of a stream.

use std::collections::VecDeque;

use stepcast_core::id::Seq;

use super::super::record::Record;

/// Events without a hole, the newest last.
#[derive(Debug, Default)]
pub(super) struct Ring {
    records: VecDeque<Record>,
    bytes: usize,
}

impl Ring {
    pub(super) fn push(&mut self, record: Record) {
        self.bytes += record.size();
        self.records.push_back(record);
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place of the first one.
    pub(super) fn first(&self) -> Option<Seq> {
        self.records.front().map(Record::seq)
    }

    /// The newest one.
    pub(super) fn last(&self) -> Option<&Record> {
        self.records.back()
    }

    /// The events after `after`, as far back as there are some.
    pub(super) fn after(&self, after: Seq) -> impl Iterator<Item = &Record> {
        let first = self.first().unwrap_or_default();
        self.records
            .iter()
            .skip(count((after + 1).saturating_sub(first)))
    }

    /// Bytes of the events after `after` up to `to`.
    pub(super) fn bytes_of(&self, after: Seq, to: Seq) -> usize {
        let records = self.after(after).take(count(to.saturating_sub(after)));
        records.map(Record::size).sum()
    }

    /// The events after `after` up to `to`: at most `max` and, past the first, at most `max_bytes`; `None` where the
    /// first of them has left.
    pub(super) fn page(
        &self,
        after: Seq,
        to: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Option<Vec<Record>> {
        if after >= to {
            return Some(Vec::new());
        }
        if self.first().is_none_or(|first| first > after + 1) {
            return None;
        }
        let mut bytes = 0;
        let within = |record: &&Record| {
            let fits = bytes == 0 || bytes + record.size() <= max_bytes;
            bytes += record.size();
            fits
        };
        let records = self.after(after).take(count(to - after).min(max));
        Some(records.take_while(within).cloned().collect())
    }

    /// Lets go of the oldest up to `through` while there are more than so many events or bytes; the newest stays.
    /// Bytes that were let go of.
    pub(super) fn trim(&mut self, through: Seq, events: usize, bytes: usize) -> usize {
        let before = self.bytes;
        while self.records.len() > 1 && (self.records.len() > events || self.bytes > bytes) {
            let Some(first) = self.records.pop_front_if(|first| first.seq() <= through) else {
                break;
            };
            self.bytes = self.bytes.saturating_sub(first.size());
        }
        before - self.bytes
    }
}

fn count(distance: Seq) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}
