//! One connection, from its opening to how it ended.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::id::Seq;
use stepcast_core::wire::close::CloseCode;

use super::batch::Batch;
use super::delivery::{Delivery, Resumes};
use super::lane::Lane;

/// A connection that is open until this is dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    delivery: Arc<Delivery>,
    lane: Lane,
    end: End,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The client closed it, or is gone.
    Client,
    /// Everything was sent.
    Finished,
    /// A write made no progress for too long.
    WriteDeadline,
    /// It left a ping unanswered for too long.
    Silent,
    /// What the client had shown of itself has expired, or was revoked.
    Expired,
    /// The server stops.
    Stopping,
    /// It was turned away.
    Refused,
    /// The server could not go on.
    Failed,
}

/// How many ends there are.
pub(super) const END_COUNT: usize = End::ALL.len();

impl End {
    pub(super) const ALL: [Self; 8] = [
        Self::Client,
        Self::Finished,
        Self::WriteDeadline,
        Self::Silent,
        Self::Expired,
        Self::Stopping,
        Self::Refused,
        Self::Failed,
    ];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Finished => "finished",
            Self::WriteDeadline => "write_deadline",
            Self::Silent => "silent",
            Self::Expired => "expired",
            Self::Stopping => "stopping",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// What a close means.
    pub(crate) fn of_close(code: CloseCode) -> Self {
        if code == CloseCode::Done {
            Self::Finished
        } else if code == CloseCode::GoingAway || code == CloseCode::Restart {
            Self::Stopping
        } else if code == CloseCode::Expired {
            Self::Expired
        } else if code == CloseCode::Stalled {
            Self::WriteDeadline
        } else if code == CloseCode::Error {
            Self::Failed
        } else {
            Self::Refused
        }
    }

    /// What an error of the socket means.
    fn of_error(error: &io::Error) -> Self {
        let kind = error.kind();
        if kind == io::ErrorKind::TimedOut {
            Self::WriteDeadline
        } else if kind == io::ErrorKind::Other {
            Self::Failed
        } else {
            // reset, broken, closed in the middle: who is there does not do so
            Self::Client
        }
    }
}

impl Connection {
    /// A connection of this kind begins.
    pub(crate) fn open(delivery: Arc<Delivery>, lane: Lane) -> Self {
        delivery.opened(lane);
        Self {
            delivery,
            lane,
            end: End::Client,
        }
    }

    /// How it will have ended, if nothing else comes in between.
    pub(crate) fn ends(&mut self, end: End) {
        self.end = end;
    }

    /// Its socket failed, before it was known how it ends.
    pub(crate) fn broke(&mut self, error: &io::Error) {
        if self.end == End::Client {
            self.end = End::of_error(error);
        }
    }

    pub(crate) fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// What it is told about its stream.
    pub(crate) fn told(&self, frame: &ControlFrame) {
        if let ControlFrame::Gap {
            from, to, reason, ..
        } = frame
        {
            self.gap(*reason, (*from, *to));
        }
    }

    /// It is told that these events are missing.
    pub(crate) fn gap(&self, reason: GapReason, (from, to): (Seq, Seq)) {
        let missing = to.saturating_sub(from).saturating_add(1);
        self.delivery.gap(self.lane, reason, missing);
    }

    /// This was given to its socket.
    pub(crate) fn delivered(&self, batch: &Batch) {
        self.delivery.delivered(self.lane, batch, Instant::now(), 1);
    }

    /// Readers came back on it.
    pub(crate) fn resumed(&self, resumes: Resumes) {
        self.delivery.resumed(self.lane, resumes);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.delivery.ended(self.lane, self.end);
        let [(_, transport), ..] = self.lane.labels();
        tracing::debug!(transport, reason = self.end.name(), "a stream ended");
    }
}
