//! One writer for all connections that follow the same execution at its tail.
//!
//! What they are sent is the same, so it is encoded once for each dialect, and given to each socket with one call.
//! A socket that does not take all of it gets its connection's own task back, which reads the log at its own pace
//! and sits down again when it has caught up.

mod chorus;
mod voice;

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use stepcast_core::fidelity::Fidelity;
use stepcast_core::id::{ExecutionId, Seq};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use self::chorus::{Alone, Chorus, Next, Part, Reach};
use self::voice::{Gathering, Voice};
use super::lock;
use super::seat::{Leave, Seat};
use crate::log::{Record, Stream, Tail};
use crate::telemetry::{AT_ONCE, Batch, Delivery, Lag, Lane, Wire};

/// The fans of all executions that somebody follows at the tail.
#[derive(Clone, Debug)]
pub(crate) struct Fans(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    by_id: Mutex<HashMap<ExecutionId, Arc<Fan>>>,
    heartbeat: Duration,
    /// How long a peer may leave a ping unanswered.
    silence: Option<Duration>,
    stopping: CancellationToken,
    delivery: Arc<Delivery>,
}

/// The connections that follow one execution at its tail.
#[derive(Debug)]
pub(super) struct Fan {
    stream: Arc<Stream>,
    seats: tokio::sync::Mutex<Seats>,
    /// Everybody here has been given everything up to here.
    told: AtomicU64,
    /// Told when someone sat down who is behind.
    behind: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    taken: Vec<Taken>,
    /// The encoders of those that are compressed.
    choruses: Vec<Chorus>,
    /// What is not written yet, as more may be merged with it.
    gathering: Vec<Gathering>,
    /// Whether anyone ever was.
    compressed: bool,
    /// Nobody is served here any more.
    closed: bool,
}

#[derive(Debug)]
struct Taken {
    seat: Arc<Seat>,
    /// How its reader is told.
    voice: Voice,
    cursor: Seq,
    /// The last event that its reader knows it is past.
    told: Seq,
    /// Nothing was written since the last beat.
    quiet: bool,
    /// Where it stands with its chorus, where it is compressed.
    part: Part,
}

impl Fans {
    /// No fan yet. `heartbeat` is the longest that a connection hears nothing, `silence` the longest that a peer may
    /// leave a ping unanswered.
    pub(crate) fn new(
        heartbeat: Duration,
        silence: Option<Duration>,
        stopping: CancellationToken,
        delivery: Arc<Delivery>,
    ) -> Self {
        Self(Arc::new(Inner {
            by_id: Mutex::default(),
            heartbeat,
            silence,
            stopping,
            delivery,
        }))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0.by_id).len()
    }

    /// Adds how far they are behind at this moment.
    pub(crate) fn add_lag(&self, lag: &mut Lag) {
        let fans: Vec<Arc<Fan>> = lock(&self.0.by_id).values().cloned().collect();
        for fan in fans {
            let told = fan.told.load(Ordering::Relaxed);
            let behind = fan.stream.tail().last_seq.saturating_sub(told);
            // while it writes nobody knows how many have been written to: it counts as one reader
            lag.add(behind, 1);
        }
    }

    /// Seats a connection that has been sent everything of this fidelity up to `cursor`. From here on only the fan
    /// writes to it.
    pub(super) async fn sit_down(
        &self,
        stream: &Arc<Stream>,
        (cursor, fidelity): (Seq, Fidelity),
        seat: &Arc<Seat>,
    ) -> Arc<Fan> {
        let voice = Voice {
            dialect: seat.dialect,
            fidelity,
        };
        loop {
            let fan = self.fan(stream);
            let mut seats = fan.seats.lock().await;
            if seats.closed {
                drop(seats);
                tokio::task::yield_now().await;
                continue;
            }
            seat.set_place(seats.taken.len());
            seats.compressed |= seat.dialect.coding().is_some();
            seats.taken.push(Taken {
                seat: seat.clone(),
                voice,
                cursor,
                told: cursor,
                quiet: true,
                part: Part::default(),
            });
            drop(seats);
            let tail = stream.tail();
            if tail.last_seq > cursor || tail.ended.is_some() {
                fan.behind.notify_one();
            }
            return fan;
        }
    }

    fn fan(&self, stream: &Arc<Stream>) -> Arc<Fan> {
        let mut fans = lock(&self.0.by_id);
        if let Some(fan) = fans.get(stream.id()) {
            return fan.clone();
        }
        let fan = Arc::new(Fan {
            stream: stream.clone(),
            seats: tokio::sync::Mutex::default(),
            told: AtomicU64::new(stream.tail().last_seq),
            behind: Notify::new(),
        });
        fans.insert(stream.id().clone(), fan.clone());
        // before anybody sits down: what the log gets from here on is seen, though the task may begin much later
        let tail = stream.watch();
        tokio::spawn(self.clone().run(fan.clone(), tail));
        fan
    }

    /// Writes whatever the log gets, until nobody is there.
    async fn run(self, fan: Arc<Fan>, mut tail: watch::Receiver<Tail>) {
        // twice in a heartbeat: one that was written to just before a beat hears the next but one
        let beat = (self.0.heartbeat / 2).max(Duration::from_millis(1));
        let mut beats = interval_at(Instant::now() + beat, beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // waited for once: all fans share the list of those that wait for it
        let stopping = self.0.stopping.cancelled();
        tokio::pin!(stopping);
        let mut due = None;
        loop {
            let mut round = Duration::ZERO;
            let gathered = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let mut seats = tokio::select! {
                biased;
                () = &mut stopping => {
                    let mut seats = fan.seats.lock().await;
                    seats.empty();
                    seats
                }
                _moved = tail.changed() => {
                    let (begun, tail) = (Instant::now(), *tail.borrow_and_update());
                    let seats = fan.flush(tail, &self.0.delivery).await;
                    round = begun.elapsed();
                    seats
                }
                () = fan.behind.notified() => fan.flush(fan.stream.tail(), &self.0.delivery).await,
                () = gathered => fan.flush(fan.stream.tail(), &self.0.delivery).await,
                _beat = beats.tick() => {
                    let mut seats = fan.seats.lock().await;
                    seats.beat(&fan.stream, self.0.silence, &self.0.delivery);
                    seats
                }
            };
            if seats.taken.is_empty() {
                seats.closed = true;
                break;
            }
            due = seats.gathering.iter().map(Gathering::due).min();
            drop(seats);
            // While a long round goes on, what answers it comes in parts. Each part would be a round of its own, for
            // ever: a little later they go out in one.
            if round >= LONG_ROUND && tail.has_changed().unwrap_or_default() {
                tokio::time::sleep((round / 4).min(LONGEST_PAUSE)).await;
            }
        }
        let mut fans = lock(&self.0.by_id);
        if fans
            .get(fan.stream.id())
            .is_some_and(|listed| Arc::ptr_eq(listed, &fan))
        {
            fans.remove(fan.stream.id());
        }
    }
}

impl Fan {
    /// Whose events it writes.
    pub(super) fn stream(&self) -> &Arc<Stream> {
        &self.stream
    }

    /// Gives a connection back to its task, with how far it has come.
    pub(super) async fn stand_up(&self, seat: &Arc<Seat>) -> Leave {
        let mut seats = self.seats.lock().await;
        // it may have been given up meanwhile
        match seat.take_leave() {
            Some(leave) => leave,
            None => {
                let taken = seats.remove(seat.place());
                let (cursor, part) = taken.map_or_else(Default::default, |it| (it.cursor, it.part));
                Leave {
                    cursor,
                    unsent: Bytes::new(),
                    owed: None,
                    written: part.written(),
                }
            }
        }
    }

    /// Writes to each what it has not had.
    async fn flush(&self, tail: Tail, delivery: &Delivery) -> tokio::sync::MutexGuard<'_, Seats> {
        let mut seats = self.seats.lock().await;
        let all = &mut *seats;
        all.gather(&self.stream, tail);
        if all.compressed {
            all.compose(&self.stream, tail);
        }
        let mut blocks = Blocks::new(delivery);
        let (mut at, mut written) = (0, 0_usize);
        while let Some(taken) = all.taken.get_mut(at) {
            if taken.cursor >= tail.last_seq {
                // at the end of an execution there is more to say than events
                if tail.ended.is_some() {
                    all.give_up(at, Bytes::new(), None);
                } else {
                    at += 1;
                }
                continue;
            }
            let voice = taken.voice;
            if Gathering::has(&all.gathering, voice) {
                at += 1;
                continue;
            }
            if voice.dialect.coding().is_some() {
                written += 1;
                all.sing(at, &self.stream, &mut blocks);
                if written.is_multiple_of(WRITES_BETWEEN_YIELDS) {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            let Some(block) = blocks.after(&self.stream, taken.cursor, voice) else {
                // what it needs has left the ring: its own task reads the store
                all.give_up(at, Bytes::new(), None);
                continue;
            };
            if block.bytes.is_empty() {
                // all of it is left out
                taken.cursor = block.to;
                continue;
            }
            written += 1;
            let socket = taken.seat.socket();
            match socket.try_write(&block.bytes) {
                Ok(sent) => {
                    taken.cursor = block.to;
                    taken.told = block.told;
                    taken.quiet = false;
                    if sent < block.bytes.len() || !socket.is_flushed() {
                        let unsent = block.bytes.slice(sent..);
                        let owed = block.batch.clone();
                        all.give_up(at, unsent, owed);
                    } else {
                        block.written_to(socket.wire());
                    }
                }
                // full, or broken: its own task finds out which
                Err(_) => all.give_up(at, Bytes::new(), None),
            }
            if written.is_multiple_of(AT_ONCE) {
                blocks.count();
            }
            if written.is_multiple_of(WRITES_BETWEEN_YIELDS) {
                tokio::task::yield_now().await;
            }
        }
        blocks.count();
        self.told.fetch_max(tail.last_seq, Ordering::Relaxed);
        seats
    }
}

impl Seats {
    fn remove(&mut self, place: usize) -> Option<Taken> {
        if place >= self.taken.len() {
            return None;
        }
        let gone = self.taken.swap_remove(place);
        if let Some(moved) = self.taken.get(place) {
            moved.seat.set_place(place);
        }
        Some(gone)
    }

    fn give_up(&mut self, place: usize, unsent: Bytes, owed: Option<Batch>) {
        if let Some(taken) = self.remove(place) {
            taken.seat.give_up(Leave {
                cursor: taken.cursor,
                unsent,
                owed,
                written: taken.part.written(),
            });
        }
    }

    fn empty(&mut self) {
        while !self.taken.is_empty() {
            self.give_up(self.taken.len() - 1, Bytes::new(), None);
        }
    }

    /// Finds out for whom what is new is still to wait for more.
    fn gather(&mut self, stream: &Stream, tail: Tail) {
        let behind = self.taken.iter().filter(|it| it.cursor < tail.last_seq);
        let seats = behind.map(|it| (it.voice.fidelity, it.cursor));
        Gathering::go_on(&mut self.gathering, stream, tail, seats);
    }

    /// Lets every chorus write up to the tail. One that cannot is left by all of its seats.
    fn compose(&mut self, stream: &Stream, tail: Tail) {
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
    fn sing(&mut self, at: usize, stream: &Stream, blocks: &mut Blocks<'_>) {
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
    fn beat(&mut self, stream: &Stream, silence: Option<Duration>, delivery: &Delivery) {
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

/// What one flush has encoded.
struct Blocks<'a> {
    delivery: &'a Delivery,
    blocks: Vec<Block>,
    /// For seats that are compressed and have not joined yet.
    alone: Vec<(Voice, Seq, Alone)>,
}

struct Block {
    after: Seq,
    voice: Voice,
    to: Seq,
    /// The last event that is seen in it.
    told: Seq,
    bytes: Bytes,
    /// Where deliveries are measured.
    batch: Option<Batch>,
    /// Sockets that took all of it and were not counted yet: in clear, and under TLS.
    clear: u32,
    tls: u32,
}

impl Block {
    /// One more socket has taken all of it.
    fn written_to(&mut self, wire: Wire) {
        match wire {
            Wire::Clear => self.clear += 1,
            Wire::Tls | Wire::Http2 => self.tls += 1,
        }
    }
}

impl<'a> Blocks<'a> {
    fn new(delivery: &'a Delivery) -> Self {
        Self {
            delivery,
            blocks: Vec::new(),
            alone: Vec::new(),
        }
    }

    /// What is for one seat alone, on its way to where it joins its chorus.
    fn alone(&mut self, stream: &Stream, after: Seq, part: Part, chorus: &Chorus) -> Option<Next> {
        if part.has_joined() {
            return None;
        }
        let same =
            |(voice, from, _): &(Voice, Seq, Alone)| (*voice, *from) == (chorus.voice, after);
        let place = match self.alone.iter().position(same) {
            Some(place) => place,
            None => {
                let alone = chorus.alone(stream, after).ok()??;
                self.alone.push((chorus.voice, after, alone));
                self.alone.len() - 1
            }
        };
        let (_, _, alone) = self.alone.get(place)?;
        Some(alone.next(part))
    }

    /// Counts what sockets have taken since the last time: one look at the clock for all of them.
    fn count(&mut self) {
        let mut now = None;
        for block in &mut self.blocks {
            for (wire, sockets) in [(Wire::Clear, &mut block.clear), (Wire::Tls, &mut block.tls)] {
                let sockets = std::mem::take(sockets);
                let Some(batch) = block.batch.as_ref().filter(|_| sockets > 0) else {
                    continue;
                };
                let lane = Lane {
                    transport: block.voice.dialect.transport(),
                    shared: false,
                    wire,
                };
                let now = *now.get_or_insert_with(std::time::Instant::now);
                self.delivery.delivered(lane, batch, now, sockets.into());
            }
        }
    }

    /// The events after `after`; `None` where the ring does not hold the next one.
    fn after(&mut self, stream: &Stream, after: Seq, voice: Voice) -> Option<&mut Block> {
        let same = |block: &Block| block.after == after && block.voice == voice;
        let known = self.blocks.iter().rposition(same);
        let place = match known {
            Some(place) => place,
            None => {
                let records = stream.read_ring(after, BLOCK_EVENTS, BLOCK_BYTES)?;
                let to = records.last()?.seq();
                let records = voice.fidelity.seen(records);
                let mut bytes =
                    BytesMut::with_capacity(records.iter().map(Record::size).sum::<usize>());
                let dialect = voice.dialect;
                dialect.framed(&mut bytes, |out| dialect.events(&records, out));
                if self.blocks.len() >= BLOCKS {
                    self.count();
                    self.blocks.clear();
                }
                let measures = self.delivery.measures();
                self.blocks.push(Block {
                    after,
                    voice,
                    to,
                    told: records.last().map_or(after, Record::seq),
                    batch: measures.then(|| Batch::of(&records, bytes.len())),
                    bytes: bytes.freeze(),
                    clear: 0,
                    tls: 0,
                });
                self.blocks.len() - 1
            }
        };
        self.blocks.get_mut(place)
    }
}

/// Events in one write.
const BLOCK_EVENTS: usize = 1024;

/// Bytes in one write, past the first event: what a socket takes at once.
const BLOCK_BYTES: usize = 128 << 10;

/// Blocks kept for others at the same place; nearly all readers are at one.
const BLOCKS: usize = 64;

/// A round of writes that takes so long is worth waiting for more to write.
const LONG_ROUND: Duration = Duration::from_millis(4);

/// The longest that a fan waits for more.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Sockets written to before other tasks have their turn.
const WRITES_BETWEEN_YIELDS: usize = 128;

#[cfg(test)]
mod tests;
