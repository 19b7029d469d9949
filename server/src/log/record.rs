//! One event as bytes: serialised once, shared by the store and by every reader on every transport.

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use stepcast_core::event::StreamEvent;
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};
use stepcast_core::time::{parse_unix_millis, write_unix_millis};

use super::stored::StoredPage;
use crate::cbor;

/// One event of a log: its SSE frame, in which its JSON stands, so that one allocation serves
/// the store, SSE and WebSocket. In CBOR it is written when somebody asks, once for all who do.
#[derive(Clone, Debug)]
pub struct Record {
    epoch: Epoch,
    seq: Seq,
    frame: Bytes,
    layout: Layout,
    /// When the log took it, as far as this process knows.
    accepted: Option<Instant>,
    /// The event in CBOR, once somebody has asked, where the stream has readers that do.
    cbor: Option<Arc<OnceLock<Bytes>>>,
}

/// Where the parts of a frame stand in it.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    event_type: Range<usize>,
    json: Range<usize>,
    step_id: Option<StepName>,
}

/// A step's id: a part of the frame, or its own text where JSON had to escape it.
#[derive(Clone, Debug)]
enum StepName {
    Plain(Range<usize>),
    Escaped(Arc<str>),
}

impl StepName {
    /// `quoted` is a JSON string that stands in the frame at `at`.
    fn new(quoted: &str, at: usize) -> Self {
        if quoted.contains('\\') {
            Self::Escaped(
                serde_json::from_str::<String>(quoted)
                    .unwrap_or_default()
                    .into(),
            )
        } else {
            Self::Plain(at + 1..at + quoted.len().saturating_sub(1))
        }
    }
}

/// What an event is made of before it has its place. All JSON parts are compact: no line breaks.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) event_type: &'a str,
    pub(super) execution_id: &'a ExecutionId,
    /// A JSON string, quotes included.
    pub(super) step_id: Option<&'a str>,
    pub(super) data: &'a str,
    pub(super) metadata: Option<&'a str>,
}

impl Record {
    pub(super) fn new(cursor: Cursor, frame: Bytes, layout: Layout) -> Self {
        let Cursor { epoch, seq } = cursor;
        Self {
            epoch,
            seq,
            frame,
            layout,
            accepted: None,
            cbor: None,
        }
    }

    /// Puts an event together.
    pub(super) fn assemble(parts: &Parts<'_>, cursor: Cursor, unix_millis: u64) -> Self {
        let lengths = parts.data.len()
            + parts.metadata.map_or(0, str::len)
            + parts.step_id.map_or(0, str::len);
        let mut text = String::with_capacity(lengths + parts.execution_id.as_str().len() + 200);
        text.push_str(EVENT);
        let event_type = text.len()..text.len() + parts.event_type.len();
        text.push_str(parts.event_type);
        text.push_str(DATA);
        let start = text.len();
        text.push_str("{\"event_type\":\"");
        text.push_str(parts.event_type);
        text.push_str("\",\"execution_id\":\"");
        text.push_str(parts.execution_id.as_str());
        text.push('"');
        let step_id = parts.step_id.map(|step| {
            text.push_str(",\"step_id\":");
            let name = StepName::new(step, text.len());
            text.push_str(step);
            name
        });
        text.push_str(",\"seq\":");
        push_number(&mut text, cursor.seq);
        text.push_str(",\"timestamp\":\"");
        write_unix_millis(&mut text, unix_millis);
        text.push_str("\",\"data\":");
        text.push_str(parts.data);
        if let Some(metadata) = parts.metadata {
            text.push_str(",\"metadata\":");
            text.push_str(metadata);
        }
        text.push('}');
        let json = start..text.len();
        push_id(&mut text, cursor);
        let layout = Layout {
            event_type,
            json,
            step_id,
        };
        Self::new(cursor, text.into(), layout)
    }

    /// A record read back from a store; `None` where the bytes are not ones that [`Record::json`] gave.
    pub fn from_stored(epoch: Epoch, seq: Seq, json: &[u8]) -> Option<Self> {
        let mut page = StoredPage::new(epoch);
        page.push(seq, json)?;
        page.finish().pop()
    }

    /// Its place.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// In which execution.
    pub fn execution_id(&self) -> &str {
        // what stands before it is the same in every event but for the type, and an id holds nothing to be escaped
        let before = "{\"event_type\":\"\",\"execution_id\":\"".len() + self.event_type().len();
        let rest = self.json().get(before..).unwrap_or_default();
        rest.split('"').next().unwrap_or_default()
    }

    /// What happened.
    pub fn event_type(&self) -> &str {
        self.text(&self.layout.event_type)
    }

    /// In which step.
    pub fn step_id(&self) -> Option<&str> {
        match self.layout.step_id.as_ref()? {
            StepName::Plain(range) => Some(self.text(range)),
            StepName::Escaped(name) => Some(name),
        }
    }

    /// When it happened, in milliseconds since 1970.
    pub fn unix_millis(&self) -> Option<u64> {
        // No string before it can hold this: a quote in one is escaped.
        let (_, rest) = self.json().split_once("\"timestamp\":\"")?;
        parse_unix_millis(rest.get(..rest.find('"')?)?)
    }

    /// Where a subscriber stands that has seen it.
    pub fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.epoch,
            seq: self.seq,
        }
    }

    /// When the log took it; none where a store gave it back.
    pub(crate) fn accepted(&self) -> Option<Instant> {
        self.accepted
    }

    pub(crate) fn set_accepted(&mut self, accepted: Option<Instant>) {
        self.accepted = accepted;
    }

    /// From now on it is written in CBOR once at most, whoever reads it so.
    pub(super) fn keep_cbor(&mut self) {
        self.cbor = Some(Arc::default());
    }

    /// The event in CBOR: the same object as [`Record::json`].
    pub(crate) fn cbor(&self) -> Bytes {
        let written = || Bytes::from(cbor::of_json(self.json_slice()));
        match &self.cbor {
            Some(once) => once.get_or_init(written).clone(),
            None => written(),
        }
    }

    /// The event, one JSON object.
    pub fn json(&self) -> &str {
        self.text(&self.layout.json)
    }

    /// The same, as the store and the sockets take it: nothing is looked at.
    pub(crate) fn json_slice(&self) -> &[u8] {
        self.frame.get(self.layout.json.clone()).unwrap_or_default()
    }

    /// The same, sharing the bytes.
    pub fn json_bytes(&self) -> Bytes {
        self.frame.slice(self.layout.json.clone())
    }

    /// The event as SSE writes it, sharing the bytes.
    pub fn sse_bytes(&self) -> Bytes {
        self.frame.clone()
    }

    /// The event, parsed.
    ///
    /// # Errors
    /// Never for a record that a log gave out; the signature is serde's.
    pub fn parse(&self) -> Result<StreamEvent, serde_json::Error> {
        serde_json::from_str(self.json())
    }

    /// Bytes held: what may be kept of it in CBOR is held to be as long.
    pub fn size(&self) -> usize {
        let copies = if self.cbor.is_some() { 2 } else { 1 };
        self.frame.len() * copies + size_of::<Self>()
    }

    /// Ranges are made on character boundaries of a `String` and never change.
    fn text(&self, range: &Range<usize>) -> &str {
        self.frame
            .get(range.clone())
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }
}

/// Writes the frame of an event of which only its JSON is there; `None` where it is none of ours.
pub(super) fn write_frame(text: &mut String, cursor: Cursor, json: &str) -> Option<Layout> {
    const TYPE: &str = "{\"event_type\":\"";
    const ID: &str = "\",\"execution_id\":\"";
    const STEP: &str = "\",\"step_id\":";
    let after_type = json.strip_prefix(TYPE)?;
    let event_type = after_type.get(..after_type.find('"')?)?;
    let id_at = TYPE.len() + event_type.len() + ID.len();
    let id_end = id_at + json.get(id_at..)?.find('"')?;
    let start = EVENT.len() + event_type.len() + DATA.len();
    let step_id = json.get(id_end..)?.strip_prefix(STEP).map(|rest| {
        StepName::new(
            rest.get(..string_len(rest)).unwrap_or_default(),
            start + id_end + STEP.len(),
        )
    });
    text.push_str(EVENT);
    text.push_str(event_type);
    text.push_str(DATA);
    text.push_str(json);
    push_id(text, cursor);
    Some(Layout {
        event_type: EVENT.len()..EVENT.len() + event_type.len(),
        json: start..start + json.len(),
        step_id,
    })
}

/// The last field of a frame, and its end.
fn push_id(text: &mut String, cursor: Cursor) {
    text.push_str("\nid: ");
    push_number(text, cursor.epoch);
    text.push('.');
    push_number(text, cursor.seq);
    text.push_str("\n\n");
}

/// Every event has some: formatting machinery would cost as much as the rest of it.
fn push_number(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        used += 1;
        if number == 0 {
            break;
        }
    }
    let digits = digits.get(digits.len() - used..).unwrap_or_default();
    text.push_str(std::str::from_utf8(digits).unwrap_or_default());
}

/// The length of the JSON string, quotes included, that `text` begins with.
fn string_len(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

const EVENT: &str = "event: ";
const DATA: &str = "\ndata: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_it_is_read() {
        for number in [0, 9, 10, 1_234_567_890, u64::MAX - 1, u64::MAX] {
            let mut text = "x".to_owned();
            push_number(&mut text, number);
            assert_eq!(text, format!("x{number}"));
        }
    }

    #[test]
    fn a_record_is_the_same_from_the_emitter_and_from_the_store() {
        let execution_id = "exec_123".parse().unwrap();
        for (step_id, name) in [
            (None, None),
            (Some("\"step_1\""), Some("step_1")),
            (Some(r#""a\"b""#), Some("a\"b")),
            (Some(r#""\"timestamp\":\"2""#), Some(r#""timestamp":"2"#)),
        ] {
            let parts = Parts {
                event_type: "step_output",
                execution_id: &execution_id,
                step_id,
                data: r#"{"a":"step_id"}"#,
                metadata: Some("{}"),
            };
            let fresh = Record::assemble(&parts, Cursor { epoch: 3, seq: 7 }, 1_761_129_000_123);
            let stored = Record::from_stored(3, 7, fresh.json().as_bytes()).unwrap();
            for record in [&fresh, &stored] {
                assert_eq!(record.event_type(), "step_output");
                assert_eq!(record.step_id(), name);
                assert_eq!(record.seq(), 7);
                assert_eq!(record.unix_millis(), Some(1_761_129_000_123));
                let event = record.parse().unwrap();
                assert_eq!(
                    (event.seq, event.timestamp.as_str()),
                    (7, "2025-10-22T10:30:00.123Z")
                );
                assert_eq!(event.step_id.as_ref().map(|id| id.as_str()), name);
            }
            assert_eq!(fresh.sse_bytes(), stored.sse_bytes());
            assert!(fresh.sse_bytes().ends_with(b"}\nid: 3.7\n\n"));
        }
    }
}
