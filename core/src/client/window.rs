//! A bounded window of events: the newest ones, with the rest counted and fetchable.

use std::collections::VecDeque;

use serde_json::Value;

use crate::event::StreamEvent;
use crate::id::Seq;

/// Keeps the newest events within two bounds, and knows which ones it let go.
#[derive(Clone, Debug)]
pub struct Window {
    max_events: usize,
    max_bytes: usize,
    held: VecDeque<(Box<StreamEvent>, usize)>,
    bytes: usize,
    dropped: u64,
    first: Option<Seq>,
    last_dropped: Option<Seq>,
}

impl Window {
    /// A window of at most `max_events` events and about `max_bytes` bytes; the newest event is always kept.
    pub fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            max_events: max_events.max(1),
            max_bytes,
            held: VecDeque::new(),
            bytes: 0,
            dropped: 0,
            first: None,
            last_dropped: None,
        }
    }

    /// Appends the next event. Says how many old ones had to go.
    pub fn push(&mut self, event: Box<StreamEvent>) -> usize {
        self.first = self.first.or(Some(event.seq));
        let size = weigh(&event);
        self.bytes += size;
        self.held.push_back((event, size));
        let mut gone = 0;
        while self.held.len() > 1
            && (self.held.len() > self.max_events || self.bytes > self.max_bytes)
        {
            if let Some((event, size)) = self.held.pop_front() {
                self.bytes -= size;
                self.last_dropped = Some(event.seq);
                gone += 1;
            }
        }
        self.dropped += gone as u64;
        gone
    }

    /// Forgets everything: the log was recreated.
    pub fn clear(&mut self) {
        *self = Self::new(self.max_events, self.max_bytes);
    }

    /// The event at `index`, 0 being the oldest that is held.
    pub fn get(&self, index: usize) -> Option<&StreamEvent> {
        self.held.get(index).map(|(event, _)| &**event)
    }

    /// The events that are held, the oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &StreamEvent> + ExactSizeIterator {
        self.held.iter().map(|(event, _)| &**event)
    }

    /// How many events are held.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// About how many bytes the held events take.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many events were let go.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The first and the last of what must be fetched to see the rest; none where all is here.
    pub fn missing(&self) -> Option<(Seq, Seq)> {
        self.first.zip(self.last_dropped)
    }
}

/// About what an event takes in memory.
fn weigh(event: &StreamEvent) -> usize {
    let step = event.step_id.as_ref().map_or(0, |id| id.as_str().len());
    let extra: usize = event
        .extra
        .iter()
        .map(|(k, v)| k.len() + weigh_value(v))
        .sum();
    size_of::<StreamEvent>()
        + event.execution_id.as_str().len()
        + event.timestamp.as_str().len()
        + step
        + extra
        + weigh_value(&event.data)
        + event.metadata.as_ref().map_or(0, weigh_value)
}

fn weigh_value(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
            Value::String(text) => text.len(),
            Value::Array(items) => items.iter().map(weigh_value).sum(),
            Value::Object(fields) => fields
                .iter()
                .map(|(key, value)| KEY_OVERHEAD + key.len() + weigh_value(value))
                .sum(),
        }
}

/// A map entry beside its value: the key's own string, its hash and its place in the index.
const KEY_OVERHEAD: usize = 48;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(seq: Seq, text: &str) -> Box<StreamEvent> {
        Box::new(StreamEvent {
            event_type: "step_progress".into(),
            execution_id: "e".parse().unwrap(),
            step_id: None,
            seq,
            timestamp: String::new().into(),
            data: Value::String(text.to_owned()),
            metadata: None,
            extra: serde_json::Map::new(),
        })
    }

    #[test]
    fn the_newest_are_kept_and_the_rest_is_counted_and_named() {
        let mut window = Window::new(3, usize::MAX);
        for seq in 5..=7 {
            assert_eq!(window.push(event(seq, "")), 0);
        }
        assert_eq!(window.missing(), None);
        assert_eq!(window.push(event(8, "")), 1);
        assert_eq!(window.push(event(9, "")), 1);
        let seqs: Vec<Seq> = window.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, [7, 8, 9]);
        assert_eq!((window.dropped(), window.missing()), (2, Some((5, 6))));
        window.clear();
        assert!(window.is_empty() && window.missing().is_none() && window.bytes() == 0);
    }

    #[test]
    fn bytes_are_bounded_but_the_newest_event_stays() {
        let mut window = Window::new(usize::MAX, 10_000);
        for seq in 1..=100 {
            window.push(event(seq, &"x".repeat(1000)));
            assert!(window.bytes() <= 10_000);
        }
        assert!(window.len() >= 5);
        window.push(event(101, &"x".repeat(50_000)));
        assert_eq!((window.len(), window.dropped()), (1, 100));
        assert_eq!(window.get(0).map(|event| event.seq), Some(101));
    }
}
