//! A run in the words of another protocol, as server-sent events: the same log, the same read, the same resume.
//!
//! A [`Translation`] folds events into pieces. What a reader has seen already is folded too and not sent, so that it
//! may come back behind any piece: between two pieces of one event as well.

pub(crate) mod data;
mod place;
mod usage;

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;
use stepcast_core::control::{ControlFrame, GapReason};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};
use stepcast_core::wire::sse::write_event;

pub(crate) use self::place::{Begin, Place, place_asked_for};
pub(crate) use self::usage::Usage;
use super::feed::{Feed, Frame};
use super::parameters::Selection;
use crate::access::Caller;
use crate::edge;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::Record;
use crate::socket::is_reset;
use crate::telemetry::{Batch, Connection, End, Lane, Resumes, Transport};

/// A protocol that a run can be told in. A pure fold: the same events give the same pieces.
pub(crate) trait Translation: Send + 'static {
    /// As what its readers are counted.
    const TRANSPORT: Transport;

    /// What an event comes to.
    fn event(&mut self, event: &StreamEvent) -> Vec<Value>;

    /// What it comes to that these events are missing.
    fn gap(&mut self, from: Seq, to: Seq, reason: GapReason) -> Vec<Value>;

    /// Takes a piece as seen, and gives it as it is to be written. Called with each piece once, in order.
    fn pass(&mut self, piece: Value) -> Value;

    /// What a reader is told that begins behind the last piece that was passed; it has seen all up to `from`, where it
    /// says so.
    fn prelude(&self, from: Option<Place>) -> Vec<Value>;

    /// What a reader is told whose log is gone, in place of the first piece of the new one.
    fn anew(&self, _first: Value) -> Vec<Value> {
        self.prelude(None)
    }

    /// What stands in `id:` behind a piece.
    fn id(&self, place: Place) -> String {
        place.to_string()
    }

    /// Whether nothing is to be said until the run says more, so that a stream ends here.
    fn rests(&self) -> bool {
        false
    }

    /// Written behind the last piece of a run that has ended.
    fn last_word(&self) -> &'static str {
        ""
    }
}

/// A reader of a translation.
struct Reader<T> {
    feed: Feed,
    translation: T,
    /// Until it has been reached.
    begin: Option<Begin>,
    epoch: Epoch,
    /// The last event that was folded.
    seq: Seq,
    /// Something was written of what the run says.
    told: bool,
    /// The reader's log is gone: it is told all anew, and to forget what it had.
    void: bool,
    ended: bool,
    connection: Connection,
    /// What was given to HTTP last.
    given: Batch,
}

/// Opens a stream of an execution. Who has seen all of one that has ended gets 204.
///
/// # Errors
/// 404 where there is no such execution, 400 where the place lies beyond the end of its log, 429 where the caller has as
/// many streams as they may.
pub(crate) fn open<T: Translation>(
    executions: &Executions,
    id: &ExecutionId,
    mut caller: Caller,
    begin: Begin,
    translation: T,
) -> Result<Response, Problem> {
    caller.hold(executions)?;
    let stream = executions.log().open(id)?;
    let stream = stream.ok_or_else(Problem::unknown_execution)?;
    let tail = stream.tail();
    if let Begin::After(place) = begin
        && place.cursor.epoch == stream.epoch()
    {
        let seen = place.cursor.seq.saturating_add(u64::from(place.pieces > 0));
        if seen > tail.last_seq {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "The place lies beyond the end of this execution's log: it belongs to another.",
            ));
        }
        let at_end = place.cursor.seq == tail.last_seq && tail.last_seq > 0;
        if tail.ended.is_some() && at_end {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
    let lane = Lane {
        transport: T::TRANSPORT,
        shared: false,
        wire: caller.wire,
    };
    let connection = Connection::open(executions.delivery().clone(), lane);
    let feed = Feed::single(executions.clone(), id.clone(), Selection::default(), caller);
    let reader = Reader {
        feed,
        translation,
        begin: Some(begin),
        epoch: stream.epoch(),
        seq: 0,
        told: false,
        void: false,
        ended: false,
        connection,
        given: Batch::default(),
    };
    let body = Body::from_stream(stream::unfold(reader, |mut reader| async move {
        let text = reader.next().await?;
        Some((Ok::<Bytes, Infallible>(text.into()), reader))
    }));
    let mut response = body.into_response();
    set_headers(response.headers_mut(), id);
    Ok(response)
}

fn set_headers(headers: &mut HeaderMap, id: &ExecutionId) {
    edge::event_stream(headers);
    let vary = HeaderValue::from_static("Accept-Encoding");
    headers.insert(header::VARY, vary);
    if let Ok(location) = HeaderValue::from_str(&format!("/api/executions/{id}")) {
        headers.insert(header::LOCATION, location);
    }
}

impl<T: Translation> Reader<T> {
    /// What there is to write next; none at the end.
    async fn next(&mut self) -> Option<String> {
        self.connection.delivered(&std::mem::take(&mut self.given));
        let mut out = String::new();
        while out.is_empty() {
            if self.ended {
                return None;
            }
            // that more is asked for says that the last was taken
            self.feed.written();
            let frames = self.feed.ready().await;
            if frames.is_empty() {
                if self.told && self.translation.rests() {
                    self.connection.ends(End::Finished);
                    return None;
                }
                self.feed.wait().await;
                continue;
            }
            for frame in frames {
                match frame {
                    // a reader follows one execution, and counts its places itself
                    Frame::Event(record) | Frame::Placed(record, _) => {
                        self.event(&record, &mut out);
                    }
                    Frame::Control(control) => self.control(&control, &mut out),
                    Frame::Close(code) => {
                        self.connection.ends(End::of_close(code));
                        self.ended = true;
                    }
                }
            }
            self.reached(&mut out);
            // a long past is folded a page at a time
            tokio::task::yield_now().await;
        }
        self.given.wrote(out.len());
        Some(out)
    }

    fn control(&mut self, control: &ControlFrame, out: &mut String) {
        match control {
            ControlFrame::Hello {
                epoch,
                earliest,
                last_seq,
                retry_ms,
                ..
            } => {
                self.epoch = *epoch;
                if let Some(Begin::After(place)) = self.begin {
                    let mut resumes = Resumes::default();
                    resumes.add(place.cursor, *epoch, (*earliest, *last_seq));
                    self.connection.resumed(resumes);
                }
                self.resolve(*last_seq);
                // two line ends: readers that look for events only split there
                out.push_str(&format!("retry: {retry_ms}\n\n"));
            }
            ControlFrame::Goaway { retry_ms, .. } => {
                out.push_str(&format!("retry: {retry_ms}\n\n"))
            }
            ControlFrame::Ping {} => out.push_str(": ping\n\n"),
            ControlFrame::Gap {
                from, to, reason, ..
            } => {
                if self.begin.is_none() {
                    self.connection.told(control);
                }
                let pieces = self.translation.gap(*from, *to, *reason);
                for piece in pieces {
                    let piece = self.translation.pass(piece);
                    if self.begin.is_none() {
                        self.write(out, &piece, None);
                    }
                }
            }
            ControlFrame::Closed { .. } => out.push_str(self.translation.last_word()),
            // an end without a last word: whoever reads comes back and is refused by HTTP
            ControlFrame::Error { .. } => self.ended = true,
            ControlFrame::Pong {}
            | ControlFrame::Place { .. }
            | ControlFrame::Watching { .. }
            | ControlFrame::Matched { .. }
            | _ => {}
        }
    }

    /// Where the reader begins, now that the log is open.
    fn resolve(&mut self, last_seq: Seq) {
        let at = |seq| Place {
            cursor: Cursor {
                epoch: self.epoch,
                seq,
            },
            pieces: 0,
        };
        let begin = match self.begin.take() {
            Some(Begin::After(place)) if place.cursor.epoch != self.epoch => {
                self.void = true;
                None
            }
            Some(Begin::After(place)) => Some(place),
            Some(Begin::Now) => Some(at(last_seq)),
            Some(Begin::Answer(waits)) => {
                self.begin = Some(Begin::Answer(waits));
                return;
            }
            Some(Begin::Earliest) | None => None,
        };
        self.begin = begin.filter(|place| *place != at(0)).map(Begin::After);
    }

    fn event(&mut self, record: &Record, out: &mut String) {
        let Ok(event) = record.parse() else {
            return;
        };
        self.seq = event.seq;
        let is_passed_over = self.begin.is_some();
        if let Some(Begin::Answer(waits)) = &self.begin
            && answers(&event, waits)
        {
            self.begin = None;
            self.write_prelude(out, None);
        }
        let pieces: VecDeque<Value> = self.translation.event(&event).into();
        let (cursor, of) = (record.cursor(), pieces.len());
        for (number, piece) in pieces.into_iter().enumerate() {
            let place = Place::behind(cursor, number, of);
            if let Some(Begin::After(begin)) = self.begin
                && !place.is_within(begin)
            {
                self.begin = None;
                self.write_prelude(out, Some(begin));
            }
            let piece = self.translation.pass(piece);
            if self.begin.is_some() {
                continue;
            }
            self.told = true;
            if std::mem::take(&mut self.void) {
                for piece in self.translation.anew(piece) {
                    self.write(out, &piece, Some(place));
                }
            } else {
                self.write(out, &piece, Some(place));
            }
        }
        // one that the reader has not seen all of counts
        if !(is_passed_over && self.begin.is_some()) {
            self.given.add(record);
        }
    }

    /// At the place where the reader begins, it is told where it stands, though nothing may follow yet.
    fn reached(&mut self, out: &mut String) {
        if let Some(Begin::After(begin)) = self.begin
            && begin.pieces == 0
            && self.seq >= begin.cursor.seq
        {
            self.begin = None;
            self.write_prelude(out, Some(begin));
        }
    }

    fn write_prelude(&self, out: &mut String, place: Option<Place>) {
        for piece in self.translation.prelude(place) {
            self.write(out, &piece, place);
        }
    }

    fn write(&self, out: &mut String, piece: &Value, place: Option<Place>) {
        let id = place.map(|place| self.translation.id(place));
        write_event(out, None, &piece.to_string(), id.as_deref());
    }
}

impl<T> Drop for Reader<T> {
    fn drop(&mut self) {
        if is_reset() {
            self.connection.ends(End::WriteDeadline);
        }
    }
}

/// Whether the event answers one of these questions, or ends the run.
fn answers(event: &StreamEvent, waits: &[String]) -> bool {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str);
    event.event_type.is_terminal()
        || event.event_type == EventType::StepProgress
            && text("kind") == Some("answered")
            && text("wait_id").is_some_and(|id| waits.iter().any(|wait| wait == id))
}
