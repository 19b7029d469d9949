//! `GET /stream/pipeline/{execution_id}`: server-sent events.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use stepcast_core::control::ControlFrame;
use stepcast_core::id::ExecutionId;
use stepcast_core::wire::sse::write_event;

use super::feed::{Feed, Frame};
use super::parameters::{self, Selection};
use crate::api::parts::{Path, Query};
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::Record;

/// How events are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// `event:` is the type, `data:` the whole event.
    #[default]
    Full,
    /// The plan's short form: `data:` is the event's data with its `step_id`.
    Short,
    /// As `full`, all under `message`, for scripts that set `onmessage` only.
    Message,
}

/// What it takes beside the selection.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    format: Format,
}

/// Opens a stream. A cursor at the end of an ended execution is answered with 204: there is no more.
pub(crate) async fn open(
    State(executions): State<Executions>,
    Path(id): Path<String>,
    Query(Parameters { format }): Query<Parameters>,
    selection: Selection,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let stream = executions
        .log()
        .open(&id)?
        .ok_or_else(Problem::unknown_execution)?;
    let tail = stream.tail();
    let start = parameters::start(selection.after, stream.epoch(), tail.last_seq)?;
    if tail.ended.is_some()
        && start.void.is_none()
        && start.after >= tail.last_seq
        && tail.last_seq > 0
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let feed = Feed::single(executions, id, selection);
    let body = stream::unfold(
        Some(Connection {
            feed,
            format,
            opened: false,
        }),
        |connection| async move {
            let mut connection = connection?;
            let (chunk, open) = connection.next().await;
            Some((Ok::<Bytes, Infallible>(chunk), open.then_some(connection)))
        },
    );
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/event-stream");
    // no-transform keeps proxies from compressing, and so from holding back; nginx obeys the last one only.
    set(header::CACHE_CONTROL, "no-store, no-transform");
    set(header::HeaderName::from_static("x-accel-buffering"), "no");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::VARY, "Accept-Encoding");
    Ok(response)
}

struct Connection {
    feed: Feed,
    format: Format,
    opened: bool,
}

impl Connection {
    /// The next bytes, and whether there are more. That it is called again says that the last were taken.
    async fn next(&mut self) -> (Bytes, bool) {
        if self.opened {
            self.feed.written();
        }
        loop {
            let frames = self.feed.ready().await;
            if frames.is_empty() {
                self.feed.wait().await;
                continue;
            }
            let sizes = frames.iter().map(|frame| match frame {
                Frame::Event(record) => record.sse_bytes().len(),
                Frame::Control(_) | Frame::Close(_) => CONTROL,
            });
            let (mut chunk, mut open) = (BytesMut::with_capacity(sizes.sum()), true);
            for frame in frames {
                match frame {
                    Frame::Event(record) => self.event(&mut chunk, &record),
                    Frame::Control(control) => self.control(&mut chunk, &control),
                    Frame::Close(_) => open = false,
                }
            }
            self.opened = true;
            return (chunk.freeze(), open);
        }
    }

    fn event(&self, chunk: &mut BytesMut, record: &Record) {
        let id = || record.cursor().to_string();
        let mut text = String::new();
        match self.format {
            Format::Full => return chunk.put(record.sse_bytes()),
            Format::Message => write_event(&mut text, None, record.json(), Some(&id())),
            Format::Short => write_event(
                &mut text,
                Some(record.event_type()),
                &short(record),
                Some(&id()),
            ),
        }
        chunk.put(text.as_bytes());
    }

    /// Control frames carry no id, so that none moves the cursor. A ping is a comment too, for readers that
    /// know nothing of it.
    fn control(&self, chunk: &mut BytesMut, frame: &ControlFrame) {
        let mut text = String::new();
        if let ControlFrame::Hello { retry_ms, .. } | ControlFrame::Goaway { retry_ms } = frame {
            text.push_str(&format!("retry: {retry_ms}\n"));
        }
        if *frame == (ControlFrame::Ping {}) {
            text.push_str(": ping\n");
        }
        if let Ok(json) = serde_json::to_string(frame) {
            write_event(&mut text, Some("control"), &json, None);
        }
        chunk.put(text.as_bytes());
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

/// Room for a control frame; a longer one makes its own.
const CONTROL: usize = 256;
