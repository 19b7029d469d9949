//! One writer for all connections that follow the same execution at its tail.
//!
//! What they are sent is the same, so it is encoded once for each dialect, and given to each socket with one call.
//! A socket that does not take all of it gets its connection's own task back, which reads the log at its own pace
//! and sits down again when it has caught up.

mod blocks;
mod chorus;
mod seats;
mod voice;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use stepcast_core::fidelity::Fidelity;
use stepcast_core::id::{ExecutionId, Seq};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use self::blocks::Blocks;
use self::chorus::Part;
use self::seats::{Seats, Taken};
use self::voice::{Gathering, Voice};
use super::lock;
use super::seat::{Leave, Seat};
use crate::log::{Stream, Tail};
use crate::telemetry::{AT_ONCE, Delivery, Lag};

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
        // before anybody sits down: what the log gets from here on is seen, though the task may begin much later
        let tail = stream.tail();
        let fan = Arc::new(Fan {
            stream: stream.clone(),
            seats: tokio::sync::Mutex::default(),
            told: AtomicU64::new(tail.last_seq),
            behind: Notify::new(),
        });
        fans.insert(stream.id().clone(), fan.clone());
        tokio::spawn(self.clone().run(fan.clone(), tail));
        fan
    }

    /// Writes whatever the log gets, until nobody is there.
    async fn run(self, fan: Arc<Fan>, mut tail: Tail) {
        // twice in a heartbeat: one that was written to just before a beat hears the next but one
        let beat = (self.0.heartbeat / 2).max(Duration::from_millis(1));
        let mut beats = interval_at(Instant::now() + beat, beat);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // waited for once: all fans share the list of those that wait for it
        let stopping = self.0.stopping.cancelled();
        let behind = fan.behind.notified();
        tokio::pin!(stopping, behind);
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
                moved = fan.stream.moved(tail) => {
                    tail = moved;
                    let (seats, took) = fan.flush(tail, &self.0.delivery).await;
                    round = took;
                    seats
                }
                () = &mut behind => {
                    behind.set(fan.behind.notified());
                    tail = fan.stream.tail();
                    fan.flush(tail, &self.0.delivery).await.0
                }
                () = gathered => {
                    tail = fan.stream.tail();
                    fan.flush(tail, &self.0.delivery).await.0
                }
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
            if round >= LONG_ROUND && fan.stream.tail() != tail {
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

    /// Writes to each what it has not had. How long that took, where it can have been long.
    async fn flush(
        &self,
        tail: Tail,
        delivery: &Delivery,
    ) -> (tokio::sync::MutexGuard<'_, Seats>, Duration) {
        let mut seats = self.seats.lock().await;
        let all = &mut *seats;
        let begun = (all.taken.len() > FEW).then(Instant::now);
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
        let took = begun.map(|begun| begun.elapsed());
        (seats, took.unwrap_or_default())
    }
}

/// A round of writes that takes so long is worth waiting for more to write.
const LONG_ROUND: Duration = Duration::from_millis(4);

/// So many seats are written to at once.
const FEW: usize = 16;

/// The longest that a fan waits for more.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Sockets written to before other tasks have their turn.
const WRITES_BETWEEN_YIELDS: usize = 128;

#[cfg(test)]
mod tests;
