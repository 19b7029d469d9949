//! How the readers of a fan are told, and what is held back for those that want tokens merged.

use std::time::Duration;

use stepcast_core::control::ControlFrame;
use stepcast_core::fidelity::Fidelity;
use stepcast_core::id::{Cursor, Seq};
use tokio::time::Instant;

use super::blocks::{BLOCK_BYTES, BLOCK_EVENTS};
use crate::log::{Stream, Tail};
use crate::transport::dialect::Dialect;

/// What one encoding serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Voice {
    pub(super) dialect: Dialect,
    pub(super) fidelity: Fidelity,
}

/// Events that the readers of one fidelity wait for, as more may be merged with them. They stay in the log: what is kept
/// of them is a place.
#[derive(Debug)]
pub(super) struct Gathering {
    fidelity: Fidelity,
    due: Instant,
    /// Everything up to here has been looked at, and may wait.
    looked: Seq,
}

impl Gathering {
    /// When they are to be written, come what may.
    pub(super) fn due(&self) -> Instant {
        self.due
    }

    /// Whether this voice waits.
    pub(super) fn has(gathering: &[Self], voice: Voice) -> bool {
        gathering.iter().any(|it| it.fidelity == voice.fidelity)
    }

    /// Looks at what is new for seats of these fidelities and cursors, and leaves those that are to wait.
    pub(super) fn go_on(
        gathering: &mut Vec<Self>,
        stream: &Stream,
        tail: Tail,
        seats: impl Iterator<Item = (Fidelity, Seq)>,
    ) {
        let mut behind: Vec<(Fidelity, Duration, Seq)> = Vec::new();
        for (fidelity, cursor) in seats {
            let Some(interval) = fidelity.interval() else {
                continue;
            };
            match behind.iter_mut().find(|(of, ..)| *of == fidelity) {
                Some((.., first)) => *first = cursor.min(*first),
                None => behind.push((fidelity, interval, cursor)),
            }
        }
        if behind.is_empty() && gathering.is_empty() {
            return;
        }
        let now = Instant::now();
        let before = std::mem::take(gathering);
        if tail.ended.is_some() {
            return;
        }
        for (fidelity, interval, first) in behind {
            let known = before.iter().find(|it| it.fidelity == fidelity);
            let mut it = Self {
                fidelity,
                due: known.map_or(now + interval, |it| it.due),
                looked: known.map_or(first, |it| it.looked),
            };
            if it.due > now && it.waits(stream, tail, first) {
                gathering.push(it);
            }
        }
    }

    /// Whether all that is new may wait.
    fn waits(&mut self, stream: &Stream, tail: Tail, first: Seq) -> bool {
        if tail.last_seq.saturating_sub(first) >= BLOCK_EVENTS as Seq {
            return false;
        }
        while self.looked < tail.last_seq {
            let Some(records) = stream.read_ring(self.looked, BLOCK_EVENTS, BLOCK_BYTES) else {
                return false;
            };
            let Some(last) = records.last() else {
                return false;
            };
            self.looked = last.seq();
            let mut types = records.iter().map(crate::log::Record::event_type);
            if types.any(Fidelity::is_urgent) {
                return false;
            }
        }
        true
    }
}

/// Says where a reader of this stream stands.
pub(super) fn place(stream: &Stream, seq: Seq) -> ControlFrame {
    ControlFrame::Place {
        execution_id: stream.id().clone(),
        cursor: Cursor {
            epoch: stream.epoch(),
            seq,
        },
    }
}
