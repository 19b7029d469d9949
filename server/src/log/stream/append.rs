//! Adding to a stream: a place for each event, and what makes it visible.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use serde_json::Value;
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, Seq};

use super::super::ahead::Kept;
use super::super::along::Along;
use super::super::draft_text::DraftText;
use super::super::execution::Ended;
use super::super::lock;
use super::super::record::{Parts, Record};
use super::super::store::Batch;
use super::super::writer::Queue;
use super::{Queued, State, Stream, Tail};
use crate::clock::unix_millis;
use crate::context::{Draft, EmitError};

impl Stream {
    /// Adds an event and gives it its place.
    ///
    /// Never waits for a reader: no reader holds anything that this needs. It waits while more than
    /// [`Budget::uncommitted_bytes`](super::Budget) are on their way to the store, or a quarter of the process's budget; a
    /// terminal event does not.
    ///
    /// # Errors
    /// [`EmitError::EventType`] for a type that is no word, [`EmitError::Ended`] after the terminal event, [`EmitError::Store`] while the store refuses.
    pub async fn append(self: &Arc<Self>, draft: &Draft) -> Result<Seq, EmitError> {
        self.append_all(std::slice::from_ref(draft), Along::default())
            .await
    }

    /// Adds all of these events, or none, with what comes along. The place of the last one.
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
        mut along: Along,
    ) -> Result<Seq, EmitError> {
        let Some((last, before)) = drafts.split_last() else {
            return Ok(lock(&self.state).next - 1);
        };
        if before.iter().any(|draft| draft.event_type.is_terminal()) {
            return Err(EmitError::Ended);
        }
        let terminal = last.event_type.is_terminal();
        let shown = self.redacted(drafts, &mut along)?;
        let texts: Vec<DraftText> = shown
            .iter()
            .map(|draft| DraftText::new(draft))
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
                    let before = state.next - 1;
                    let (now, accepted) = (unix_millis(), Instant::now());
                    let at = happened.iter().copied().chain(std::iter::repeat(now));
                    for ((draft, text), at) in shown.iter().zip(&texts).zip(at) {
                        self.push(&mut state, draft, text, (at, accepted));
                    }
                    if let (true, Some(shown)) = (terminal, shown.last()) {
                        let ended = ended_by(last, shown, now);
                        self.streams.numbers().ended(ended.reason);
                        state.ended = Some(ended);
                    }
                    let seq = state.next - 1;
                    self.hand_over(&mut state, before, along);
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

    /// Waits until everything up to `seq` is kept; not where the store acknowledges early.
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
                if state.visible >= seq {
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

    fn push(
        &self,
        state: &mut State,
        draft: &Draft,
        text: &DraftText,
        (now, accepted): (u64, Instant),
    ) {
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
        let mut record = Record::assemble(&parts, cursor, now);
        record.set_accepted(Some(accepted));
        if self.read_in_cbor.load(Ordering::Relaxed) {
            record.keep_cbor();
        }
        state.next += 1;
        let queued = self.queue.is_some();
        self.streams.numbers().accepted(1, record.json().len());
        self.streams.pool().appended(record.size(), queued);
        if queued {
            state.uncommitted_bytes += record.size();
        }
        state.ring.push(record);
    }

    /// The drafts as they may be kept; what comes along then holds what was taken out of them.
    fn redacted<'d>(
        &self,
        drafts: &'d [Draft],
        along: &mut Along,
    ) -> Result<Vec<Cow<'d, Draft>>, EmitError> {
        let redaction = self.redaction()?;
        let shown: Vec<Cow<'d, Draft>> = if redaction.is_empty() {
            drafts.iter().map(Cow::Borrowed).collect()
        } else {
            drafts.iter().map(|draft| redaction.draft(draft)).collect()
        };
        for (draft, shown) in drafts.iter().zip(&shown) {
            if let Cow::Owned(shown) = shown {
                self.note_redacted();
                along.rename(&draft.data, &shown.data);
            }
        }
        along.confidential |= self.has_redacted();
        Ok(shown)
    }

    /// What was pushed after `before` is kept now, or on its way to be.
    fn hand_over(self: &Arc<Self>, state: &mut State, before: Seq, along: Along) {
        let Some(queue) = &self.queue else {
            return self.keep_in_memory(state, &along);
        };
        match self.keep_ahead(state, before, &along, queue) {
            Kept::No => {
                state.waiting.push(state.next - 1, along);
                self.enqueue(state, queue, Queued::Now);
            }
            kept @ (Kept::Yes | Kept::Full) => {
                self.publish(state, state.next - 1);
                if kept == Kept::Full || self.streams.pool().is_filling() {
                    queue.hurry();
                }
            }
        }
    }

    /// Keeps what was pushed after `before` ahead of the store: what nothing comes along with, where everything before
    /// it is kept and that is not much. An end is for the store itself, which tells what has ended.
    fn keep_ahead(
        self: &Arc<Self>,
        state: &mut State,
        before: Seq,
        along: &Along,
        queue: &Arc<Queue>,
    ) -> Kept {
        let is_plain = state.visible == before && state.ended.is_none() && along.is_empty();
        // a producer that waits for room does not wait until the store's time has come
        let most = MOST_AHEAD.min(state.budget.uncommitted_bytes / 2);
        let is_much = state.uncommitted_bytes > most;
        let Some(ahead) = self.store.ahead().filter(|_| is_plain && !is_much) else {
            return Kept::No;
        };
        // told first: whoever takes the turn after it is kept finds the stream in the queue
        self.enqueue(state, queue, Queued::Kept);
        ahead.keep(self.key.key, before + 1, state.ring.after(before))
    }

    /// The ring is all there is; the store notes the end, and files.
    fn keep_in_memory(&self, state: &mut State, along: &Along) {
        let seq = state.next - 1;
        if let Some(status) = along.status
            && let Err(error) = self.store.set_status(self.key.key, status, unix_millis())
        {
            tracing::error!(execution_id = %self.id, %error, "where an execution stands could not be kept");
        }
        if state.ended.is_some() || !along.artifacts.is_empty() {
            let announced = along.artifacts.iter().map(|kept| kept.announced_by(seq));
            let batch = Batch {
                key: self.key,
                records: state.ring.last().cloned().into_iter().collect(),
                ended: state.ended.clone(),
                checkpoint: None,
                producers: Vec::new(),
                status: None,
                artifacts: announced.collect(),
            };
            if let Err(error) = self.store.commit(&[batch]) {
                tracing::error!(execution_id = %self.id, %error, "what the store notes of an execution could not be kept");
            }
        }
        self.publish(state, seq);
        state.stored = seq;
        let (events, bytes) = (state.budget.events, state.budget.bytes);
        self.trim_to(state, events, bytes);
    }

    /// Everything up to `seq` survives the process: it becomes visible.
    pub(super) fn publish(&self, state: &mut State, seq: Seq) {
        state.visible = seq;
        let ended = state
            .ended
            .as_ref()
            .filter(|_| state.visible + 1 == state.next)
            .map(|ended| ended.reason);
        // who begins to watch meanwhile has either been counted by now, or sees this value
        self.tail.send_if_modified(|tail| {
            *tail = Tail {
                last_seq: seq,
                ended,
            };
            self.tail.receiver_count() > 0
        });
        self.moved.notify_waiters();
    }
}

/// How an execution ended by this event, and what of it may be shown.
fn ended_by(draft: &Draft, shown: &Draft, at: u64) -> Ended {
    if draft.event_type == EventType::PipelineComplete {
        return Ended {
            reason: EndReason::Complete,
            error: None,
            at,
        };
    }
    let reason = EndReason::of_error(draft.data.get("reason").and_then(Value::as_str));
    let error = shown
        .data
        .pointer("/error/message")
        .and_then(Value::as_str)
        .map(str::to_owned);
    Ended { reason, error, at }
}

/// Bytes of one stream that are kept ahead: more at a time would save little, and a store that has no room for them says
/// so to the producer before it has acknowledged more.
const MOST_AHEAD: usize = 256 << 10;
