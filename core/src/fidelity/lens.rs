//! What a subscriber sees of events, by its fidelity: one function for whoever writes for one reader or for many.

use serde_json::Value;

use super::Fidelity;
use crate::event::{EventType, StreamEvent};
use crate::session::Record;

impl Fidelity {
    /// What is seen of events that follow one another.
    ///
    /// Tokens that are one here are an event at the place of the last of them, with its time, that says by `from_seq`
    /// where the first stands. Other events are as they were, or shorter and say so.
    pub fn seen<R: Record>(self, records: Vec<R>) -> Vec<R> {
        match self {
            Self::Full | Self::Snapshot => records,
            Self::Coalesced(_) => merged(records),
            Self::Steps => records.into_iter().filter_map(of_steps).collect(),
        }
    }

    /// Whether an event of this type is shown at once, with all that came before it.
    pub fn is_urgent(event_type: &str) -> bool {
        event_type != EventType::StepProgress.as_str()
    }
}

/// What of an event tells that the run or one of its steps begins or ends; none where it does not.
fn of_steps<R: Record>(record: R) -> Option<R> {
    match EventType::from(record.event_type()) {
        EventType::PipelineStart | EventType::PipelineComplete | EventType::PipelineError => {
            Some(record)
        }
        EventType::StepStart | EventType::StepComplete | EventType::StepError => {
            Some(abridged(&record).unwrap_or(record))
        }
        EventType::StepProgress
        | EventType::StepOutput
        | EventType::CheckpointSaved
        | EventType::Unknown(_) => None,
    }
}

/// The same without what a step was given and gave.
fn abridged<R: Record>(record: &R) -> Option<R> {
    let mut event: StreamEvent = serde_json::from_str(&record.json()).ok()?;
    if let Value::Object(data) = &mut event.data {
        data.retain(|name, _| KEPT.contains(&name.as_str()));
    }
    event.metadata = None;
    event.extra.insert(ABRIDGED.to_owned(), true.into());
    record.altered(serde_json::to_string(&event).ok()?)
}

/// Tokens that are being merged.
struct Run<R> {
    first: StreamEvent,
    text: String,
    /// The last of them, and when it happened.
    last: R,
    last_event: Option<StreamEvent>,
}

impl<R: Record> Run<R> {
    /// A run of one; none where the event is no token.
    fn begin(record: &R) -> Option<(StreamEvent, String)> {
        let json = record.json();
        // most of what is no token is told without a look at its fields
        if record.event_type() != EventType::StepProgress.as_str() || !json.contains("\"token\"") {
            return None;
        }
        let mut event: StreamEvent = serde_json::from_str(&json).ok()?;
        let data = event.data.as_object_mut()?;
        if data.get("kind").and_then(Value::as_str) != Some("token") {
            return None;
        }
        match data.insert("text".to_owned(), Value::String(String::new()))? {
            Value::String(text) => Some((event, text)),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }

    fn takes(&self, event: &StreamEvent, text: &str) -> bool {
        let alike = |a: &StreamEvent, b: &StreamEvent| {
            (&a.step_id, &a.data, &a.metadata, &a.extra)
                == (&b.step_id, &b.data, &b.metadata, &b.extra)
        };
        alike(&self.first, event) && self.text.len() + text.len() <= LONGEST
    }

    fn end(self) -> R {
        let Self {
            mut first,
            text,
            last,
            last_event,
        } = self;
        let Some(last_event) = last_event else {
            return last;
        };
        let from = std::mem::replace(&mut first.seq, last_event.seq);
        first.timestamp = last_event.timestamp;
        if let Value::Object(data) = &mut first.data {
            data.insert("text".to_owned(), text.into());
        }
        first.extra.insert(FROM.to_owned(), from.into());
        let json = serde_json::to_string(&first).ok();
        json.and_then(|json| last.altered(json)).unwrap_or(last)
    }
}

fn merged<R: Record>(records: Vec<R>) -> Vec<R> {
    let mut seen = Vec::with_capacity(records.len());
    let mut run: Option<Run<R>> = None;
    for record in records {
        let Some((event, text)) = Run::begin(&record) else {
            seen.extend(run.take().map(Run::end));
            seen.push(record);
            continue;
        };
        match run.as_mut().filter(|run| run.takes(&event, &text)) {
            Some(run) => {
                run.text.push_str(&text);
                run.last = record;
                run.last_event = Some(event);
            }
            None => {
                seen.extend(run.take().map(Run::end));
                run = Some(Run {
                    first: event,
                    text,
                    last: record,
                    last_event: None,
                });
            }
        }
    }
    seen.extend(run.map(Run::end));
    seen
}

/// The first event that a merged one stands for.
pub(crate) const FROM: &str = "from_seq";

/// Says that an event is told without what its step was given and gave.
const ABRIDGED: &str = "abridged";

/// What is left of an abridged event's data.
const KEPT: [&str; 6] = [
    "attempt",
    "duration_ms",
    "error",
    "iteration",
    "kind",
    "next",
];

/// Bytes of text in a merged event that one more token may not exceed.
const LONGEST: usize = 64 << 10;
