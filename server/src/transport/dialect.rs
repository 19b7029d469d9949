//! How frames are written: one encoding serves every reader of the same dialect.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut as _, Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::control::ControlFrame;
use stepcast_core::wire::close::CloseCode;
use stepcast_core::wire::sse::write_event;

use super::coding::Coding;
use super::feed::{FileFrame, Frame};
use super::websocket::frame::{self, Opcode};
use crate::log::Record;
use crate::telemetry::Transport;
use crate::{cbor, cloudevent};

/// What a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// Server-sent events.
    Sse {
        /// How each event is written.
        format: Format,
        /// In the chunks of HTTP/1.1, where no library writes them.
        chunked: bool,
        /// Compressed; a [`Pen`](super::pen::Pen) does so.
        coding: Option<Coding>,
    },
    /// Messages.
    WebSocket {
        /// What they are written in.
        encoding: Encoding,
        /// Events that are written together are one message; else each is a message of its own.
        batched: bool,
        /// Compressed, as a stream of server-sent events is.
        coding: Option<Coding>,
    },
}

/// What the frames of a WebSocket are written in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// JSON, in text messages; of a batch, each event on a line.
    #[default]
    Json,
    /// CBOR (RFC 8949), in binary messages; a batch is a sequence (RFC 8742).
    Cbor,
}

impl Encoding {
    /// A message of one event.
    fn event(self, record: &Record, out: &mut BytesMut) {
        match self {
            Self::Json => frame::write(out, Opcode::Text, record.json_slice()),
            Self::Cbor => frame::write(out, Opcode::Binary, &record.cbor()),
        }
    }

    /// One message of several.
    fn events(self, records: &[&Record], out: &mut BytesMut) {
        match self {
            Self::Json => lines(records, out),
            Self::Cbor => sequence(records, out),
        }
    }

    /// A message that has this JSON to say.
    fn said(self, json: &str, out: &mut BytesMut) {
        match self {
            Self::Json => frame::write(out, Opcode::Text, json.as_bytes()),
            Self::Cbor => frame::write(out, Opcode::Binary, &cbor::of_json(json.as_bytes())),
        }
    }

    /// A message that has this to say, and these bytes to give: as base64 in JSON.
    fn given(self, mut said: Map<String, Value>, data: &[u8], out: &mut BytesMut) {
        match self {
            Self::Json => {
                said.insert("data".to_owned(), STANDARD.encode(data).into());
                self.said(&Value::Object(said).to_string(), out);
            }
            Self::Cbor => {
                let message = cbor::with_bytes(&said, "data", data);
                frame::write(out, Opcode::Binary, &message);
            }
        }
    }

    /// What a binary message of a client's says, as JSON.
    ///
    /// # Errors
    /// Where it says nothing, in words for the client.
    pub(super) fn heard(self, message: &[u8]) -> Result<String, String> {
        match self {
            Self::Json => Err("a binary message, where JSON is spoken".to_owned()),
            Self::Cbor => cbor::to_json(message),
        }
    }
}

/// How server-sent events are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// `event:` is the type, `data:` the whole event.
    #[default]
    Full,
    /// The plan's short form: `data:` is the event's data with its `step_id`.
    Short,
    /// As `full`, all under `message`, for scripts that set `onmessage` only.
    Message,
    /// `data:` is a CloudEvent in structured mode.
    Cloudevents,
}

impl Dialect {
    /// How it is counted.
    pub(crate) const fn transport(self) -> Transport {
        match self {
            Self::Sse {
                format: Format::Cloudevents,
                ..
            } => Transport::CloudEvents,
            Self::Sse { .. } => Transport::Sse,
            Self::WebSocket { .. } => Transport::WebSocket,
        }
    }

    /// What compresses it.
    pub(super) const fn coding(self) -> Option<Coding> {
        match self {
            Self::Sse { coding, .. } | Self::WebSocket { coding, .. } => coding,
        }
    }

    /// Writes frames as they are before they are compressed; how the connection is to be closed after them, where it is.
    pub(super) fn frames(self, frames: &[Frame], out: &mut BytesMut) -> Option<CloseCode> {
        let mut closes = None;
        let sizes = frames.iter().map(|frame| match frame {
            Frame::Event(record) | Frame::Placed(record, _) => record.size(),
            Frame::Control(_) | Frame::Close(_) => CONTROL,
        });
        out.reserve(sizes.sum());
        let mut rest = frames;
        while let Some((frame, after)) = rest.split_first() {
            let together = self.together(rest);
            if let (Self::WebSocket { encoding, .. }, 2..) = (self, together.len()) {
                encoding.events(&together, out);
                rest = rest.get(together.len()..).unwrap_or_default();
                continue;
            }
            rest = after;
            match frame {
                Frame::Event(record) => self.event(record, out),
                Frame::Placed(record, id) => self.placed(record, id, out),
                Frame::Control(control) => self.control(control, out),
                Frame::Close(code) => closes = Some(*code),
            }
        }
        closes
    }

    /// Writes events that follow each other, as they are before they are compressed.
    pub(super) fn events(self, records: &[Record], out: &mut BytesMut) {
        if let Self::WebSocket {
            batched: true,
            encoding,
            ..
        } = self
            && !records.is_empty()
        {
            let records: Vec<&Record> = records.iter().collect();
            return encoding.events(&records, out);
        }
        for record in records {
            self.event(record, out);
        }
    }

    /// Writes what says that the connection lives, and where its reader stands where that is to be told, as it is before
    /// it is compressed.
    pub(super) fn beat(self, place: Option<&ControlFrame>, out: &mut BytesMut) {
        if let Some(place) = place {
            self.control(place, out);
        }
        self.control(&ControlFrame::Ping {}, out);
    }

    /// Writes what there is of a file. It is never compressed: most files are already.
    pub(super) fn file(self, frame: FileFrame, out: &mut BytesMut) {
        // nobody can ask for one on an event stream
        let Self::WebSocket { encoding, .. } = self else {
            return;
        };
        match frame {
            FileFrame::Said(said) => encoding.said(&said.to_string(), out),
            FileFrame::Chunk {
                fetch,
                offset,
                data,
            } => {
                let mut said = Map::new();
                said.insert("control".to_owned(), "artifact_chunk".into());
                said.insert("fetch".to_owned(), fetch.into());
                said.insert("offset".to_owned(), offset.into());
                encoding.given(said, &data, out);
            }
        }
    }

    /// The events at the beginning that are one message; none where each is one by itself.
    fn together(self, frames: &[Frame]) -> Vec<&Record> {
        if !matches!(self, Self::WebSocket { batched: true, .. }) {
            return Vec::new();
        }
        let mut bytes = 0;
        let events = frames.iter().map_while(|frame| match frame {
            Frame::Event(record) | Frame::Placed(record, _) => {
                bytes += record.json_slice().len();
                (bytes <= BATCH).then_some(record)
            }
            Frame::Control(_) | Frame::Close(_) => None,
        });
        events.collect()
    }

    /// What its frames are written in.
    pub(super) const fn encoding(self) -> Encoding {
        match self {
            Self::Sse { .. } => Encoding::Json,
            Self::WebSocket { encoding, .. } => encoding,
        }
    }

    /// Whether it is a WebSocket's.
    pub(super) fn is_web_socket(self) -> bool {
        matches!(self, Self::WebSocket { .. })
    }

    /// The bytes of one write, in a chunk where the dialect wants one.
    pub(super) fn framed(self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        if !matches!(self, Self::Sse { chunked: true, .. }) {
            return write(out);
        }
        let start = out.len();
        // the length is written into its place afterwards: eight digits hold any
        out.put_slice(b"00000000\r\n");
        let body = out.len();
        write(out);
        let length = out.len() - body;
        if length == 0 {
            // an empty chunk would end the body
            return out.truncate(start);
        }
        if let Some(digits) = out.get_mut(start..start + 8) {
            digits.copy_from_slice(format!("{length:08x}").as_bytes());
        }
        out.put_slice(b"\r\n");
    }

    fn event(self, record: &Record, out: &mut BytesMut) {
        match self {
            Self::WebSocket { encoding, .. } => encoding.event(record, out),
            Self::Sse {
                format: Format::Full,
                ..
            } => out.put_slice(&record.sse_bytes()),
            Self::Sse { .. } => self.placed(record, &record.cursor().to_string(), out),
        }
    }

    /// An event with an id of its own.
    fn placed(self, record: &Record, id: &str, out: &mut BytesMut) {
        let Self::Sse { format, .. } = self else {
            return self.event(record, out);
        };
        let mut text = String::new();
        let id = Some(id);
        match format {
            Format::Full => write_event(&mut text, Some(record.event_type()), record.json(), id),
            Format::Message => write_event(&mut text, None, record.json(), id),
            Format::Short => write_event(&mut text, Some(record.event_type()), &short(record), id),
            Format::Cloudevents => {
                write_event(
                    &mut text,
                    Some(record.event_type()),
                    &cloud_event(record),
                    id,
                );
            }
        }
        out.put_slice(text.as_bytes());
    }

    /// On SSE control frames carry no id, so that none moves the cursor.
    fn control(self, control: &ControlFrame, out: &mut BytesMut) {
        // a control frame is strings and numbers: it always serialises
        let json = serde_json::to_string(control).unwrap_or_default();
        let is_ping = *control == (ControlFrame::Ping {});
        if let Self::WebSocket { encoding, .. } = self {
            // the protocol's own ping finds dead peers; the message is one that a script can see
            if is_ping {
                frame::write(out, Opcode::Ping, b"");
            }
            return encoding.said(&json, out);
        }
        let mut text = String::new();
        if let ControlFrame::Hello { retry_ms, .. } | ControlFrame::Goaway { retry_ms, .. } =
            control
        {
            text.push_str(&format!("retry: {retry_ms}\n"));
        }
        // a comment too, for readers that know nothing of the data
        if is_ping {
            text.push_str(": ping\n");
        }
        write_event(&mut text, Some("control"), &json, None);
        out.put_slice(text.as_bytes());
    }

    pub(super) fn close(self, code: CloseCode, out: &mut BytesMut) {
        match self {
            Self::WebSocket { .. } => frame::write_close(out, code.code()),
            Self::Sse { chunked: true, .. } => out.put_slice(b"0\r\n\r\n"),
            Self::Sse { chunked: false, .. } => {}
        }
    }
}

/// One text message of events, each on a line: an event's JSON has no line break.
fn lines(records: &[&Record], out: &mut BytesMut) {
    let length = records.iter().map(|it| it.json_slice().len() + 1);
    frame::write_head(out, Opcode::Text, length.sum::<usize>().saturating_sub(1));
    for (at, record) in records.iter().enumerate() {
        if at > 0 {
            out.put_u8(b'\n');
        }
        out.put_slice(record.json_slice());
    }
}

/// One binary message of events: in CBOR they follow each other.
fn sequence(records: &[&Record], out: &mut BytesMut) {
    let events: Vec<Bytes> = records.iter().map(|record| record.cbor()).collect();
    frame::write_head(out, Opcode::Binary, events.iter().map(Bytes::len).sum());
    for event in &events {
        out.put_slice(event);
    }
}

fn cloud_event(record: &Record) -> String {
    match record.parse() {
        Ok(event) => cloudevent::written(&event, record.cursor()).to_string(),
        Err(_) => record.json().to_owned(),
    }
}

fn short(record: &Record) -> String {
    let Ok(event) = record.parse() else {
        return record.json().to_owned();
    };
    let mut short = event
        .step_id
        .map(|id| json!({ "step_id": id }))
        .unwrap_or_else(|| json!({}));
    if let (Some(short), Value::Object(data)) = (short.as_object_mut(), event.data) {
        short.extend(data);
    }
    short.to_string()
}

/// Bytes of events in one message; an event that has more is one by itself.
const BATCH: usize = 128 << 10;

/// Room for a control frame; a longer one makes its own.
const CONTROL: usize = 256;
