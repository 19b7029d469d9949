//! The server's side of every dial, and what the weather makes of it.

use std::time::Duration;

use stepcast_core::client::{ConnectionEnd, Dial, Generation, Transport};
use stepcast_core::id::Position;
use stepcast_core::time::Time;

use super::log::Log;
use super::server::{Serving, Turn};
use super::{Happening, World};

impl World {
    pub(super) fn accept(&mut self, dial: &Dial) {
        let (generation, transport) = (dial.generation, dial.transport);
        let dice = &mut self.dice;
        if self.weather.blocked.contains(&transport) || dice.below(1000) < self.weather.swallow {
            return;
        }
        if !self.up || dice.below(1000) < self.weather.refuse {
            return self.at(self.now, Happening::Closed(generation, broken(transport)));
        }
        if dice.below(1000) < self.weather.fail {
            let end = ConnectionEnd::Http {
                status: *dice.one(&[&429, &500, &503]),
                retry_after: dice.one(&[&None, &Some(Duration::from_secs(2))]).to_owned(),
            };
            return self.at(self.now, Happening::Closed(generation, end));
        }
        let at_tail = |it: &Log| matches!(dial.after, Position::After(at) if at.epoch == it.epoch && at.seq >= it.last_seq());
        if transport == Transport::Sse && self.log.end.is_some() && at_tail(&self.log) {
            let end = ConnectionEnd::Http {
                status: 204,
                retry_after: None,
            };
            return self.at(self.now, Happening::Closed(generation, end));
        }
        let mut connection = Serving::new(self.now, dial, self.session.clone());
        connection.stalls = dice.below(1000) < self.weather.stall;
        if connection.stalls || dice.below(1000) < self.weather.cut {
            let most = if transport == Transport::Sse {
                3000
            } else {
                12
            };
            connection.budget = Some(usize::try_from(dice.below(most)).unwrap());
        }
        self.connections.insert(generation, connection);
        if transport == Transport::LongPoll {
            self.at(self.now + dial.wait, Happening::Answer(generation));
            self.answer(generation, true);
        } else {
            self.serve(generation, |it, now, log| it.subscribe(now, log, dial));
        }
    }

    /// Answers a long poll, or holds it.
    pub(super) fn answer(&mut self, generation: Generation, hold: bool) {
        let Some(connection) = self.connections.get(&generation) else {
            return;
        };
        let happening = match self.log.page(connection.after, hold) {
            Ok(None) => return,
            Ok(Some(mut page)) => {
                if self.dice.below(1000) < self.weather.vanish && page.events.len() > 1 {
                    page.events.remove(page.events.len() / 2);
                }
                let text = serde_json::to_string(&page).unwrap();
                let mut whole = self.weather.pass(&mut self.dice, text);
                match whole.pop() {
                    Some(text) if connection.budget.is_none() => Happening::Text(generation, text),
                    _ if connection.stalls => return,
                    _ => Happening::Closed(generation, ConnectionEnd::Broken),
                }
            }
            Err(status) => {
                let retry_after = None;
                Happening::Closed(
                    generation,
                    ConnectionEnd::Http {
                        status,
                        retry_after,
                    },
                )
            }
        };
        self.connections.remove(&generation);
        let delay = self.weather.delay(&mut self.dice);
        self.at(self.now + delay, happening);
    }

    /// Lets one connection's session take a turn, and puts what it says on the link.
    pub(super) fn serve(
        &mut self,
        generation: Generation,
        turn: impl FnOnce(&mut Serving, Time, &Log) -> Turn,
    ) {
        let Some(mut connection) = self.connections.remove(&generation) else {
            return;
        };
        let turn = turn(&mut connection, self.now, &self.log);
        self.send(&mut connection, turn);
        self.connections.insert(generation, connection);
    }

    fn send(&mut self, to: &mut Serving, turn: Turn) {
        let said = !turn.frames.is_empty();
        let mut frames = Vec::new();
        for frame in turn.frames {
            frames.extend(self.weather.pass(&mut self.dice, frame));
        }
        if to.transport == Transport::Sse {
            let bytes = frames.concat().into_bytes();
            for piece in self.weather.pieces(&mut self.dice, bytes) {
                let left = to.budget.map_or(piece.len(), |it| it.min(piece.len()));
                self.put(
                    to,
                    left,
                    Happening::Bytes(to.generation, piece[..left].to_vec()),
                );
                self.spend(to, piece.len());
            }
        } else {
            for frame in frames {
                let left = to.budget.map_or(1, |it| it.min(1));
                self.put(to, left, Happening::Text(to.generation, frame));
                self.spend(to, 1);
            }
        }
        if to.broken {
            return;
        }
        if let Some(code) = turn.close {
            let end = match to.transport {
                Transport::WebSocket => ConnectionEnd::WebSocket { code: code.code() },
                Transport::Sse | Transport::LongPoll => ConnectionEnd::Broken,
            };
            to.broken = true;
            self.at(to.last_arrival, Happening::Closed(to.generation, end));
        } else if said {
            self.at(to.last_arrival, Happening::Written(to.generation));
        }
    }

    fn put(&mut self, to: &mut Serving, size: usize, happening: Happening) {
        if size > 0 && !to.broken {
            to.last_arrival = to
                .last_arrival
                .max(self.now + self.weather.delay(&mut self.dice));
            self.at(to.last_arrival, happening);
        }
    }

    fn spend(&mut self, to: &mut Serving, size: usize) {
        let Some(budget) = &mut to.budget else { return };
        *budget = budget.saturating_sub(size);
        if *budget == 0 && !to.broken {
            to.broken = true;
            if !to.stalls {
                self.at(
                    to.last_arrival,
                    Happening::Closed(to.generation, broken(to.transport)),
                );
            }
        }
    }
}

pub(super) fn broken(transport: Transport) -> ConnectionEnd {
    match transport {
        Transport::WebSocket => ConnectionEnd::WebSocket { code: 1006 },
        Transport::Sse | Transport::LongPoll => ConnectionEnd::Broken,
    }
}
