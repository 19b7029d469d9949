//! What the client gave out, checked as it comes: in order, once, and nothing missing that was not announced.

use std::collections::BTreeMap;

use stepcast_core::control::GapReason;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Epoch, Seq};

#[derive(Default)]
pub(crate) struct Ledger {
    /// Every event that was ever in the log, by epoch.
    pub(crate) sent: BTreeMap<Epoch, Vec<StreamEvent>>,
    /// How far retention went, by epoch.
    pub(crate) earliest: BTreeMap<Epoch, Seq>,
    /// Whether the link may lose frames.
    pub(crate) lossy: bool,
    pub(crate) epoch: Option<Epoch>,
    /// What must come next; none before the first of a stream that begins with what is new.
    pub(crate) next: Option<Seq>,
    pub(crate) delivered: u64,
    pub(crate) lost: u64,
    pub(crate) resets: u64,
}

impl Ledger {
    pub(crate) fn event(&mut self, event: &StreamEvent) {
        let epoch = event.metadata.as_ref().unwrap()["epoch"].as_u64().unwrap();
        assert_eq!(
            *self.epoch.get_or_insert(epoch),
            epoch,
            "an event of a log that is gone"
        );
        let next = *self.next.get_or_insert(event.seq);
        assert_eq!(
            event.seq, next,
            "out of order, twice, or after a silent hole"
        );
        let index = usize::try_from(event.seq - 1).unwrap();
        assert_eq!(
            event, &self.sent[&epoch][index],
            "another event than was sent"
        );
        self.next = Some(next + 1);
        self.delivered += 1;
    }

    pub(crate) fn gap(&mut self, from: Seq, to: Seq, reason: GapReason, epoch: Epoch) {
        let next = *self.next.get_or_insert(from);
        assert_eq!(
            from, next,
            "a gap that does not begin where the stream stopped"
        );
        assert!(from <= to, "a gap that ends before it begins");
        match reason {
            GapReason::Retention => {
                assert!(
                    to < self.earliest[&epoch],
                    "announced as gone, and still there"
                );
            }
            GapReason::Transport => assert!(self.lossy, "a lossless link lost something"),
            GapReason::Epoch | _ => panic!("a gap for {reason:?}"),
        }
        self.next = Some(to + 1);
        self.lost += to - from + 1;
    }

    pub(crate) fn reset(&mut self, epoch: Epoch) {
        assert_ne!(self.epoch, Some(epoch), "a reset to the same log");
        self.epoch = Some(epoch);
        self.next = Some(1);
        self.resets += 1;
    }

    /// Everything was delivered or announced, up to the end of the log.
    pub(crate) fn close(&self, epoch: Epoch, last_seq: Seq) {
        assert!(
            self.epoch.is_none_or(|it| it == epoch),
            "ended in a log that is gone"
        );
        if let Some(next) = self.next {
            assert_eq!(next, last_seq + 1, "ended before the end");
        }
    }
}
