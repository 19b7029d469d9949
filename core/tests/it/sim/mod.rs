//! A whole conversation in virtual time: the real client machine and the real session, a link that misbehaves
//! between them, and a log that grows, forgets and is recreated. No socket, no clock.

pub(crate) mod ledger;
pub(crate) mod link;
pub(crate) mod log;
mod network;
pub(crate) mod server;

use std::collections::BTreeMap;

use stepcast_core::client::{
    Client, Config, ConnectionEnd, Dial, Generation, Input, Output, State, Transport,
};
use stepcast_core::control::EndReason;
use stepcast_core::id::Position;
use stepcast_core::session::{self, SessionConfig};
use stepcast_core::time::Time;

use self::ledger::Ledger;
use self::link::Weather;
use self::log::Log;
use self::network::broken;
use self::server::Serving;
use crate::any::Dice;

/// What may happen next.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Accept(Dial),
    Text(Generation, String),
    Bytes(Generation, Vec<u8>),
    Closed(Generation, ConnectionEnd),
    ServerText(Generation, String),
    Written(Generation),
    HungUp(Generation),
    Answer(Generation),
    Append,
    Finish(EndReason),
    Forget(u64),
    Leave(u64),
    Crash { recreate: bool },
    Recover,
    Woken,
    Offline,
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) dice: Dice,
    pub(crate) weather: Weather,
    pub(crate) client: Client,
    pub(crate) log: Log,
    pub(crate) ledger: Ledger,
    pub(crate) session: SessionConfig,
    pub(crate) dials: Vec<(Time, Dial)>,
    pub(crate) states: Vec<(Time, State)>,
    pub(crate) steps: u64,
    client_due: Option<Time>,
    up: bool,
    connections: BTreeMap<Generation, Serving>,
    queue: BTreeMap<(Time, u64), Happening>,
    queued: u64,
}

impl World {
    pub(crate) fn new(seed: u64, weather: Weather, config: Config) -> Self {
        let mut world = Self {
            now: Time::ZERO,
            dice: Dice::new(seed),
            ledger: Ledger {
                lossy: weather.loses_frames(),
                next: (config.after == Position::Earliest).then_some(1),
                ..Ledger::default()
            },
            weather,
            client: Client::new(config),
            log: Log::new(1),
            session: SessionConfig {
                single: true,
                page: 5,
                ..SessionConfig::default()
            },
            dials: Vec::new(),
            states: Vec::new(),
            steps: 0,
            client_due: None,
            up: true,
            connections: BTreeMap::new(),
            queue: BTreeMap::new(),
            queued: 0,
        };
        world.remember();
        world
    }

    pub(crate) fn at(&mut self, at: Time, happening: Happening) {
        self.queued += 1;
        self.queue
            .insert((at.max(self.now), self.queued), happening);
    }

    pub(crate) fn start(&mut self) {
        self.client.handle(self.now, Input::Start);
        self.drain();
    }

    /// Runs until the client is done with, or the time has come.
    pub(crate) fn run_until(&mut self, end: Time) {
        while !self.is_over() {
            let happening = self.queue.first_key_value().map(|(key, _)| key.0);
            let served = self.connections.values().filter_map(|it| it.due).min();
            let next = [happening, self.client_due, served]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|&next| next <= end) else {
                self.now = end;
                return;
            };
            self.now = next.max(self.now);
            self.steps += 1;
            assert!(self.steps < 2_000_000, "no end");
            if happening == Some(next) {
                let (_, happening) = self.queue.pop_first().unwrap();
                self.happen(happening);
            } else if self.client_due == Some(next) {
                self.feed(Input::Tick);
            } else {
                let due = self.connections.values().find(|it| it.due == Some(next));
                let generation = due.unwrap().generation;
                self.serve(generation, |it, now, log| {
                    it.turn(now, log, session::Input::Tick)
                });
            }
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(
            self.client.state(),
            State::Ended { .. } | State::Refused { .. } | State::Stopped
        )
    }

    pub(crate) fn feed(&mut self, input: Input<'_>) {
        self.client.handle(self.now, input);
        self.drain();
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Accept(dial) => self.accept(&dial),
            Happening::Text(generation, text) => self.feed(Input::Text(generation, &text)),
            Happening::Bytes(generation, bytes) => self.feed(Input::Bytes(generation, &bytes)),
            Happening::Closed(generation, end) => self.feed(Input::Closed(generation, end)),
            Happening::ServerText(generation, text) => self.serve(generation, |it, now, log| {
                it.turn(now, log, session::Input::Text(&text))
            }),
            Happening::Written(generation) => self.serve(generation, |it, now, log| {
                it.turn(now, log, session::Input::Written)
            }),
            Happening::HungUp(generation) => drop(self.connections.remove(&generation)),
            Happening::Answer(generation) => self.answer(generation, false),
            Happening::Append => {
                self.log.append(&mut self.dice);
                self.grown();
            }
            Happening::Finish(reason) => {
                self.log.finish(reason);
                self.grown();
            }
            Happening::Forget(count) => {
                self.log.earliest = (self.log.earliest + count).min(self.log.last_seq() + 1);
                self.remember();
            }
            Happening::Leave(retry_ms) => {
                for generation in self.generations() {
                    if self.connections[&generation].transport != Transport::LongPoll {
                        self.serve(generation, |it, now, log| {
                            it.turn(now, log, session::Input::GoingAway { retry_ms })
                        });
                    }
                }
                self.crash();
            }
            Happening::Crash { recreate } => {
                self.crash();
                if recreate {
                    self.log = Log::new(self.log.epoch + 1);
                    self.remember();
                }
            }
            Happening::Recover => self.up = true,
            Happening::Woken => self.feed(Input::Woken),
            Happening::Offline => self.feed(Input::Offline),
        }
    }

    fn crash(&mut self) {
        self.up = false;
        for (_, connection) in std::mem::take(&mut self.connections) {
            if !connection.broken {
                let at = connection.last_arrival.max(self.now);
                self.at(
                    at,
                    Happening::Closed(connection.generation, broken(connection.transport)),
                );
            }
        }
    }

    fn generations(&self) -> Vec<Generation> {
        self.connections.keys().copied().collect()
    }

    fn grown(&mut self) {
        self.remember();
        for generation in self.generations() {
            match self.connections[&generation].transport {
                Transport::LongPoll => self.answer(generation, true),
                Transport::WebSocket | Transport::Sse => {
                    self.serve(generation, |it, now, log| it.grown(now, log));
                }
            }
        }
    }

    fn remember(&mut self) {
        let sent = self.ledger.sent.entry(self.log.epoch).or_default();
        sent.extend(self.log.events.iter().skip(sent.len()).cloned());
        self.ledger
            .earliest
            .insert(self.log.epoch, self.log.earliest);
    }

    fn drain(&mut self) {
        loop {
            match self.client.poll() {
                Output::Dial(dial) => {
                    self.dials.push((self.now, dial.clone()));
                    let delay = self.weather.delay(&mut self.dice);
                    self.at(self.now + delay, Happening::Accept(dial));
                }
                Output::Hangup(generation) => {
                    let delay = self.weather.delay(&mut self.dice);
                    self.at(self.now + delay, Happening::HungUp(generation));
                }
                Output::Send(generation, text) => {
                    let delay = self.weather.delay(&mut self.dice);
                    self.at(self.now + delay, Happening::ServerText(generation, text));
                }
                Output::Event(event) => self.ledger.event(&event),
                Output::Gap { from, to, reason } => {
                    let Position::After(cursor) = self.client.cursor() else {
                        panic!("a gap before the hello");
                    };
                    self.ledger.gap(from, to, reason, cursor.epoch);
                }
                Output::Reset { epoch } => self.ledger.reset(epoch),
                Output::Snapshot(_) | Output::Fidelity(_) => panic!("not asked for"),
                Output::State(state) => self.states.push((self.now, state)),
                Output::Timeout(due) => {
                    assert!(due.is_none_or(|due| due > self.now) || self.due_at_once(due));
                    self.client_due = due;
                    return;
                }
            }
        }
    }

    /// A timer may ring at this very instant only where a delay of nothing was drawn.
    fn due_at_once(&self, due: Option<Time>) -> bool {
        matches!(self.client.state(), State::Waiting { until, .. } if Some(until) == due)
    }
}
