//! The event log of a page: core's bounded window, with counts by type and a filter over it.

mod filter;

use std::collections::{BTreeMap, VecDeque};

use stepcast_core::client::window::Window;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::Seq;

pub use self::filter::Filter;

/// The newest events of a run, and which of them pass a filter.
#[derive(Clone, Debug)]
pub struct Log {
    held: Window,
    counts: BTreeMap<EventType, u64>,
    filter: Filter,
    /// The numbers of the events that pass the filter, in order, counted from the first ever held; unused
    /// without a filter.
    hits: VecDeque<u64>,
}

impl Default for Log {
    fn default() -> Self {
        Self::new(MAX_EVENTS, MAX_BYTES)
    }
}

impl Log {
    /// A log that holds at most `max_events` and about `max_bytes`.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            held: Window::new(max_events, max_bytes),
            counts: BTreeMap::new(),
            filter: Filter::default(),
            hits: VecDeque::new(),
        }
    }

    /// Takes the next event.
    pub fn push(&mut self, event: Box<StreamEvent>) {
        match self.counts.get_mut(&event.event_type) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(event.event_type.clone(), 1);
            }
        }
        if !self.filter.is_empty() && self.filter.passes(&event) {
            let number = self.held.dropped() + self.held.len() as u64;
            self.hits.push_back(number);
        }
        if self.held.push(event) > 0 {
            let first = self.held.dropped();
            while self.hits.front().is_some_and(|hit| *hit < first) {
                self.hits.pop_front();
            }
        }
    }

    /// Forgets everything but the filter.
    pub fn clear(&mut self) {
        self.held.clear();
        self.counts.clear();
        self.hits.clear();
    }

    /// Lets only events of this kind through.
    pub fn set_filter(&mut self, filter: Filter) {
        self.hits.clear();
        if !filter.is_empty() {
            let numbered = (self.held.dropped()..).zip(self.held.iter());
            self.hits = numbered
                .filter(|(_, event)| filter.passes(event))
                .map(|(number, _)| number)
                .collect();
        }
        self.filter = filter;
    }

    /// How many events pass the filter.
    pub fn len(&self) -> usize {
        if self.filter.is_empty() {
            self.held.len()
        } else {
            self.hits.len()
        }
    }

    /// Whether no event passes the filter.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The event at this place among those that pass the filter.
    pub fn at(&self, place: usize) -> Option<&StreamEvent> {
        self.held.get(self.index(place)?)
    }

    /// How many numbers are missing between this event and the one before it in the log.
    pub fn missing_before(&self, place: usize) -> Seq {
        let index = self.index(place);
        let before = index.and_then(|index| self.held.get(index.checked_sub(1)?));
        match (before, self.at(place)) {
            (Some(before), Some(event)) => event.seq.saturating_sub(before.seq + 1),
            // in front of everything: what never came, not what was let go
            (None, Some(event)) if self.held.dropped() == 0 => event.seq.saturating_sub(1),
            _ => 0,
        }
    }

    /// How many events were let go.
    pub fn dropped(&self) -> u64 {
        self.held.dropped()
    }

    /// How many events of each type there were, those that were let go included.
    pub const fn counts(&self) -> &BTreeMap<EventType, u64> {
        &self.counts
    }

    fn index(&self, place: usize) -> Option<usize> {
        if self.filter.is_empty() {
            return Some(place);
        }
        usize::try_from(self.hits.get(place)? - self.held.dropped()).ok()
    }
}

/// The most events a page holds.
const MAX_EVENTS: usize = 100_000;
/// About the most bytes they take.
const MAX_BYTES: usize = 96 << 20;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(seq: Seq, kind: &str) -> Box<StreamEvent> {
        let event = json!({"event_type": kind, "execution_id": "e", "seq": seq,
            "timestamp": "2025-10-22T10:30:00.000Z", "data": {"text": "x"}});
        serde_json::from_value(event).unwrap()
    }

    fn seqs(log: &Log) -> Vec<Seq> {
        (0..log.len())
            .map(|place| log.at(place).unwrap().seq)
            .collect()
    }

    fn filled(max: usize) -> Log {
        let mut log = Log::new(max, usize::MAX);
        for seq in 1..=10 {
            let kind = if seq % 3 == 0 {
                "step_error"
            } else {
                "step_progress"
            };
            log.push(event(seq, kind));
        }
        log
    }

    #[test]
    fn counts_outlive_what_was_let_go() {
        let log = filled(4);
        assert_eq!(seqs(&log), [7, 8, 9, 10]);
        assert_eq!(log.dropped(), 6);
        assert_eq!(log.counts()[&EventType::StepError], 3);
        assert_eq!(log.at(4), None);
    }

    #[test]
    fn a_filter_holds_for_what_is_here_and_for_what_comes() {
        let mut log = filled(6);
        let errors = || Filter {
            kind: Some(EventType::StepError),
            ..Filter::default()
        };
        log.set_filter(errors());
        assert_eq!(seqs(&log), [6, 9]);
        log.push(event(11, "step_progress"));
        log.push(event(12, "step_error"));
        assert_eq!(seqs(&log), [9, 12]);
        log.set_filter(Filter::default());
        assert_eq!(seqs(&log), [7, 8, 9, 10, 11, 12]);
        log.set_filter(errors());
        log.clear();
        log.push(event(1, "step_progress"));
        assert!(log.is_empty());
    }

    #[test]
    fn a_hole_is_seen_where_it_is() {
        let mut log = Log::new(3, usize::MAX);
        for seq in [3, 4, 9] {
            log.push(event(seq, "step_progress"));
        }
        let missing = |log: &Log| {
            let places = 0..log.len();
            places.map(|at| log.missing_before(at)).collect::<Vec<_>>()
        };
        assert_eq!(missing(&log), [2, 0, 4]);
        log.push(event(10, "step_progress"));
        // what was let go is not missing
        assert_eq!(missing(&log), [0, 4, 0]);
    }
}
