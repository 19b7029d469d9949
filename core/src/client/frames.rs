//! What frames mean to the machine: the cursor moves here and nowhere else.

use std::time::Duration;

use serde_json::Value;

use super::connection::{Connection, Heard};
use super::machine::is_final;
use super::{Client, Generation, Output, State, WaitReason};
use crate::control::{EndReason, GapReason};
use crate::event::{EventType, StreamEvent};
use crate::fidelity::Fidelity;
use crate::id::{Cursor, Epoch, ExecutionId, Position, Seq};
use crate::time::Time;

impl Client {
    pub(super) fn decode(
        &mut self,
        read: impl FnOnce(&mut Connection, &ExecutionId) -> Vec<Heard>,
    ) -> Vec<Heard> {
        self.connection
            .as_mut()
            .map(|connection| read(connection, &self.config.execution_id))
            .unwrap_or_default()
    }

    /// Takes what one piece said, up to where the machine gives the connection up.
    pub(super) fn hear_all(&mut self, now: Time, generation: Generation, all: Vec<Heard>) {
        self.heard_something(now);
        for heard in all {
            if self.connection.as_ref().map(|it| it.generation) != Some(generation) {
                return;
            }
            self.hear(now, heard);
        }
    }

    fn hear(&mut self, now: Time, heard: Heard) {
        match heard {
            Heard::Hello {
                epoch,
                last_seq,
                heartbeat,
                retry,
            } => {
                self.heartbeat = heartbeat.map_or(self.heartbeat, |it| {
                    it.clamp(HEARTBEAT_LEAST, HEARTBEAT_MOST)
                });
                self.retry = retry.unwrap_or(self.retry);
                self.hello(now, epoch, last_seq);
                self.heard_something(now);
            }
            Heard::Event(event, epoch) => self.event(now, event, epoch),
            Heard::Gap {
                from,
                to,
                reason,
                epoch,
            } => self.gap(now, from, to, reason, epoch),
            Heard::Passed(next) => self.passed(now, next),
            Heard::Snapshot(next, view) => self.snapshot(next, view),
            Heard::Fidelity(fidelity, next) => self.told_as(now, fidelity, next),
            Heard::Closed { last_seq, reason } => self.ended(now, last_seq, reason),
            Heard::PageEnd => self.poll_answered(now),
            Heard::Idle => self.idle(),
            Heard::Goaway(asked, reason) => self.sent_away(now, reason.into(), asked),
            Heard::Refused(status) if is_final(status) => self.refused(status),
            Heard::Refused(_) => self.turned_away(now),
            Heard::Retry(asked) => self.retry = asked,
            Heard::Corrupt => self.corrupt(now),
            Heard::Unreadable => {
                self.counters.corrupt += 1;
                self.lose(now, WaitReason::Broken);
            }
        }
    }

    fn hello(&mut self, now: Time, epoch: Epoch, last_seq: Seq) {
        self.ladder.works(now);
        let polling = matches!(self.state(), State::Live { .. } | State::CatchingUp { .. });
        if let Some(connection) = &mut self.connection {
            let first = connection.hello_at.replace(now).is_none();
            self.counters.resumes += u64::from(first && !polling && self.greeted);
            self.greeted = true;
        }
        self.until = last_seq;
        match self.position {
            Position::Earliest => self.position = Position::After(Cursor { epoch, seq: 0 }),
            Position::Now => {
                self.position = Position::After(Cursor {
                    epoch,
                    seq: last_seq,
                });
            }
            Position::After(cursor) if cursor.epoch != epoch => self.reset(epoch),
            Position::After(_) => {}
        }
        self.show_place();
    }

    fn event(&mut self, now: Time, event: Box<StreamEvent>, epoch: Option<Epoch>) {
        let Some(cursor) = self.open_cursor() else {
            return self.corrupt(now);
        };
        if epoch.is_some_and(|epoch| epoch != cursor.epoch) {
            return self.corrupt(now);
        }
        if event.seq <= cursor.seq {
            self.counters.duplicates += 1;
            return;
        }
        let from = event.first_seq();
        if from > cursor.seq + 1 && !self.fill(now, cursor, from - 1) {
            return;
        }
        if event.event_type == EventType::PipelineComplete {
            self.ended_by = Some(EndReason::Complete);
        } else if event.event_type == EventType::PipelineError {
            let reason = event.data.get("reason").and_then(|reason| reason.as_str());
            self.ended_by = Some(EndReason::of_error(reason));
        }
        self.move_to(cursor.epoch, event.seq);
        self.backoff.reset();
        self.attempts = 0;
        self.counters.events += 1;
        self.say(Output::Event(event));
        self.show_place();
    }

    fn gap(&mut self, now: Time, from: Seq, to: Seq, reason: GapReason, epoch: Option<Epoch>) {
        let Some(cursor) = self.open_cursor() else {
            return self.corrupt(now);
        };
        if reason == GapReason::Epoch {
            if let Some(epoch) = epoch.filter(|&epoch| epoch != cursor.epoch) {
                self.reset(epoch);
            }
            return;
        }
        if from > to
            || to <= cursor.seq
            || (from > cursor.seq + 1 && !self.fill(now, cursor, from - 1))
        {
            return;
        }
        self.report(cursor.epoch, from.max(cursor.seq + 1), to, reason);
        self.show_place();
    }

    fn passed(&mut self, now: Time, next: Cursor) {
        let Some(cursor) = self.open_cursor() else {
            return;
        };
        if next.epoch == cursor.epoch && next.seq > cursor.seq && self.fill(now, cursor, next.seq) {
            self.move_to(cursor.epoch, next.seq);
            self.show_place();
        }
    }

    /// Everything up to `next` is told by what it comes to.
    fn snapshot(&mut self, next: Cursor, view: Box<Value>) {
        let Some(cursor) = self.open_cursor() else {
            return;
        };
        if next.epoch == cursor.epoch && next.seq > cursor.seq {
            self.move_to(cursor.epoch, next.seq);
            self.say(Output::Snapshot(view));
            self.show_place();
        }
    }

    /// The server tells less from here on, as was asked for, or as much again.
    fn told_as(&mut self, now: Time, fidelity: Fidelity, next: Cursor) {
        self.passed(now, next);
        if std::mem::replace(&mut self.fidelity, fidelity) != fidelity {
            self.say(Output::Fidelity(fidelity));
        }
    }

    /// Whether events are left out that were asked not to come.
    fn leaves_out(&self) -> bool {
        !self.config.filter.is_empty() || self.fidelity.leaves_out()
    }

    fn ended(&mut self, now: Time, last_seq: Seq, reason: EndReason) {
        let Some(cursor) = self.open_cursor() else {
            return self.corrupt(now);
        };
        if last_seq <= cursor.seq || self.fill(now, cursor, last_seq) {
            self.end(reason);
        }
    }

    /// With a filter, the last event may be one that never comes: then silence says that this is the tail. With a
    /// pace it says nothing.
    fn idle(&mut self) {
        let filtered = self.leaves_out() && self.config.pace.is_none();
        if filtered && self.open_cursor().is_some() {
            self.until = 0;
            self.show_place();
        }
    }

    /// A frame that is none. Seen twice in the same place it is passed over: the numbers then show what it
    /// held.
    fn corrupt(&mut self, now: Time) {
        self.counters.corrupt += 1;
        let expected = self
            .open_cursor()
            .map(|cursor| cursor.seq.saturating_add(1));
        if expected.is_some() && self.suspect == expected {
            return;
        }
        self.suspect = expected.or(self.suspect);
        self.lose(now, WaitReason::Broken);
    }

    /// What lies between the cursor and `to` did not come, and the server did not say why. Once, the
    /// connection is to blame: come back for it. Twice, it is a gap. Says whether to go on.
    fn fill(&mut self, now: Time, cursor: Cursor, to: Seq) -> bool {
        if self.leaves_out() {
            return true;
        }
        let from = cursor.seq + 1;
        if self.suspect == Some(from) {
            self.report(cursor.epoch, from, to, GapReason::Transport);
            return true;
        }
        self.suspect = Some(from);
        self.lose(now, WaitReason::Broken);
        false
    }

    fn report(&mut self, epoch: Epoch, from: Seq, to: Seq, reason: GapReason) {
        self.counters.gaps += 1;
        self.counters.lost = self
            .counters
            .lost
            .saturating_add((to - from).saturating_add(1));
        self.move_to(epoch, to);
        self.say(Output::Gap { from, to, reason });
    }

    fn reset(&mut self, epoch: Epoch) {
        self.ended_by = None;
        self.counters.resets += 1;
        self.move_to(epoch, 0);
        self.say(Output::Reset { epoch });
    }

    fn move_to(&mut self, epoch: Epoch, seq: Seq) {
        self.suspect = None;
        self.position = Position::After(Cursor { epoch, seq });
    }

    /// The cursor, where the server's hello has come: before it, no event's place is certain.
    fn open_cursor(&self) -> Option<Cursor> {
        let open = self.connection.as_ref()?.hello_at.is_some();
        match self.position {
            Position::After(cursor) if open => Some(cursor),
            Position::After(_) | Position::Earliest | Position::Now => None,
        }
    }

    fn show_place(&mut self) {
        let (Some(cursor), Some(connection)) = (self.open_cursor(), &self.connection) else {
            return;
        };
        let transport = connection.transport;
        self.show(if cursor.seq >= self.until {
            State::Live { transport }
        } else {
            State::CatchingUp {
                transport,
                until: self.until,
            }
        });
    }
}

/// Bounds on what a server may name as its heartbeat.
const HEARTBEAT_LEAST: Duration = Duration::from_millis(100);
const HEARTBEAT_MOST: Duration = Duration::from_secs(3600);
