//! One connection: what arrives on it, decoded into what the stream says, whatever the transport.

use std::time::Duration;

use serde_json::Value;

use super::{Dial, Generation, Transport};
use crate::control::{ControlFrame, EndReason, GapReason, GoawayReason};
use crate::event::{Fields, StreamEvent};
use crate::fidelity::Fidelity;
use crate::id::{Cursor, Epoch, ExecutionId, Position, Seq};
use crate::time::Time;
use crate::wire::frame::ServerFrame;
use crate::wire::page::Page;
use crate::wire::sse;

/// The connection of one generation.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) generation: Generation,
    pub(super) transport: Transport,
    /// The cursor that it was dialled with.
    pub(super) after: Position,
    pub(super) dialled_at: Time,
    /// When it last said anything.
    pub(super) heard_at: Option<Time>,
    /// When the server's hello came.
    pub(super) hello_at: Option<Time>,
    reader: sse::Reader,
}

/// What a connection says.
#[derive(Debug)]
pub(super) enum Heard {
    /// The stream is open.
    Hello {
        epoch: Epoch,
        last_seq: Seq,
        heartbeat: Option<Duration>,
        retry: Option<Duration>,
    },
    /// An event, with the epoch of its id where it has one.
    Event(Box<StreamEvent>, Option<Epoch>),
    /// Events that will not come.
    Gap {
        from: Seq,
        to: Seq,
        reason: GapReason,
        epoch: Option<Epoch>,
    },
    /// Everything up to here was sent, or held back by the filter.
    Passed(Cursor),
    /// What everything up to here comes to.
    Snapshot(Cursor, Box<Value>),
    /// How much is told from here on.
    Fidelity(Fidelity, Cursor),
    /// The execution has ended.
    Closed { last_seq: Seq, reason: EndReason },
    /// The answer to a long poll is over.
    PageEnd,
    /// The server has nothing else to say, so everything that there is was sent.
    Idle,
    /// The server sends the client away, for that long.
    Goaway(Duration, GoawayReason),
    /// The stream was refused.
    Refused(u16),
    /// How long to wait before coming back.
    Retry(Duration),
    /// Not a frame; what follows may be one.
    Corrupt,
    /// Not even a place where a frame could end: the connection is of no more use.
    Unreadable,
}

impl Connection {
    pub(super) fn new(dial: &Dial, now: Time) -> Self {
        Self {
            generation: dial.generation,
            transport: dial.transport,
            after: dial.after,
            dialled_at: now,
            heard_at: None,
            hello_at: None,
            reader: sse::Reader::with_limit(MAX_MESSAGE_BYTES),
        }
    }

    /// Whether it was open for at least this long.
    pub(super) fn was_open_for(&self, span: Duration, now: Time) -> bool {
        self.hello_at.is_some_and(|at| now.since(at) >= span)
    }

    /// How long ago it last said anything, or was dialled.
    pub(super) fn quiet_for(&self, now: Time) -> Duration {
        now.since(self.heard_at.unwrap_or(self.dialled_at))
    }

    /// A WebSocket's message, a frame on each of its lines, or the body of a long poll.
    pub(super) fn text(&self, text: &str, stream: &ExecutionId) -> Vec<Heard> {
        match self.transport {
            Transport::LongPoll => page(text, stream),
            Transport::WebSocket | Transport::Sse => text
                .split('\n')
                .filter_map(|line| frame(line, None, stream))
                .collect(),
        }
    }

    /// A piece of an SSE body.
    pub(super) fn bytes(&mut self, piece: &[u8], stream: &ExecutionId) -> Vec<Heard> {
        let mut items = Vec::new();
        let whole = self.reader.push(piece, &mut items);
        let mut heard: Vec<Heard> = items
            .into_iter()
            .filter_map(|item| match item {
                sse::Item::Message(message) => {
                    let id: Option<Cursor> = message.last_event_id.parse().ok();
                    frame(&message.data, id.map(|id| id.epoch), stream)
                }
                sse::Item::Retry(ms) => Some(Heard::Retry(Duration::from_millis(ms))),
                sse::Item::Comment => None,
            })
            .collect();
        if whole.is_err() {
            heard.push(Heard::Unreadable);
        }
        heard
    }
}

fn frame(text: &str, epoch: Option<Epoch>, stream: &ExecutionId) -> Option<Heard> {
    match ServerFrame::parse(text) {
        Ok(ServerFrame::Event(event)) => {
            (event.execution_id == *stream).then_some(Heard::Event(event, epoch))
        }
        Ok(ServerFrame::Control(control)) => heard(control, stream),
        Ok(ServerFrame::UnknownControl(_)) => None,
        Err(_) => Some(Heard::Corrupt),
    }
}

/// What a control frame means to the one who follows `stream`.
#[expect(clippy::too_many_lines, reason = "an arm for each frame")]
fn heard(control: ControlFrame, stream: &ExecutionId) -> Option<Heard> {
    let (id, heard) = match control {
        ControlFrame::Hello {
            execution_id,
            epoch,
            earliest: _,
            last_seq,
            heartbeat_ms,
            retry_ms,
        } => {
            let hello = Heard::Hello {
                epoch,
                last_seq,
                heartbeat: Some(Duration::from_millis(heartbeat_ms)),
                retry: Some(Duration::from_millis(retry_ms)),
            };
            (Some(execution_id), hello)
        }
        ControlFrame::Gap {
            execution_id,
            from,
            to,
            reason,
            epoch,
        } => {
            let gap = Heard::Gap {
                from,
                to,
                reason,
                epoch,
            };
            (Some(execution_id), gap)
        }
        ControlFrame::Closed {
            execution_id,
            last_seq,
            reason,
        } => (Some(execution_id), Heard::Closed { last_seq, reason }),
        ControlFrame::Place {
            execution_id,
            cursor,
        } => (Some(execution_id), Heard::Passed(cursor)),
        ControlFrame::Snapshot {
            execution_id,
            cursor,
            view,
        } => (Some(execution_id), Heard::Snapshot(cursor, Box::new(view))),
        ControlFrame::Fidelity {
            execution_id,
            fidelity,
            cursor,
        } => (Some(execution_id), Heard::Fidelity(fidelity, cursor)),
        ControlFrame::Error {
            execution_id: Some(execution_id),
            status,
            message: _,
        } => (Some(execution_id), Heard::Refused(status)),
        ControlFrame::Error {
            execution_id: None, ..
        }
        | ControlFrame::Watching { .. }
        | ControlFrame::Matched { .. }
        | ControlFrame::Pong {} => return None,
        ControlFrame::Ping {} => (None, Heard::Idle),
        ControlFrame::Goaway { retry_ms, reason } => {
            (None, Heard::Goaway(Duration::from_millis(retry_ms), reason))
        }
    };
    id.is_none_or(|id| id == *stream).then_some(heard)
}

/// A page in the words of a connection: hello, gap, events, end.
fn page(text: &str, stream: &ExecutionId) -> Vec<Heard> {
    let page: Page<Fields> = match serde_json::from_str(text) {
        Ok(page) => page,
        Err(_) => return vec![Heard::Unreadable],
    };
    if page.execution_id != *stream {
        return vec![Heard::Unreadable];
    }
    let mut all = vec![Heard::Hello {
        epoch: page.epoch,
        last_seq: page.last_seq,
        heartbeat: None,
        retry: None,
    }];
    all.extend(page.gap.map(|gap| Heard::Gap {
        from: gap.from,
        to: gap.to,
        reason: gap.reason,
        epoch: gap.epoch,
    }));
    all.extend(page.events.into_iter().map(|fields| {
        fields.event().map_or(Heard::Corrupt, |event| {
            Heard::Event(Box::new(event), Some(page.epoch))
        })
    }));
    all.push(Heard::Passed(page.next));
    all.push(match page.closed {
        Some(end) => Heard::Closed {
            last_seq: end.last_seq,
            reason: end.reason,
        },
        None => Heard::PageEnd,
    });
    all
}

/// No SSE message is longer: what is has lost its line ends.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
