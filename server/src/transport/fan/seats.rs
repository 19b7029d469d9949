//! The seats of a fan: who sits there, how far each has come, and what is written to those that are compressed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stepcast_core::id::Seq;

use super::blocks::Blocks;
use super::chorus::{Alone, Chorus, Next, Part, Reach};
use super::voice::{self, Gathering, Voice};
use crate::log::{Stream, Tail};
use crate::telemetry::{Batch, Delivery};
use crate::transport::seat::{Leave, Seat};

#[derive(Debug, Default)]
pub(super) struct Seats {
    pub(super) taken: Vec<Taken>,
    /// The encoders of those that are compressed.
    pub(super) choruses: Vec<Chorus>,
    /// What is not written yet, as more may be merged with it.
    pub(super) gathering: Vec<Gathering>,
    /// Whether anyone ever was.
    pub(super) compressed: bool,
    /// Nobody is served here any more.
    pub(super) closed: bool,
}

#[derive(Debug)]
pub(super) struct Taken {
    pub(super) seat: Arc<Seat>,
    /// How its reader is told.
    pub(super) voice: Voice,
    pub(super) cursor: Seq,
    /// The last event that its reader knows it is past.
    pub(super) told: Seq,
    /// Nothing was written since the last beat.
    pub(super) quiet: bool,
    /// Where it stands with its chorus, where it is compressed.
    pub(super) part: Part,
}

impl Seats {
    pub(super) fn remove(&mut self, place: usize) -> Option<Taken> {
        if place >= self.taken.len() {
            return None;
        }
        let gone = self.taken.swap_remove(place);
        if let Some(moved) = self.taken.get(place) {
            moved.seat.set_place(place);
        }
        Some(gone)
    }

    pub(super) fn give_up(&mut self, place: usize, unsent: Bytes, owed: Option<Batch>) {
        if let Some(taken) = self.remove(place) {
            taken.seat.give_up(Leave {
                cursor: taken.cursor,
                unsent,
                owed,
                written: taken.part.written(),
            });
        }
    }

    pub(super) fn empty(&mut self) {
        while !self.taken.is_empty() {
            self.give_up(self.taken.len() - 1, Bytes::new(), None);
        }
    }

    /// Finds out for whom what is new is still to wait for more.
    pub(super) fn gather(&mut self, stream: &Stream, tail: Tail) {
        let behind = self.taken.iter().filter(|it| it.cursor < tail.last_seq);
        let seats = behind.map(|it| (it.voice.fidelity, it.cursor));
        Gathering::go_on(&mut self.gathering, stream, tail, seats);
    }

    /// Lets every chorus write up to the tail. One that cannot is left by all of its seats.
    pub(super) fn compose(&mut self, stream: &Stream, tail: Tail) {
        for taken in &self.taken {
            let voice = taken.voice;
            if let Some(coding) = voice.dialect.coding()
                && !self.choruses.iter().any(|chorus| chorus.voice == voice)
                && let Ok(chorus) = Chorus::new(voice, coding)
            {
                self.choruses.push(chorus);
            }
        }
        let Self {
            taken,
            choruses,
            gathering,
            ..
        } = self;
        choruses.retain_mut(|chorus| {
            let voice = chorus.voice;
            if Gathering::has(gathering, voice) {
                return true;
            }
            let of = taken.iter().filter(|it| it.voice == voice);
            let mut seats = of.map(|it| (it.part, it.cursor)).peekable();
            seats.peek().is_some() && chorus.compose(stream, tail.last_seq, seats).is_ok()
        });
    }

    /// Writes to one that is compressed what it has not had: the next verse, or what leads to where it joins.
    pub(super) fn sing(&mut self, at: usize, stream: &Stream, blocks: &mut Blocks<'_>) {
        let Some(taken) = self.taken.get_mut(at) else {
            return;
        };
        let mut choruses = self.choruses.iter();
        let chorus = choruses.find(|chorus| chorus.voice == taken.voice);
        let next = chorus.and_then(|chorus| {
            let next = chorus.next(taken.part, taken.cursor);
            next.or_else(|| blocks.alone(stream, taken.cursor, taken.part, chorus))
        });
        let Some(Next {
            bytes,
            batch,
            reach,
            part,
        }) = next
        else {
            return self.give_up(at, Bytes::new(), None);
        };
        if bytes.is_empty() {
            taken.cursor = reach.to;
            return;
        }
        match taken.seat.socket().try_write(&bytes) {
            Ok(sent) => {
                taken.cursor = reach.to;
                taken.told = reach.told.unwrap_or(taken.told);
                taken.part = part;
                taken.quiet = false;
                if sent < bytes.len() || !taken.seat.socket().is_flushed() {
                    self.give_up(at, bytes.slice(sent..), Some(batch));
                } else {
                    let now = std::time::Instant::now();
                    (blocks.delivery).delivered(taken.seat.lane(false), &batch, now, 1);
                }
            }
            // full, or broken: its own task finds out which
            Err(_) => self.give_up(at, Bytes::new(), None),
        }
    }

    /// Says something to everyone who has heard nothing since the last beat, and gives up who does not answer.
    pub(super) fn beat(&mut self, stream: &Stream, silence: Option<Duration>, delivery: &Delivery) {
        let mut pings: Vec<(Voice, Option<Seq>, Alone)> = Vec::new();
        let mut at = 0;
        while let Some(taken) = self.taken.get_mut(at) {
            at += 1;
            if !std::mem::replace(&mut taken.quiet, true) {
                continue;
            }
            if taken.seat.is_silent(silence) {
                at -= 1;
                self.give_up(at, Bytes::new(), None);
                continue;
            }
            taken.seat.ask();
            // where its reader stands is told where that is not the event that it saw last
            let seq = (taken.cursor > taken.told).then_some(taken.cursor);
            let key = (taken.voice, seq);
            let known = pings.iter().position(|(voice, at, _)| (*voice, *at) == key);
            let place = known.unwrap_or_else(|| {
                let mut plain = BytesMut::new();
                let place = seq.map(|seq| voice::place(stream, seq));
                taken.voice.dialect.beat(place.as_ref(), &mut plain);
                let ping = Alone::new(taken.voice, &plain, Reach::default(), Batch::default());
                pings.extend(ping.map(|ping| (taken.voice, seq, ping)));
                pings.len().saturating_sub(1)
            });
            let ping = pings.get(place);
            let Some((.., ping)) = ping.filter(|(voice, at, _)| (*voice, *at) == key) else {
                continue;
            };
            taken.told = taken.cursor;
            let (ping, part) = ping.for_seat(taken.part);
            taken.part = part;
            let sent = match taken.seat.socket().try_write(ping) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                // broken: its own task finds out when it writes
                Err(_) => 0,
            };
            delivery.wrote(taken.seat.lane(false), sent);
            if sent < ping.len() || !taken.seat.socket().is_flushed() {
                let unsent = ping.slice(sent..);
                at -= 1;
                self.give_up(at, unsent, None);
            }
        }
    }
}
