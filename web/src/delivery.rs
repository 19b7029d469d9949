//! How late events come to this page, as far as two clocks can tell.

use std::collections::VecDeque;

pub use stepcast_core::beacon::late as lateness;
use stepcast_core::event::StreamEvent;

/// The time from an event's timestamp, by the server's clock, to its arrival, by this computer's: of the newest events
/// that came while the connection was live. What was fetched from the past says nothing of the way here.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    newest: VecDeque<i64>,
    seen: u64,
}

/// A delivery in a few numbers, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lateness {
    /// How many events were measured, those that were let go included.
    pub seen: u64,
    /// The fastest, by the two clocks: their difference is in it, so it can be negative.
    pub fastest: i64,
    /// Half came no later than this after the fastest.
    pub p50: u64,
    /// 95 of 100 came no later than this after the fastest.
    pub p95: u64,
    /// The latest came this long after the fastest.
    pub latest: u64,
}

impl Delivery {
    /// Takes an event that has just come; one without a time is none.
    pub fn add(&mut self, event: &StreamEvent, unix_ms: u64) {
        let Some(lateness) = lateness(event, unix_ms) else {
            return;
        };
        if self.newest.len() == MOST {
            self.newest.pop_front();
        }
        self.newest.push_back(lateness);
        self.seen += 1;
    }

    /// What is known; none before the first event.
    pub fn lateness(&self) -> Option<Lateness> {
        let mut sorted: Vec<i64> = self.newest.iter().copied().collect();
        sorted.sort_unstable();
        let fastest = *sorted.first()?;
        let after = |share: usize| {
            let place = (sorted.len() * share / 100).min(sorted.len() - 1);
            sorted
                .get(place)
                .map_or(0, |ms| ms.saturating_sub(fastest).unsigned_abs())
        };
        Some(Lateness {
            seen: self.seen,
            fastest,
            p50: after(50),
            p95: after(95),
            latest: after(100),
        })
    }
}

/// The most events that are looked at: the newest.
pub const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(at: &str) -> StreamEvent {
        let event = json!({"event_type": "step_progress", "execution_id": "e", "seq": 1, "timestamp": at, "data": {}});
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn what_two_clocks_differ_by_is_told_apart_from_what_events_are_late() {
        let mut delivery = Delivery::default();
        assert_eq!(delivery.lateness(), None);
        delivery.add(&event("soon"), 5);
        assert_eq!(delivery.lateness(), None, "no time, no lateness");
        // this computer is two seconds behind
        for late in (0..100).chain([400]) {
            delivery.add(&event("1970-01-01T00:00:10.000Z"), 8_000 + late);
        }
        assert_eq!(
            delivery.lateness(),
            Some(Lateness {
                seen: 101,
                fastest: -2000,
                p50: 50,
                p95: 95,
                latest: 400
            })
        );
    }

    #[test]
    fn only_the_newest_are_looked_at() {
        let mut delivery = Delivery::default();
        delivery.add(&event("1970-01-01T00:00:00.000Z"), 0);
        for _ in 0..MOST {
            delivery.add(&event("1970-01-01T00:00:00.000Z"), 70);
        }
        let told = delivery.lateness().unwrap();
        assert_eq!((told.fastest, told.latest), (70, 0));
        assert_eq!(told.seen, MOST as u64 + 1);
    }
}
