//! Offsets: our cursors, written so that they sort as texts.

use std::fmt;

use stepcast_core::id::{Cursor, Epoch, IdError, Position, Seq};

/// A place in a stream. It is a cursor with zeros in front: every dialect takes it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Offset(pub(crate) Cursor);

impl Offset {
    pub(crate) fn new(epoch: Epoch, seq: Seq) -> Self {
        Self(Cursor { epoch, seq })
    }

    /// Where a reader wishes to begin.
    ///
    /// # Errors
    /// Where it is no offset.
    pub(crate) fn position(text: &str) -> Result<Position, IdError> {
        match text {
            "-1" => Ok(Position::Earliest),
            "now" => Ok(Position::Now),
            offset => offset.parse().map(Position::After),
        }
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // numbers that JavaScript holds exactly have so many digits at most
        write!(f, "{:016}.{:016}", self.0.epoch, self.0.seq)
    }
}

/// The place that a reader of what somebody appended stands at, where the log says `seq`: what only says that a stream
/// begins or ends holds nothing of it, so its end does not move when it is closed.
pub(crate) fn settled(seq: Seq, last_seq: Seq, is_closed: bool) -> Seq {
    let seq = seq.min(last_seq.saturating_sub(u64::from(is_closed)));
    if seq == BEGUN { 0 } else { seq }
}

/// The event that says that it begins.
const BEGUN: Seq = 1;
