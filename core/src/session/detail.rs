//! How much of a log a subscriber is told: what its fidelity makes of a page, and when it is too slow for it.

use serde_json::Value;

use super::subscription::{Held, Subscription, passes};
use super::{Output, Record, Session};
use crate::control::{ControlFrame, EndReason, GapReason};
use crate::fidelity::{Fidelity, WhenSlow};
use crate::id::{Cursor, ExecutionId, Seq};
use crate::time::Time;

impl<R: Record> Subscription<R> {
    /// The log has grown, while the socket had something to take or not.
    pub(super) fn grown(&mut self, last_seq: Seq, busy: bool) {
        self.tail = self.tail.max(last_seq);
        let behind = self.tail.saturating_sub(self.cursor);
        self.slow |= busy && self.cursor >= self.news && behind > SLOW;
    }

    /// Whether this page waits for what may be merged with it: nothing is sent, and it is read again.
    pub(super) fn gathers(&mut self, now: Time, records: &[R]) -> bool {
        let interval = self.fidelity().interval().filter(|_| self.pacing.is_none());
        let (Some(interval), Some(last)) = (interval, records.last()) else {
            return false;
        };
        let full = records.len() >= self.asked || last.seq() < self.tail;
        let urgent = |record: &R| Fidelity::is_urgent(record.event_type());
        let ripe = std::mem::take(&mut self.ripe);
        if ripe || full || self.slow || records.iter().any(urgent) {
            self.gathers = None;
            return false;
        }
        self.gathers.get_or_insert(now + interval);
        true
    }
}

impl<R: Record> Session<R> {
    /// Asks for the view in place of what came before, where that is what the client wants; whether it does.
    pub(super) fn view(&mut self, execution_id: &ExecutionId) -> bool {
        let it = self.subscriptions.get_mut(execution_id);
        let wants = |it: &&mut Held<R>| {
            it.manner.fidelity == Fidelity::Snapshot && it.cursor == 0 && it.tail > 0
        };
        let Some(it) = it.filter(wants) else {
            return false;
        };
        it.waiting = true;
        self.outputs.push_back(Output::View(execution_id.clone()));
        true
    }

    pub(super) fn viewed(&mut self, now: Time, id: &ExecutionId, seq: Seq, view: Value) {
        let epoch = self.epoch(id);
        let it = self.subscriptions.get_mut(id);
        let (Some(it), Some(epoch)) = (it.filter(|it| it.opened && it.waiting), epoch) else {
            return;
        };
        it.waiting = false;
        if it.leaving {
            return self.leave(id);
        }
        it.cursor = seq;
        it.told = seq;
        it.news = it.news.max(seq);
        it.tail = it.tail.max(seq);
        it.unwritten = true;
        // the end, where this is one, is still to be told
        it.look = true;
        let snapshot = ControlFrame::Snapshot {
            execution_id: id.clone(),
            cursor: Cursor { epoch, seq },
            view,
        };
        self.control(now, snapshot);
    }

    /// Has what was gathered for long enough read again, and sent.
    pub(super) fn ripen(&mut self, now: Time) {
        let ripe = |it: &Subscription<R>| it.gathers.is_some_and(|at| at <= now);
        let of = |(id, it): (&ExecutionId, &Held<R>)| ripe(it).then(|| id.clone());
        let ripe: Vec<ExecutionId> = self.subscriptions.iter().filter_map(of).collect();
        for execution_id in &ripe {
            if let Some(it) = self.subscriptions.get_mut(execution_id) {
                it.gathers = None;
                it.ripe = true;
                it.look = true;
                self.read(execution_id);
            }
        }
    }

    /// Tells one that is slower than the run less from here on, where it has chosen so.
    pub(super) fn degrade(&mut self, execution_id: &ExecutionId) {
        let Some(it) = self.subscriptions.get_mut(execution_id) else {
            return;
        };
        let slow = std::mem::take(&mut it.slow) && it.manner.when_slow == WhenSlow::Degrade;
        if slow && !it.degraded && !it.fidelity().leaves_out() {
            it.degraded = true;
            self.tell_fidelity(execution_id);
        }
    }

    /// Tells one that has caught up as much as it asked for.
    pub(super) fn restore(&mut self, execution_id: &ExecutionId) {
        let it = self.subscriptions.get_mut(execution_id);
        if let Some(it) = it.filter(|it| it.degraded) {
            it.degraded = false;
            self.tell_fidelity(execution_id);
        }
    }

    fn tell_fidelity(&mut self, execution_id: &ExecutionId) {
        let epoch = self.epoch(execution_id);
        let it = self.subscriptions.get_mut(execution_id);
        if let (Some(it), Some(epoch)) = (it, epoch) {
            it.told = it.cursor;
            let frame = ControlFrame::Fidelity {
                execution_id: execution_id.clone(),
                fidelity: it.fidelity().at_the_tail(),
                cursor: Cursor {
                    epoch,
                    seq: it.cursor,
                },
            };
            self.outputs.push_back(Output::Control(frame));
        }
    }
}

/// Sends a page, and moves the cursor. What is missing in it is announced, whoever lost it.
pub(super) fn send<R: Record>(
    it: &mut Subscription<R>,
    execution_id: &ExecutionId,
    records: Vec<R>,
    gap: Option<(Seq, Seq)>,
    ended: Option<(Seq, EndReason)>,
    outputs: &mut impl Extend<Output<R>>,
) {
    let missing = |from: Seq, to: Seq| {
        Output::Control(ControlFrame::Gap {
            execution_id: execution_id.clone(),
            from,
            to,
            reason: GapReason::Retention,
            epoch: None,
        })
    };
    if let Some((_, to)) = gap.filter(|&(_, to)| to > it.cursor) {
        outputs.extend([missing(it.cursor + 1, to)]);
        it.cursor = to;
        it.told = to;
    }
    let mut passing = Vec::with_capacity(records.len());
    for record in records {
        let seq = record.seq();
        if seq <= it.cursor {
            continue;
        }
        if seq > it.cursor + 1 {
            show(it, std::mem::take(&mut passing), outputs);
            outputs.extend([missing(it.cursor + 1, seq - 1)]);
        }
        it.cursor = seq;
        if passes(&it.filter, &record) {
            passing.push(record);
        }
    }
    show(it, passing, outputs);
    if let Some((last_seq, _)) = ended.filter(|&(last_seq, _)| last_seq > it.cursor) {
        outputs.extend([missing(it.cursor + 1, last_seq)]);
        it.cursor = last_seq;
    }
}

/// Sends what is seen of events that follow one another.
fn show<R: Record>(
    it: &mut Subscription<R>,
    records: Vec<R>,
    outputs: &mut impl Extend<Output<R>>,
) {
    for record in it.fidelity().seen(records) {
        it.sent(record.seq());
        outputs.extend([Output::Event(record)]);
    }
}

/// Events that come while the socket takes one page, past which its reader is slow.
const SLOW: Seq = 1000;
