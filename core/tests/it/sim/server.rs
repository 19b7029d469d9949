//! A model of the server's shell: it gives a session its log, and writes what the session says.

use stepcast_core::client::{Dial, Generation, Transport};
use stepcast_core::control::ControlFrame;
use stepcast_core::filter::Filter;
use stepcast_core::id::{Cursor, Position};
use stepcast_core::session::{Input, Output, Session, SessionConfig};
use stepcast_core::time::Time;
use stepcast_core::wire::close::CloseCode;
use stepcast_core::wire::sse;

use super::log::{Log, Stored};

/// One connection, seen from the server.
pub(crate) struct Serving {
    pub(crate) generation: Generation,
    pub(crate) transport: Transport,
    /// Of a long poll.
    pub(crate) after: Position,
    pub(crate) due: Option<Time>,
    /// Frames, or bytes of SSE, that still get through before the connection breaks.
    pub(crate) budget: Option<usize>,
    /// It breaks without anybody being told.
    pub(crate) stalls: bool,
    pub(crate) broken: bool,
    /// When the last piece sent arrives: the next one never comes before.
    pub(crate) last_arrival: Time,
    config: SessionConfig,
    session: Session<Stored>,
}

/// What one turn of the session wants written.
#[derive(Default)]
pub(crate) struct Turn {
    /// Each frame in the transport's own writing.
    pub(crate) frames: Vec<String>,
    pub(crate) close: Option<CloseCode>,
}

impl Serving {
    pub(crate) fn new(now: Time, dial: &Dial, config: SessionConfig) -> Self {
        Self {
            generation: dial.generation,
            transport: dial.transport,
            after: dial.after,
            due: None,
            budget: None,
            stalls: false,
            broken: false,
            last_arrival: now,
            session: Session::new(config.clone(), now),
            config,
        }
    }

    pub(crate) fn subscribe(&mut self, now: Time, log: &Log, dial: &Dial) -> Turn {
        // what travels is the text of the cursor, not the value
        let after = dial.after.to_string().parse().unwrap();
        let input = Input::Subscribe {
            execution_id: dial.execution_id.clone(),
            after,
            filter: Filter::default(),
            pace: dial.pace,
            manner: dial.manner,
        };
        self.turn(now, log, input)
    }

    pub(crate) fn grown(&mut self, now: Time, log: &Log) -> Turn {
        // half of the sessions that rest are put away, and taken up again as a cursor
        let rests = self.session.rest().filter(|(_, seq, _)| seq % 2 == 0);
        if let Some((execution_id, seq, manner)) = rests {
            let (execution_id, epoch) = (execution_id.clone(), log.epoch);
            let cursor = Cursor { epoch, seq };
            self.session = Session::resumed(
                self.config.clone(),
                now,
                execution_id,
                cursor,
                (manner, log.last_seq()),
            );
            return self.drain(now, log);
        }
        let input = Input::Grown {
            execution_id: log.id.clone(),
            last_seq: log.last_seq(),
        };
        self.turn(now, log, input)
    }

    /// One input, all the log's answers to it, and what is to be written.
    pub(crate) fn turn(&mut self, now: Time, log: &Log, input: Input<'_, Stored>) -> Turn {
        self.session.handle(now, input);
        self.drain(now, log)
    }

    fn drain(&mut self, now: Time, log: &Log) -> Turn {
        let mut turn = Turn::default();
        loop {
            let mut answers = Vec::new();
            loop {
                match self.session.poll() {
                    Output::Open(execution_id) => answers.push(Input::Opened {
                        execution_id,
                        epoch: log.epoch,
                        earliest: log.earliest,
                        last_seq: log.last_seq(),
                    }),
                    Output::Read {
                        execution_id,
                        after,
                        max,
                    } => {
                        let read = log.read(after, max);
                        answers.push(Input::Page {
                            execution_id,
                            records: read.records,
                            gap: read.gap,
                            ended: read.ended,
                        });
                    }
                    // a connection to one run watches for no other
                    Output::Drop(_) | Output::Find { .. } | Output::Asked(_) => {}
                    Output::View(execution_id) => answers.push(log.viewed(execution_id)),
                    Output::Control(frame) => turn.frames.push(self.control(&frame)),
                    Output::Event(Stored(event)) => {
                        let json = serde_json::to_string(&event).unwrap();
                        let epoch = self.session.epoch(&log.id).unwrap();
                        let seq = event.seq;
                        turn.frames.push(match self.transport {
                            Transport::Sse => {
                                let id = Cursor { epoch, seq }.to_string();
                                encode(Some(event.event_type.as_str()), &json, Some(&id))
                            }
                            Transport::WebSocket | Transport::LongPoll => json,
                        });
                    }
                    Output::Close(code) => turn.close = Some(code),
                    Output::Timeout(due) => {
                        self.due = due;
                        break;
                    }
                }
            }
            if answers.is_empty() {
                return turn;
            }
            for answer in answers {
                self.session.handle(now, answer);
            }
        }
    }

    fn control(&self, frame: &ControlFrame) -> String {
        let json = serde_json::to_string(frame).unwrap();
        if self.transport != Transport::Sse {
            return json;
        }
        let mut text = String::new();
        if let ControlFrame::Hello { retry_ms, .. } = frame {
            text.push_str(&format!("retry: {retry_ms}\n"));
        }
        if *frame == (ControlFrame::Ping {}) {
            text.push_str(": ping\n");
        }
        text + &encode(Some("control"), &json, None)
    }
}

fn encode(event: Option<&str>, data: &str, id: Option<&str>) -> String {
    let mut text = String::new();
    sse::write_event(&mut text, event, data, id);
    text
}
