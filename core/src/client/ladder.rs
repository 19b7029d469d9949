//! The ladder: which transport the next dial uses.
//!
//! A browser cannot tell a transport that is blocked from a server that is down, so the ladder goes round:
//! down where a rung does not work, back to the top after a while.

use std::time::Duration;

use super::Transport;
use crate::time::Time;

/// Where the client stands on the ladder.
#[derive(Clone, Debug)]
pub(super) struct Ladder {
    rungs: Vec<Transport>,
    rung: usize,
    /// Connections of this rung that ended before the server's hello, in a row.
    early_ends: u32,
    /// The rung that last worked.
    good: Option<usize>,
    top_worked: bool,
    climb_at: Option<Time>,
    /// The top is being tried from this rung.
    climbing_from: Option<usize>,
}

impl Ladder {
    /// An empty list means all of them: those that have a pace, where there is one.
    pub(super) fn new(rungs: &[Transport], paced: bool) -> Self {
        let fit = |rungs: &[Transport]| -> Vec<Transport> {
            let fits = |rung: &Transport| !paced || *rung != Transport::LongPoll;
            rungs.iter().copied().filter(fits).collect()
        };
        let mut rungs = fit(rungs);
        if rungs.is_empty() {
            rungs = fit(&Transport::LADDER);
        }
        Self {
            rungs,
            rung: 0,
            early_ends: 0,
            good: None,
            top_worked: false,
            climb_at: None,
            climbing_from: None,
        }
    }

    /// The transport of the next dial; the first one again where it is time to try that.
    pub(super) fn next(&mut self, now: Time) -> Transport {
        if self.rung > 0 && self.climb_at.is_some_and(|at| at <= now) {
            self.climbing_from = Some(self.rung);
            self.rung = 0;
            self.early_ends = 0;
            self.climb_at = None;
        }
        self.rungs
            .get(self.rung)
            .copied()
            .unwrap_or(Transport::LongPoll)
    }

    /// The server's hello came.
    pub(super) fn works(&mut self, now: Time) {
        self.early_ends = 0;
        self.climbing_from = None;
        self.good = Some(self.rung);
        if self.rung == 0 {
            self.top_worked = true;
            self.climb_at = None;
        } else if self.climb_at.is_none() {
            let after = if self.top_worked {
                CLIMB_SOON
            } else {
                CLIMB_LATER
            };
            self.climb_at = Some(now + after);
        }
    }

    /// A connection ended before the hello. Says whether the next dial uses another transport.
    pub(super) fn ended_early(&mut self) -> bool {
        self.early_ends += 1;
        let patience = if self.climbing_from.is_some() {
            1
        } else if self.good == Some(self.rung) {
            PATIENCE_WITH_GOOD
        } else {
            PATIENCE
        };
        self.early_ends >= patience && self.leave()
    }

    /// No first byte came. Says whether the next dial uses another transport.
    pub(super) fn silent(&mut self) -> bool {
        self.leave()
    }

    fn leave(&mut self) -> bool {
        self.early_ends = 0;
        let below = (self.rung + 1) % self.rungs.len();
        self.rung = self.climbing_from.take().unwrap_or(below);
        self.rungs.len() > 1
    }
}

/// Early ends before an untried rung is left.
const PATIENCE: u32 = 2;
/// Early ends before the rung that last worked is left: more, for a server that restarts looks the same.
const PATIENCE_WITH_GOOD: u32 = 4;
/// When to try the top again where it has worked before.
const CLIMB_SOON: Duration = Duration::from_secs(30);
/// When to try the top again where it never worked.
const CLIMB_LATER: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn ladder() -> Ladder {
        Ladder::new(&[], false)
    }

    #[test]
    fn two_early_ends_lead_down_and_past_the_last_rung_to_the_top() {
        let mut ladder = ladder();
        let mut tried = Vec::new();
        for _ in 0..7 {
            tried.push(ladder.next(Time::ZERO));
            ladder.ended_early();
        }
        use Transport::{LongPoll, Sse, WebSocket};
        assert_eq!(
            tried,
            [
                WebSocket, WebSocket, Sse, Sse, LongPoll, LongPoll, WebSocket
            ]
        );
    }

    #[test]
    fn a_rung_that_worked_is_left_late_and_tried_again_soon() {
        let mut ladder = ladder();
        ladder.works(Time::ZERO);
        let ends: Vec<bool> = (0..4).map(|_| ladder.ended_early()).collect();
        assert_eq!(ends, [false, false, false, true]);
        assert_eq!(ladder.next(Time::ZERO), Transport::Sse);
        ladder.works(Time::ZERO);
        let soon = Time::ZERO + CLIMB_SOON;
        assert_eq!(ladder.next(Time::ZERO), Transport::Sse);
        assert_eq!(ladder.next(soon), Transport::WebSocket);
        assert!(ladder.ended_early(), "one try is enough");
        assert_eq!(ladder.next(soon), Transport::Sse, "back to what works");
    }

    #[test]
    fn a_pinned_transport_stays() {
        let mut ladder = Ladder::new(&[Transport::Sse], false);
        assert!(!ladder.silent() && !ladder.ended_early() && !ladder.ended_early());
        assert_eq!(ladder.next(Time::ZERO), Transport::Sse);
    }

    #[test]
    fn a_paced_ladder_has_no_long_poll() {
        for rungs in [&[][..], &[Transport::LongPoll], &Transport::LADDER] {
            let mut ladder = Ladder::new(rungs, true);
            for expected in [Transport::WebSocket, Transport::Sse, Transport::WebSocket] {
                assert_eq!(ladder.next(Time::ZERO), expected);
                ladder.silent();
            }
        }
    }
}
