//! A stream and the committing thread: what it takes, and what came of it.

use std::sync::Arc;

use stepcast_core::id::Seq;

use super::super::lock;
use super::super::record::Record;
use super::super::store::Batch;
use super::super::writer::Queue;
use super::{Queued, State, Stream};

impl Stream {
    /// Tells the committing thread, once.
    pub(super) fn enqueue(self: &Arc<Self>, state: &mut State, queue: &Queue, when: Queued) {
        if state.queued >= when {
            return;
        }
        state.queued = when;
        match when {
            Queued::No => {}
            Queued::Kept => queue.push_kept(self.clone()),
            Queued::Now => queue.push(self.clone()),
        }
    }

    /// What the store has not got.
    pub(in super::super) fn take_uncommitted(&self) -> Batch {
        let mut state = lock(&self.state);
        state.queued = Queued::No;
        let records: Vec<Record> = state.ring.after(state.stored).cloned().collect();
        let ended = state.ended.clone().filter(|_| !records.is_empty());
        let (checkpoint, producers, status, artifacts) = state.waiting.merged();
        Batch {
            key: self.key,
            records,
            ended,
            checkpoint,
            producers,
            status,
            artifacts,
        }
    }

    /// The store has everything up to `seq`.
    pub(in super::super) fn committed(&self, seq: Seq) {
        let mut state = lock(&self.state);
        state.failure = None;
        state.waiting.kept(seq);
        let bytes = state.ring.bytes_of(state.stored, seq);
        state.uncommitted_bytes = state.uncommitted_bytes.saturating_sub(bytes);
        self.streams.pool().committed(bytes);
        state.stored = seq;
        if seq > state.visible {
            self.publish(&mut state, seq);
        }
        let (events, bytes) = (state.budget.events, state.budget.bytes);
        self.trim_to(&mut state, events, bytes);
        drop(state);
        self.room.notify_waiters();
        self.streams.trim_if_over();
    }

    /// The store refused. What waits stays, and is tried again. Whether this is news.
    pub(in super::super) fn refused(self: &Arc<Self>, failure: &str, queue: &Queue) -> bool {
        let mut state = lock(&self.state);
        let former = state.failure.replace(failure.to_owned());
        state.last_failure = Some(failure.to_owned());
        self.enqueue(&mut state, queue, Queued::Now);
        drop(state);
        self.room.notify_waiters();
        former.as_deref() != Some(failure)
    }
}
