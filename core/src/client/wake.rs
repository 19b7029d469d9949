//! Waking up: what the machine does when somebody wants it to look again.

use std::time::Duration;

use super::timer::Timer;
use super::{Client, Output, State, Transport, WaitReason};
use crate::time::Time;
use crate::wire::frame::ClientFrame;

impl Client {
    pub(super) fn retry_now(&mut self, now: Time) {
        if matches!(
            self.state(),
            State::Waiting { .. } | State::Offline | State::Refused { .. }
        ) {
            self.backoff.reset();
            self.attempts = 0;
            self.dial(now);
        }
    }

    /// A machine that slept, or a network that changed, leaves connections that look alive: ask once.
    pub(super) fn woken(&mut self, now: Time) {
        match self.state() {
            State::Offline
            | State::Waiting {
                reason: WaitReason::Broken | WaitReason::Stale | WaitReason::Blocked,
                ..
            } => {
                let left = (self.dialled_at + BETWEEN_WAKES).since(now);
                if left == Duration::ZERO {
                    self.dial(now);
                } else {
                    self.wait(now, WaitReason::Broken, left);
                }
            }
            State::CatchingUp { .. } | State::Live { .. } => self.probe(now),
            State::Waiting { .. }
            | State::Idle
            | State::Connecting { .. }
            | State::Ended { .. }
            | State::Refused { .. }
            | State::Stopped => {}
        }
    }

    fn probe(&mut self, now: Time) {
        let Some(connection) = &self.connection else {
            return;
        };
        let quiet = connection.quiet_for(now);
        if connection.transport == Transport::WebSocket && quiet < self.stale_after() {
            let generation = connection.generation;
            let ping = serde_json::to_string(&ClientFrame::Ping {}).unwrap_or_default();
            self.say(Output::Send(generation, ping));
            self.timers.set(Timer::Probe, now + PROBE);
        } else if quiet > self.heartbeat {
            self.drop_connection(now, true);
            self.dial(now);
        }
    }
}

/// How long a ping may go unanswered.
const PROBE: Duration = Duration::from_secs(3);
/// A page that is shown and hidden again and again dials no faster.
const BETWEEN_WAKES: Duration = Duration::from_secs(1);
