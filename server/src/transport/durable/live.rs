//! `GET ?live=sse`: the stream as server-sent events, `data` and `control` in turn.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::stream;
use serde_json::{Map, Value, json};
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::id::{Cursor, Position, Seq};
use tokio::time::Instant;

use super::Stream;
use super::read::gone;
use crate::access::Caller;
use crate::api::page::Gap;
use crate::clock::unix_millis;
use crate::durable::{self, Asked, Content, Offset};
use crate::edge;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::Stream as Log;
use crate::socket::is_reset;
use crate::telemetry::{Batch, Connection, End, Lane, Resumes, Transport};
use crate::transport::feed::{Feed, Frame};
use crate::transport::parameters::{self, Selection};

/// A reader.
struct Live {
    feed: Feed,
    log: Arc<Log>,
    stream: Stream,
    asked: Asked,
    /// What it has been given.
    at: Cursor,
    /// It was told where it stands.
    told: bool,
    /// What it is to be told that it will not get.
    gap: Option<(Seq, Seq)>,
    closed: bool,
    over: bool,
    until: Instant,
    connection: Connection,
    /// What was given to HTTP last.
    given: Batch,
}

/// Opens the stream.
///
/// # Errors
/// 404 where there is none, 400 where the offset lies beyond its end, 410 where what follows it is gone.
pub(super) fn open(
    executions: Executions,
    stream: Stream,
    asked: Asked,
    caller: Caller,
) -> Result<Response, Problem> {
    let log = executions.log().open(&stream.row.id)?;
    let log = log.ok_or_else(Problem::unknown_execution)?;
    let tail = log.tail();
    let after = caller.pass.begin(asked.after);
    let start = parameters::start(after, log.epoch(), tail.last_seq)?;
    if let Some((from, to)) = start.void {
        let gap = Gap {
            from,
            to,
            reason: GapReason::Epoch,
        };
        return Err(gone(gap, Offset::new(log.epoch(), 0)));
    }
    let lane = Lane {
        transport: Transport::Durable,
        shared: false,
        wire: caller.wire,
    };
    let connection = Connection::open(executions.delivery().clone(), lane);
    let selection = Selection {
        after: asked.after,
        ..Selection::default()
    };
    let (epoch, seq) = (log.epoch(), start.after);
    let feed = Feed::single(executions, stream.row.id.clone(), selection, caller);
    let is_coded = matches!(stream.content, Content::Bytes { is_text: false });
    let reader = Live {
        feed,
        log,
        stream,
        asked,
        at: Cursor { epoch, seq },
        told: false,
        gap: None,
        closed: false,
        over: false,
        until: Instant::now() + LONGEST,
        connection,
        given: Batch::default(),
    };
    let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(text.into()), reader))
    }));
    let mut response = body.into_response();
    set_headers(response.headers_mut(), is_coded);
    Ok(response)
}

fn set_headers(headers: &mut HeaderMap, is_coded: bool) {
    edge::event_stream(headers);
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    // in the words of the protocol
    set(header::CACHE_CONTROL, "no-cache, no-store, no-transform");
    if is_coded {
        set(
            HeaderName::from_static("stream-sse-data-encoding"),
            "base64",
        );
    }
}

impl Live {
    /// What there is to write next; none at the end.
    async fn next(&mut self) -> Option<String> {
        self.connection.delivered(&std::mem::take(&mut self.given));
        let mut out = String::new();
        while out.is_empty() {
            if self.over {
                return None;
            }
            // that more is asked for says that the last was taken
            self.feed.written();
            let frames = self.feed.ready().await;
            if frames.is_empty() {
                let waited = tokio::time::timeout_at(self.until, self.feed.wait()).await;
                // so that readers come together at a cache again; each comes back by itself
                self.over = waited.is_err();
                if self.over {
                    self.connection.ends(End::Finished);
                }
                continue;
            }
            self.write(&frames, &mut out);
        }
        self.given.wrote(out.len());
        Some(out)
    }

    fn write(&mut self, frames: &[Frame], out: &mut String) {
        let (mut data, mut any, mut moved) = (Vec::new(), false, !self.told);
        for frame in frames {
            match frame {
                // a reader follows one execution
                Frame::Event(record) | Frame::Placed(record, _) => {
                    any |= self.stream.content.add(&mut data, record.json());
                    self.at.seq = record.seq();
                    self.given.add(record);
                    moved = true;
                }
                Frame::Control(control) => moved |= self.control(control, out),
                Frame::Close(code) => {
                    self.connection.ends(End::of_close(*code));
                    self.over = true;
                }
            }
            // of what stands behind a gap nothing is told
            if self.over {
                break;
            }
        }
        if any {
            self.write_data(data, out);
        }
        if any || self.closed || (moved && !self.told) {
            self.told = true;
            self.write_control(out);
        }
    }

    /// True where the reader is to be told where it stands.
    fn control(&mut self, control: &ControlFrame, out: &mut String) -> bool {
        match control {
            ControlFrame::Hello {
                epoch,
                earliest,
                last_seq,
                ..
            } => {
                if let Position::After(cursor) = self.asked.after {
                    let mut resumes = Resumes::default();
                    resumes.add(cursor, *epoch, (*earliest, *last_seq));
                    self.connection.resumed(resumes);
                }
                // where something follows, it is told along with that
                self.at.seq >= *last_seq
            }
            ControlFrame::Gap { from, to, .. } => {
                self.connection.told(control);
                self.gap = Some((*from, *to));
                // who says where it was is told by HTTP, once it comes back
                self.over |= matches!(self.asked.after, Position::After(_));
                false
            }
            ControlFrame::Closed { .. } => {
                self.closed = true;
                true
            }
            ControlFrame::Ping {} => {
                out.push_str(": ping\n\n");
                false
            }
            // an end without a last word: whoever reads comes back, and is refused by HTTP
            ControlFrame::Error { .. } => {
                self.over = true;
                false
            }
            ControlFrame::Goaway { .. }
            | ControlFrame::Pong {}
            | ControlFrame::Place { .. }
            | ControlFrame::Watching { .. }
            | ControlFrame::Matched { .. }
            | _ => false,
        }
    }

    fn write_data(&self, data: Vec<u8>, out: &mut String) {
        let data = self.stream.content.body(data);
        out.push_str("event: data\n");
        if self.stream.content == (Content::Bytes { is_text: false }) {
            lines(out, &STANDARD.encode(data));
        } else {
            lines(out, &String::from_utf8_lossy(&data));
        }
        out.push('\n');
    }

    fn write_control(&mut self, out: &mut String) {
        let tail = self.log.tail();
        let offset = self.stream.offset(self.at, tail);
        let mut control = Map::new();
        control.insert("streamNextOffset".into(), json!(offset.to_string()));
        if self.closed {
            control.insert("streamClosed".into(), json!(true));
        } else {
            let had = self.asked.cursor;
            let cursor = durable::cursor(unix_millis(), had, |most| fastrand::u64(0..most));
            control.insert("streamCursor".into(), json!(cursor.to_string()));
        }
        if let Some((from, to)) = self.gap.take() {
            control.insert("gap".into(), json!({ "from": from, "to": to }));
        }
        if self.closed || self.at.seq >= tail.last_seq {
            control.insert("upToDate".into(), json!(true));
        }
        out.push_str("event: control\n");
        lines(out, &Value::from(control).to_string());
        out.push('\n');
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if is_reset() {
            self.connection.ends(End::WriteDeadline);
        }
    }
}

/// Text as lines of data. Every line end that an event stream knows is one: none of them ends the event.
fn lines(out: &mut String, text: &str) {
    let text = text.replace("\r\n", "\n");
    for line in text.split(['\n', '\r']) {
        out.push_str("data:");
        // one space behind the colon would be taken for none of the text
        if line.starts_with(' ') {
            out.push(' ');
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// How long a stream stays open, so that a cache can bring readers together.
const LONGEST: Duration = Duration::from_secs(60);
