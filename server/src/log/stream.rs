//! One execution's log while somebody holds it: the ring of its newest events and the tail to wait on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};
use tokio::sync::{Notify, watch};

use super::along::{Along, Waiting};
use super::draft_text::DraftText;
use super::execution::{Ended, ExecutionRow, RowKey};
use super::lock;
use super::record::{Parts, Record};
use super::store::{Batch, Store};
use super::streams::Streams;
use super::writer::Queue;
use crate::clock::unix_millis;
use crate::context::{Draft, EmitError};

/// How much of an execution is held in memory.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budget {
    /// Events in the ring: the pipeline's `buffer_size`.
    pub events: usize,
    /// Bytes in the ring.
    pub bytes: usize,
    /// Bytes appended and not yet committed, past which emitting waits for the store.
    pub uncommitted_bytes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            events: 1000,
            bytes: 4 << 20,
            uncommitted_bytes: 8 << 20,
        }
    }
}

/// How far a stream has come, as its subscribers may know it: committed events only.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tail {
    /// The last event.
    pub last_seq: Seq,
    /// How it ended; nothing follows `last_seq` then.
    pub ended: Option<EndReason>,
}

/// One execution's log.
#[derive(Debug)]
pub struct Stream {
    id: ExecutionId,
    key: RowKey,
    store: Arc<dyn Store>,
    queue: Option<Arc<Queue>>,
    streams: Arc<Streams>,
    /// A std mutex: nothing is awaited while it is held, and serialising is done before it is taken.
    state: Mutex<State>,
    tail: watch::Sender<Tail>,
    /// Told when uncommitted bytes have become fewer, or the store works again.
    room: Notify,
}

#[derive(Debug)]
struct State {
    budget: Budget,
    /// Events without a hole, ending with `next - 1`. All that is not committed is in it.
    ring: VecDeque<Record>,
    ring_bytes: usize,
    next: Seq,
    committed: Seq,
    uncommitted_bytes: usize,
    waiting: Waiting,
    ended: Option<Ended>,
    /// Set while the store refuses.
    failure: Option<String>,
    last_failure: Option<String>,
    /// Whether the writer has been told.
    queued: bool,
}

impl Stream {
    pub(super) fn new(
        row: ExecutionRow,
        store: Arc<dyn Store>,
        queue: Option<Arc<Queue>>,
        streams: Arc<Streams>,
        budget: Budget,
    ) -> Self {
        streams.pool().enter();
        let ended = row.status.end().map(|reason| Ended {
            reason,
            error: row.error,
            at: row.ended_at.unwrap_or_default(),
        });
        let tail = Tail {
            last_seq: row.last_seq,
            ended: ended.as_ref().map(|ended| ended.reason),
        };
        let state = State {
            budget,
            ring: VecDeque::new(),
            ring_bytes: 0,
            next: row.last_seq + 1,
            committed: row.last_seq,
            uncommitted_bytes: 0,
            waiting: Waiting::default(),
            ended,
            failure: None,
            last_failure: None,
            queued: false,
        };
        let (id, key) = (row.id, row.key);
        Self {
            id,
            key,
            store,
            queue,
            streams,
            state: Mutex::new(state),
            tail: watch::Sender::new(tail),
            room: Notify::new(),
        }
    }

    /// Whose log this is.
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// The log's incarnation.
    pub fn epoch(&self) -> Epoch {
        self.key.epoch
    }

    /// The store's number of the execution.
    pub fn key(&self) -> i64 {
        self.key.key
    }

    /// How far it has come.
    pub fn tail(&self) -> Tail {
        *self.tail.borrow()
    }

    /// How far it has come, to be waited on.
    pub fn watch(&self) -> watch::Receiver<Tail> {
        self.tail.subscribe()
    }

    /// Why the store refused last, if it ever did.
    pub fn last_failure(&self) -> Option<String> {
        lock(&self.state).last_failure.clone()
    }

    /// Whether anything was ever appended, committed or not.
    pub fn has_begun(&self) -> bool {
        let state = lock(&self.state);
        state.next > 1 || state.ended.is_some()
    }

    /// The last place that was given, committed or not.
    pub(crate) fn last_given(&self) -> Seq {
        lock(&self.state).next - 1
    }

    /// Whether a checkpoint that comes along with events is kept.
    pub fn keeps_checkpoints(&self) -> bool {
        !self.store.commits_at_once()
    }

    /// How it ended, committed or not: nothing can be added any more.
    pub(crate) fn ended(&self) -> Option<Ended> {
        lock(&self.state).ended.clone()
    }

    /// Whether producers are told that an event is kept before it is committed.
    pub(crate) fn settles_early(&self) -> bool {
        self.store.acknowledges_early()
    }

    /// Where a subscriber stands that has seen all that is committed.
    pub(crate) fn cursor(&self) -> Cursor {
        let (epoch, seq) = (self.key.epoch, self.tail().last_seq);
        Cursor { epoch, seq }
    }

    /// Holds so much of it in memory from the next event on.
    pub fn set_budget(&self, budget: Budget) {
        lock(&self.state).budget = budget;
    }

    /// Adds an event and gives it its place.
    ///
    /// Never waits for a reader: no reader holds anything that this needs. It waits while more than
    /// [`Budget::uncommitted_bytes`] are on their way to the store, or half of the process's budget; a terminal event
    /// does not.
    ///
    /// # Errors
    /// [`EmitError::EventType`] for a type that is no word, [`EmitError::Ended`] after the terminal event, [`EmitError::Store`] while the store refuses.
    pub async fn append(self: &Arc<Self>, draft: &Draft) -> Result<Seq, EmitError> {
        self.append_all(std::slice::from_ref(draft), Along::default())
            .await
    }

    /// Adds all of these events, or none, with what comes along: in one transaction. The place of the last one.
    ///
    /// # Errors
    /// As [`Stream::append`]; [`EmitError::Ended`] too where an event follows a terminal one.
    pub async fn append_all(
        self: &Arc<Self>,
        drafts: &[Draft],
        along: Along,
    ) -> Result<Seq, EmitError> {
        self.append_past(drafts, &[], along).await
    }

    /// [`Stream::append_all`] of a history that is copied: each event keeps the time at which it happened, in
    /// milliseconds since 1970. Those without a time happen now.
    ///
    /// # Errors
    /// As there.
    pub async fn append_past(
        self: &Arc<Self>,
        drafts: &[Draft],
        happened: &[u64],
        along: Along,
    ) -> Result<Seq, EmitError> {
        let Some((last, before)) = drafts.split_last() else {
            return Ok(lock(&self.state).next - 1);
        };
        if before.iter().any(|draft| draft.event_type.is_terminal()) {
            return Err(EmitError::Ended);
        }
        let terminal = last.event_type.is_terminal();
        let texts: Vec<DraftText> = drafts
            .iter()
            .map(DraftText::new)
            .collect::<Result<_, _>>()?;
        let pool = self.streams.pool();
        loop {
            let (room, pool_room) = (self.room.notified(), pool.room());
            {
                let mut state = lock(&self.state);
                if state.ended.is_some() {
                    return Err(EmitError::Ended);
                }
                if let (Some(failure), false) = (&state.failure, terminal) {
                    return Err(EmitError::Store(failure.clone()));
                }
                let fits = state.uncommitted_bytes < state.budget.uncommitted_bytes;
                if terminal || (fits && pool.has_room()) {
                    let now = unix_millis();
                    let at = happened.iter().copied().chain(std::iter::repeat(now));
                    for ((draft, text), at) in drafts.iter().zip(&texts).zip(at) {
                        self.push(&mut state, draft, text, at);
                    }
                    let seq = state.next - 1;
                    self.hand_over(&mut state, seq, along);
                    drop(state);
                    self.streams.trim_if_over();
                    return Ok(seq);
                }
            }
            tokio::select! {
                () = room => {}
                () = pool_room => {}
            }
        }
    }

    /// Waits until everything up to `seq` is committed; not where the store acknowledges early.
    ///
    /// # Errors
    /// [`EmitError::Store`] where the store refuses: it is tried again, so the events may be kept all the same.
    pub async fn settled(&self, seq: Seq) -> Result<(), EmitError> {
        if self.store.acknowledges_early() {
            return Ok(());
        }
        let mut tail = self.tail.subscribe();
        loop {
            let failed = self.room.notified();
            {
                let state = lock(&self.state);
                if state.committed >= seq {
                    return Ok(());
                }
                if let Some(failure) = &state.failure {
                    return Err(EmitError::Store(failure.clone()));
                }
            }
            tokio::select! {
                _moved = tail.wait_for(|tail| tail.last_seq >= seq) => {}
                () = failed => {}
            }
        }
    }

    fn push(&self, state: &mut State, draft: &Draft, text: &DraftText, now: u64) {
        let parts = Parts {
            event_type: draft.event_type.as_str(),
            execution_id: &self.id,
            step_id: text.step_id(),
            data: text.data(),
            metadata: text.metadata(),
        };
        let cursor = Cursor {
            epoch: self.key.epoch,
            seq: state.next,
        };
        let record = Record::assemble(&parts, cursor, now);
        state.next += 1;
        state.ring_bytes += record.size();
        let queued = self.queue.is_some();
        self.streams.pool().appended(record.size(), queued);
        if queued {
            state.uncommitted_bytes += record.size();
        }
        if draft.event_type.is_terminal() {
            state.ended = Some(ended_by(draft, now));
        }
        state.ring.push_back(record);
    }

    /// What was pushed is on its way to the store, or kept already.
    fn hand_over(self: &Arc<Self>, state: &mut State, seq: Seq, along: Along) {
        if let Some(queue) = &self.queue {
            state.waiting.push(seq, along);
            if !std::mem::replace(&mut state.queued, true) {
                queue.push(self.clone());
            }
            return;
        }
        if let Some(status) = along.status
            && let Err(error) = self.store.set_status(self.key.key, status, unix_millis())
        {
            tracing::error!(execution_id = %self.id, %error, "where an execution stands could not be kept");
        }
        if let Some(ended) = &state.ended {
            let batch = Batch {
                key: self.key,
                records: state.ring.back().cloned().into_iter().collect(),
                ended: Some(ended.clone()),
                checkpoint: None,
                producers: Vec::new(),
                status: None,
            };
            if let Err(error) = self.store.commit(&[batch]) {
                tracing::error!(execution_id = %self.id, %error, "the end of an execution could not be kept");
            }
        }
        self.publish(state, seq);
    }

    /// What waits to be committed.
    pub(super) fn take_uncommitted(&self) -> Batch {
        let mut state = lock(&self.state);
        state.queued = false;
        let from = state.ring.front().map_or(0, |first| {
            usize::try_from((state.committed + 1).saturating_sub(first.seq())).unwrap_or(usize::MAX)
        });
        let records: Vec<Record> = state.ring.iter().skip(from).cloned().collect();
        let ended = state.ended.clone().filter(|_| !records.is_empty());
        let (checkpoint, producers, status) = state.waiting.merged();
        Batch {
            key: self.key,
            records,
            ended,
            checkpoint,
            producers,
            status,
        }
    }

    /// The store has kept everything up to `seq`: it becomes visible.
    pub(super) fn committed(&self, seq: Seq) {
        let mut state = lock(&self.state);
        state.failure = None;
        state.waiting.kept(seq);
        self.publish(&mut state, seq);
        drop(state);
        self.room.notify_waiters();
        self.streams.trim_if_over();
    }

    /// The store refused. What waits stays, and is tried again. Whether this is news.
    pub(super) fn refused(self: &Arc<Self>, failure: &str, queue: &Queue) -> bool {
        let mut state = lock(&self.state);
        let former = state.failure.replace(failure.to_owned());
        state.last_failure = Some(failure.to_owned());
        if !std::mem::replace(&mut state.queued, true) {
            queue.push(self.clone());
        }
        drop(state);
        self.room.notify_waiters();
        former.as_deref() != Some(failure)
    }

    fn publish(&self, state: &mut State, seq: Seq) {
        if state.uncommitted_bytes > 0 {
            let first = state.ring.front().map_or(seq, Record::seq);
            let skip =
                usize::try_from((state.committed + 1).saturating_sub(first)).unwrap_or(usize::MAX);
            let count = usize::try_from(seq.saturating_sub(state.committed)).unwrap_or(usize::MAX);
            let bytes: usize = state
                .ring
                .iter()
                .skip(skip)
                .take(count)
                .map(Record::size)
                .sum();
            state.uncommitted_bytes = state.uncommitted_bytes.saturating_sub(bytes);
            self.streams.pool().committed(bytes);
        }
        state.committed = seq;
        let (events, bytes) = (state.budget.events, state.budget.bytes);
        self.trim_to(state, events, bytes);
        let ended = state
            .ended
            .as_ref()
            .filter(|_| state.committed + 1 == state.next)
            .map(|ended| ended.reason);
        self.tail.send_replace(Tail {
            last_seq: seq,
            ended,
        });
    }

    /// Lets go of the oldest events past `bytes`; they are read from the store from then on.
    pub(super) fn trim(&self, bytes: usize) {
        let mut state = lock(&self.state);
        self.trim_to(&mut state, usize::MAX, bytes);
    }

    /// What is not committed stays, and the newest event.
    fn trim_to(&self, state: &mut State, events: usize, bytes: usize) {
        let before = state.ring_bytes;
        while state.ring.len() > events || state.ring_bytes > bytes {
            let Some(first) = state
                .ring
                .front()
                .filter(|first| first.seq() <= state.committed && first.seq() < state.next - 1)
            else {
                break;
            };
            state.ring_bytes = state.ring_bytes.saturating_sub(first.size());
            state.ring.pop_front();
        }
        self.streams.pool().released(before - state.ring_bytes);
    }

    /// The committed events after `after` that the ring holds: `None` where the next one has left it.
    pub(crate) fn read_ring(
        &self,
        after: Seq,
        max: usize,
        max_bytes: usize,
    ) -> Option<Vec<Record>> {
        let state = lock(&self.state);
        if after >= state.committed {
            return Some(Vec::new());
        }
        let first = state.ring.front().map_or(state.next, Record::seq);
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let visible = usize::try_from(state.committed - after).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let within = |record: &&Record| {
            let fits = bytes == 0 || bytes + record.size() <= max_bytes;
            bytes += record.size();
            fits
        };
        Some(
            state
                .ring
                .iter()
                .skip(skip)
                .take(visible.min(max))
                .take_while(within)
                .cloned()
                .collect(),
        )
    }

    /// The first event that the ring holds, or the one to come.
    pub(super) fn ring_start(&self) -> Seq {
        let state = lock(&self.state);
        state.ring.front().map_or(state.next, Record::seq)
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    pub(super) fn row_key(&self) -> RowKey {
        self.key
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let state = lock(&self.state);
        self.streams
            .pool()
            .leave(state.ring_bytes, state.uncommitted_bytes);
        self.streams.gone(&self.id);
    }
}

fn ended_by(draft: &Draft, at: u64) -> Ended {
    if draft.event_type == EventType::PipelineComplete {
        return Ended {
            reason: EndReason::Complete,
            error: None,
            at,
        };
    }
    let reason = EndReason::of_error(draft.data.get("reason").and_then(Value::as_str));
    let error = draft
        .data
        .pointer("/error/message")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ended { reason, error, at }
}
