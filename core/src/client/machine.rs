//! The machine: inputs, timers, and when to dial. What frames mean is in `frames.rs`.

use std::collections::VecDeque;
use std::time::Duration;

use super::backoff::Backoff;
use super::connection::Connection;
use super::ladder::Ladder;
use super::timer::{Timer, Timers};
use super::{
    Config, ConnectionEnd, Counters, Dial, Generation, Input, Output, State, Transport, WaitReason,
};
use crate::control::EndReason;
use crate::fidelity::Fidelity;
use crate::id::{Position, Seq};
use crate::time::Time;
use crate::wire::close;

/// Follows one execution until it ends, over however many connections that takes.
///
/// Every event is delivered in order and once, or stands in a [`Output::Gap`]. The cursor moves only with
/// what was delivered or announced, so a connection may end at any byte.
#[derive(Debug)]
pub struct Client {
    pub(super) config: Config,
    pub(super) position: Position,
    pub(super) connection: Option<Connection>,
    pub(super) ladder: Ladder,
    pub(super) backoff: Backoff,
    pub(super) counters: Counters,
    /// The server's, once it has said.
    pub(super) heartbeat: Duration,
    /// When any connection last said anything.
    heard_at: Option<Time>,
    /// What the server asks to be added to every delay.
    pub(super) retry: Duration,
    /// The last event there was when the connection opened.
    pub(super) until: Seq,
    /// An event that was missing on one connection: missing again, it is given up.
    pub(super) suspect: Option<Seq>,
    /// How the execution ended, by its terminal event.
    pub(super) ended_by: Option<EndReason>,
    /// Dials since the last event.
    pub(super) attempts: u32,
    pub(super) greeted: bool,
    /// How much this connection tells.
    pub(super) fidelity: Fidelity,
    /// Between two long polls of one conversation.
    polling: bool,
    pub(super) dialled_at: Time,
    pub(super) timers: Timers,
    outputs: VecDeque<Output>,
    state: State,
}

impl Client {
    /// A machine that waits for [`Input::Start`].
    pub fn new(config: Config) -> Self {
        Self {
            position: config.after,
            connection: None,
            ladder: Ladder::new(&config.transports, config.pace.is_some()),
            backoff: Backoff::new(config.backoff_base, config.backoff_cap, config.seed),
            counters: Counters::default(),
            heartbeat: config.heartbeat,
            heard_at: None,
            retry: Duration::ZERO,
            until: 0,
            suspect: None,
            ended_by: None,
            attempts: 0,
            greeted: false,
            fidelity: Fidelity::Full,
            polling: false,
            dialled_at: Time::ZERO,
            timers: Timers::default(),
            outputs: VecDeque::new(),
            state: State::Idle,
            config,
        }
    }

    /// Takes one input. Drain [`Client::poll`] before the next.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Start => {
                if self.state == State::Idle {
                    self.dial(now);
                }
            }
            Input::Stop => {
                if !matches!(self.state, State::Ended { .. }) {
                    self.rest(State::Stopped);
                }
            }
            Input::Retry => self.retry_now(now),
            Input::Text(generation, text) => {
                if let Some(connection) = self.current(generation) {
                    connection.heard_at = Some(now);
                    let heard = self.decode(|it, stream| it.text(text, stream));
                    self.hear_all(now, generation, heard);
                }
            }
            Input::Bytes(generation, piece) => {
                if let Some(connection) = self.current(generation) {
                    connection.heard_at = Some(now);
                    let heard = self.decode(|it, stream| it.bytes(piece, stream));
                    self.hear_all(now, generation, heard);
                }
            }
            Input::Closed(generation, end) => {
                if self.current(generation).is_some() {
                    self.closed(now, &end);
                }
            }
            Input::Woken => self.woken(now),
            Input::Offline => {
                if !self.is_over() && self.state != State::Idle {
                    self.rest(State::Offline);
                }
            }
            Input::Tick => {
                while let Some(timer) = self.timers.expired(now) {
                    self.rang(now, timer);
                }
            }
        }
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll(&mut self) -> Output {
        self.outputs
            .pop_front()
            .unwrap_or_else(|| Output::Timeout(self.timers.next()))
    }

    /// The connection, in words.
    pub fn state(&self) -> State {
        self.state
    }

    /// When the server last said anything, a heartbeat at least, on whichever connection; none where it never has.
    pub fn heard_at(&self) -> Option<Time> {
        self.heard_at
    }

    /// Where the next connection begins. A shell may keep it, and give it to another machine later.
    pub fn cursor(&self) -> Position {
        self.position
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    pub(super) fn say(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn show(&mut self, state: State) {
        if self.state != state {
            self.state = state;
            self.say(Output::State(state));
        }
    }

    /// Gives the connection up, and waits before the next.
    pub(super) fn lose(&mut self, now: Time, reason: WaitReason) {
        let early = self.drop_connection(now, true);
        self.wait_after(now, early, reason, Duration::ZERO);
    }

    /// Gives the connection up, for the server is full.
    pub(super) fn turned_away(&mut self, now: Time) {
        self.drop_connection(now, true);
        self.wait_after(now, false, WaitReason::Busy, Duration::ZERO);
    }

    /// Gives the connection up for as long as the server asked, and not less.
    pub(super) fn sent_away(&mut self, now: Time, reason: WaitReason, asked: Duration) {
        self.drop_connection(now, true);
        self.wait(now, reason, asked.min(LONGEST_ASKED));
    }

    /// The execution has ended, and all of it is here.
    pub(super) fn end(&mut self, reason: EndReason) {
        self.rest(State::Ended { reason });
    }

    pub(super) fn refused(&mut self, status: u16) {
        self.rest(State::Refused { status });
    }

    /// A long poll was answered: the next one goes out at once, but not to a server that does not hold it.
    pub(super) fn poll_answered(&mut self, now: Time) {
        let Some(connection) = self.connection.take() else {
            return;
        };
        let first = !std::mem::replace(&mut self.polling, true);
        if first || connection.after != self.position {
            self.dial(now);
        } else if now.since(connection.dialled_at) >= HELD {
            self.backoff.reset();
            self.dial(now);
        } else {
            self.timers.stop_all();
            self.timers.set(Timer::Dial, now + self.backoff.delay());
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        self.timers.stop_all();
        let transport = self.ladder.next(now);
        self.polling &= transport == Transport::LongPoll;
        self.dialled_at = now;
        self.fidelity = self.config.manner.fidelity;
        self.counters.dials += 1;
        let dial = Dial {
            generation: Generation(self.counters.dials),
            transport,
            execution_id: self.config.execution_id.clone(),
            after: self.position,
            filter: self.config.filter.clone(),
            pace: self.config.pace,
            manner: self.config.manner,
            wait: if self.polling {
                self.config.poll_wait
            } else {
                Duration::ZERO
            },
        };
        self.connection = Some(Connection::new(&dial, now));
        let patience = self.config.first_byte_timeout + dial.wait;
        self.timers.set(Timer::FirstByte, now + patience);
        self.say(Output::Dial(dial));
        if !self.polling {
            self.attempts = self.attempts.saturating_add(1);
            self.show(State::Connecting {
                transport,
                attempt: self.attempts,
            });
        }
    }

    fn rang(&mut self, now: Time, timer: Timer) {
        match timer {
            Timer::Dial => self.dial(now),
            Timer::FirstByte if self.polling => self.lose(now, WaitReason::Stale),
            Timer::FirstByte => {
                self.drop_connection(now, true);
                if self.ladder.silent() {
                    let delay = self.backoff.short_delay();
                    self.wait(now, WaitReason::Blocked, delay);
                } else {
                    self.wait_after(now, false, WaitReason::Broken, Duration::ZERO);
                }
            }
            Timer::Stale | Timer::Probe => self.lose(now, WaitReason::Stale),
        }
    }

    fn closed(&mut self, now: Time, end: &ConnectionEnd) {
        let early = self.drop_connection(now, false);
        match *end {
            ConnectionEnd::WebSocket { code } => match (code, self.ended_by) {
                (1000, Some(reason)) => self.end(reason),
                (1001 | 1012, _) => {
                    self.wait_after(now, false, WaitReason::ServerRestart, Duration::ZERO);
                }
                (1013, _) => self.wait_after(now, false, WaitReason::Busy, Duration::ZERO),
                (3001, _) => self.wait_after(now, false, WaitReason::Expired, Duration::ZERO),
                // closed as done, but it never said so: what is missing is found out by coming back
                (1000, None) => self.wait_after(now, early, WaitReason::Broken, Duration::ZERO),
                (code, _) if close::comes_back(code) => {
                    self.wait_after(now, early, WaitReason::Broken, Duration::ZERO);
                }
                (code, _) => self.refused(close::status(code)),
            },
            ConnectionEnd::Http {
                status,
                retry_after,
            } => {
                let asked = retry_after.unwrap_or_default();
                match status {
                    204 => self.end(self.ended_by.unwrap_or(EndReason::Unknown)),
                    status if is_final(status) => self.refused(status),
                    429 | 503 => self.wait_after(now, false, WaitReason::Busy, asked),
                    _ => self.wait_after(now, early, WaitReason::Broken, asked),
                }
            }
            ConnectionEnd::Broken => {
                self.wait_after(now, early, WaitReason::Broken, Duration::ZERO);
            }
        }
    }

    /// Waits what the back-off draws, on top of what the server asked for.
    fn wait_after(&mut self, now: Time, early: bool, reason: WaitReason, asked: Duration) {
        let blocked = early && self.ladder.ended_early();
        let asked = asked.max(self.retry).min(LONGEST_ASKED);
        let delay = asked + self.backoff.delay();
        let reason = if blocked { WaitReason::Blocked } else { reason };
        self.wait(now, reason, delay);
    }

    pub(super) fn wait(&mut self, now: Time, reason: WaitReason, delay: Duration) {
        let until = now + delay;
        self.timers.stop_all();
        self.timers.set(Timer::Dial, until);
        self.show(State::Waiting {
            until,
            attempt: self.attempts.saturating_add(1),
            reason,
        });
    }

    /// Says whether the connection ended before the server's hello.
    pub(super) fn drop_connection(&mut self, now: Time, hang_up: bool) -> bool {
        self.timers.stop_all();
        self.polling = false;
        let Some(connection) = self.connection.take() else {
            return false;
        };
        if hang_up {
            self.say(Output::Hangup(connection.generation));
        }
        if connection.was_open_for(self.heartbeat.max(HEALTHY), now) {
            self.backoff.reset();
        }
        connection.hello_at.is_none()
    }

    /// Nothing is under way any more.
    fn rest(&mut self, state: State) {
        self.drop_connection(Time::ZERO, true);
        self.show(state);
    }

    fn is_over(&self) -> bool {
        matches!(
            self.state,
            State::Ended { .. } | State::Refused { .. } | State::Stopped
        )
    }

    /// The connection has spoken: it lives.
    pub(super) fn heard_something(&mut self, now: Time) {
        self.heard_at = Some(now);
        self.timers.stop(Timer::FirstByte);
        self.timers.stop(Timer::Probe);
        self.timers.set(Timer::Stale, now + self.stale_after());
    }

    pub(super) fn stale_after(&self) -> Duration {
        self.heartbeat * 5 / 2
    }

    fn current(&mut self, generation: Generation) -> Option<&mut Connection> {
        self.connection
            .as_mut()
            .filter(|connection| connection.generation == generation)
    }
}

/// Whether a request that was answered so is not made again.
pub(super) const fn is_final(status: u16) -> bool {
    matches!(status, 400 | 401 | 403 | 404 | 410)
}

/// No server sends a client away for longer.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// A connection open for this long, and for a heartbeat, was a good one even if nothing happened on it.
const HEALTHY: Duration = Duration::from_secs(10);
/// A long poll answered with nothing before this was not held.
const HELD: Duration = Duration::from_secs(1);
