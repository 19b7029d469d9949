//! How subscriptions are served: opened, read page by page, ended.

use std::ops::Bound;

use super::detail::send;
use super::pacing::Bounds;
use super::subscription::{Held, Subscription, Wish, passes};
use super::{Output, Record, Session};
use crate::control::{ControlFrame, EndReason, GapReason};
use crate::id::{Cursor, Epoch, ExecutionId, Position, Seq};
use crate::time::Time;
use crate::wire::close::CloseCode;

impl<R: Record> Session<R> {
    pub(super) fn subscribe(&mut self, now: Time, execution_id: ExecutionId, wish: Wish) {
        if let Some(old) = self.subscriptions.get_mut(&execution_id) {
            if old.leaving && old.again.is_none() {
                old.again = Some(wish);
            } else {
                let message = "this connection follows it already: unsubscribe first";
                self.error(now, Some(execution_id), 409, message.to_owned());
            }
        } else if self.subscriptions.len() >= self.config.max_subscriptions {
            let most = self.config.max_subscriptions;
            let message = format!("a connection follows at most {most} executions");
            self.error(now, Some(execution_id), 429, message);
        } else {
            self.open(execution_id, wish);
        }
    }

    pub(super) fn open(&mut self, execution_id: ExecutionId, wish: Wish) {
        self.outputs.push_back(Output::Open(execution_id.clone()));
        self.subscriptions
            .insert(execution_id, Box::new(Subscription::new(wish)));
    }

    pub(super) fn unsubscribe(&mut self, now: Time, execution_id: ExecutionId) {
        match self.subscriptions.get_mut(&execution_id) {
            Some(it) if !it.leaving || it.again.is_some() => {
                it.leaving = true;
                it.again = None;
                if !it.waiting {
                    self.leave(&execution_id);
                }
                if self.config.single {
                    self.close(CloseCode::Done);
                }
            }
            _ => {
                let message = "this connection does not follow it";
                self.error(now, Some(execution_id), 404, message.to_owned());
            }
        }
    }

    /// Ends a subscription, and begins the one that the client asked for meanwhile.
    pub(super) fn leave(&mut self, execution_id: &ExecutionId) {
        let Some(gone) = self.subscriptions.remove(execution_id) else {
            return;
        };
        if gone.opened {
            self.outputs.push_back(Output::Drop(execution_id.clone()));
        }
        match gone.again {
            Some(wish) => self.open(execution_id.clone(), wish),
            None => self.look_for_more(),
        }
    }

    pub(super) fn opened(
        &mut self,
        now: Time,
        execution_id: &ExecutionId,
        epoch: Epoch,
        earliest: Seq,
        last_seq: Seq,
    ) {
        let Some(it) = self
            .subscriptions
            .get_mut(execution_id)
            .filter(|it| !it.opened)
        else {
            return;
        };
        it.opened = true;
        it.waiting = false;
        if it.leaving {
            return self.leave(execution_id);
        }
        let (cursor, foreign) = match it.after {
            Position::Earliest => (0, None),
            Position::Now => (last_seq, None),
            Position::After(cursor) if cursor.epoch != epoch => (0, Some(cursor.seq)),
            Position::After(cursor) => (cursor.seq, None),
        };
        if cursor > last_seq {
            let message = format!("the cursor lies past the last event, {last_seq}");
            return self.give_up(now, execution_id, 400, message);
        }
        it.cursor = cursor;
        it.told = cursor;
        it.news = last_seq;
        it.tail = last_seq;
        it.look = true;
        self.epochs.insert(execution_id.clone(), epoch);
        let hello = ControlFrame::Hello {
            execution_id: execution_id.clone(),
            epoch,
            earliest,
            last_seq,
            heartbeat_ms: millis(self.config.heartbeat),
            retry_ms: millis(self.config.retry),
        };
        self.control(now, hello);
        if let Some(to) = foreign {
            let gap = ControlFrame::Gap {
                execution_id: execution_id.clone(),
                from: 1,
                to,
                reason: GapReason::Epoch,
                epoch: Some(epoch),
            };
            self.control(now, gap);
        }
        if !self.view(execution_id) {
            self.read(execution_id);
        }
    }

    pub(super) fn refused(
        &mut self,
        now: Time,
        execution_id: &ExecutionId,
        status: u16,
        message: String,
    ) {
        let Some(it) = self.subscriptions.get_mut(execution_id) else {
            return;
        };
        it.waiting = false;
        if it.leaving {
            self.leave(execution_id);
        } else {
            self.give_up(now, execution_id, status, message);
        }
    }

    pub(super) fn grown(&mut self, execution_id: &ExecutionId, last_seq: Seq) {
        if let Some(it) = self.subscriptions.get_mut(execution_id) {
            it.grown(last_seq, it.unwritten);
            it.look = true;
            self.read(execution_id);
        }
    }

    pub(super) fn page(
        &mut self,
        now: Time,
        execution_id: &ExecutionId,
        records: Vec<R>,
        gap: Option<(Seq, Seq)>,
        ended: Option<(Seq, EndReason)>,
    ) {
        let Some(it) = self
            .subscriptions
            .get_mut(execution_id)
            .filter(|it| it.opened && it.waiting)
        else {
            return;
        };
        it.waiting = false;
        if it.leaving {
            return self.leave(execution_id);
        }
        if gap.is_none() && ended.is_none() && it.gathers(now, &records) {
            return self.read(execution_id);
        }
        let Some(pacing) = &mut it.pacing else {
            return self.deliver(now, execution_id, records, (gap, ended));
        };
        pacing.hold(records, (gap, ended));
        let (records, bounds) = pacing.release(now, |record| passes(&it.filter, record));
        self.deliver(now, execution_id, records, bounds);
    }

    /// Releases what the paces of all subscriptions say is due.
    pub(super) fn release(&mut self, now: Time) {
        let due = |it: &Subscription<R>| it.due().is_some_and(|at| at <= now);
        let of = |(id, it): (&ExecutionId, &Held<R>)| due(it).then(|| id.clone());
        let due: Vec<ExecutionId> = self.subscriptions.iter().filter_map(of).collect();
        for execution_id in &due {
            let it = self.subscriptions.get_mut(execution_id);
            if let Some(Subscription {
                pacing: Some(pacing),
                filter,
                ..
            }) = it.map(Box::as_mut)
            {
                let (records, bounds) = pacing.release(now, |record| passes(filter, record));
                self.deliver(now, execution_id, records, bounds);
            }
        }
    }

    /// Sends events, goes on or ends.
    fn deliver(
        &mut self,
        now: Time,
        execution_id: &ExecutionId,
        records: Vec<R>,
        (gap, ended): Bounds,
    ) {
        let Some(it) = self.subscriptions.get_mut(execution_id) else {
            return;
        };
        let (before, sent) = (it.cursor, self.outputs.len());
        self.degrade(execution_id);
        let Some(it) = self.subscriptions.get_mut(execution_id) else {
            return;
        };
        send(it, execution_id, records, gap, ended, &mut self.outputs);
        if it.cursor == before && !it.holds() {
            it.tail = before;
        }
        if it.cursor >= it.tail && !it.holds() {
            it.pacing = None;
        }
        let caught_up = it.cursor >= it.tail;
        if caught_up {
            self.restore(execution_id);
        }
        let Some(it) = self.subscriptions.get_mut(execution_id) else {
            return;
        };
        let anything = self.outputs.len() > sent;
        it.unwritten = anything;
        if anything {
            self.ping_at = now + self.config.heartbeat;
        }
        // it is written before the next page is read, so that a client that has gone is noticed
        if ended.is_none() && it.cursor >= it.told.saturating_add(TELL_AFTER) {
            it.unwritten = true;
            self.tell_place(now, execution_id);
        }
        if let Some((last_seq, reason)) = ended {
            let closed = ControlFrame::Closed {
                execution_id: execution_id.clone(),
                last_seq,
                reason,
            };
            self.control(now, closed);
            self.leave(execution_id);
            if self.config.single {
                self.close(CloseCode::Done);
            }
            self.close_if_done();
        } else {
            self.read(execution_id);
        }
    }

    /// All that was sent is written: everyone may have a next page, each time another one first.
    pub(super) fn written(&mut self, now: Time) {
        for it in self.subscriptions.values_mut() {
            it.unwritten = false;
        }
        self.release(now);
        let due = |(id, it): (&ExecutionId, &Held<R>)| it.is_due().then(|| id.clone());
        let start = self.turn.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.subscriptions.range((start, Bound::Unbounded));
        let mut order: Vec<ExecutionId> = behind.filter_map(due).collect();
        if let Some(turn) = &self.turn {
            order.extend(self.subscriptions.range(..=turn).filter_map(due));
        }
        for execution_id in &order {
            self.read(execution_id);
        }
        if let Some(first) = order.into_iter().next() {
            self.turn = Some(first);
        }
    }

    /// Asks for the next page where one is due.
    pub(super) fn read(&mut self, execution_id: &ExecutionId) {
        if let Some(it) = self
            .subscriptions
            .get_mut(execution_id)
            .filter(|it| it.is_due())
        {
            it.waiting = true;
            it.look = false;
            it.asked = self.config.page.min(it.room());
            self.outputs.push_back(Output::Read {
                execution_id: execution_id.clone(),
                after: it.cursor,
                max: it.asked,
            });
        }
    }

    /// Ends a subscription with an error, and the connection with it where that is its only one.
    fn give_up(&mut self, now: Time, execution_id: &ExecutionId, status: u16, message: String) {
        self.error(now, Some(execution_id.clone()), status, message);
        self.leave(execution_id);
        if self.config.single {
            self.close(CloseCode::of_status(status));
        }
        self.close_if_done();
    }

    /// Tells the client how far it has come, where what its filter held back is the last that it is past: so that it
    /// comes back from there, and what retention has dropped meanwhile of that is no gap.
    pub(super) fn tell_places(&mut self, now: Time) {
        let behind = |(id, it): (&ExecutionId, &Held<R>)| {
            (it.opened && !it.leaving && it.cursor > it.told).then(|| id.clone())
        };
        let behind: Vec<ExecutionId> = self.subscriptions.iter().filter_map(behind).collect();
        for execution_id in &behind {
            self.tell_place(now, execution_id);
        }
    }

    fn tell_place(&mut self, now: Time, execution_id: &ExecutionId) {
        let epoch = self.epoch(execution_id);
        let it = self.subscriptions.get_mut(execution_id);
        if let (Some(it), Some(epoch)) = (it, epoch) {
            it.told = it.cursor;
            let place = ControlFrame::Place {
                execution_id: execution_id.clone(),
                cursor: Cursor {
                    epoch,
                    seq: it.cursor,
                },
            };
            self.control(now, place);
        }
    }

    pub(super) fn error(
        &mut self,
        now: Time,
        id: Option<ExecutionId>,
        status: u16,
        message: String,
    ) {
        let frame = ControlFrame::Error {
            execution_id: id,
            status,
            message,
        };
        self.control(now, frame);
    }
}

/// Events that a filter holds back one after another before the client is told that it is past them.
const TELL_AFTER: Seq = 1000;

fn millis(span: std::time::Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
