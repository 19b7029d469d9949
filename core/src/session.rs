//! The server's half of one connection: a state machine without I/O that serves subscriptions to logs.
//!
//! **Every [`Session::handle`] is followed by [`Session::poll`] until it returns [`Output::Timeout`].**
//!
//! The shell owns the socket, the clock and the logs. It answers every [`Output::Open`] with
//! [`Input::Opened`] or [`Input::Refused`], every [`Output::Read`] with [`Input::Page`] or
//! [`Input::Refused`], and says [`Input::Written`] when the socket has taken what was sent. Of each
//! subscription at most one page is under way between log and socket: a slow reader costs one page, and
//! comes back to the log for the next.
//!
//! A subscription may have a pace: then each event of that page waits in the session until its timestamp says
//! that its time has come. Pace is for the past; a subscription that has seen all there is goes on live.

mod asked;
mod config;
mod detail;
mod pacing;
mod record;
mod rest;
mod serve;
mod subscription;
mod watching;

use std::collections::{BTreeMap, VecDeque};

pub use config::SessionConfig;
pub use record::Record;
use serde_json::Value;

use crate::control::{ControlFrame, EndReason, GoawayReason};
use crate::fidelity::Manner;
use crate::filter::Filter;
use crate::id::{Epoch, ExecutionId, Position, Seq};
use crate::pace::Pace;
use crate::pattern::{Mark, Pattern, Since};
use crate::time::Time;
use crate::wire::close::CloseCode;
use crate::wire::frame::ClientFrame;
use subscription::{Held, Wish};
use watching::Watch;

/// Everything the session is told.
#[derive(Clone, Debug)]
pub enum Input<'a, R> {
    /// The URL asks for a subscription.
    Subscribe {
        /// To which execution.
        execution_id: ExecutionId,
        /// From where.
        after: Position,
        /// What of it.
        filter: Filter,
        /// How fast; as fast as the socket takes it where there is none.
        pace: Option<Pace>,
        /// How much of that.
        manner: Manner,
    },
    /// The URL asks for many executions.
    Choose {
        /// These, from where.
        executions: Vec<(ExecutionId, Position)>,
        /// Those that match, from where in the order of runs. The watch has no name: nobody speaks of it.
        watch: Option<(Pattern, Since)>,
        /// What of each of them.
        filter: Filter,
        /// How much of that.
        manner: Manner,
    },
    /// A frame from the client, as JSON.
    Text(&'a str),
    /// What the client sent cannot be a frame, and why.
    Unreadable(&'a str),
    /// The log is there.
    Opened {
        /// Whose.
        execution_id: ExecutionId,
        /// Its incarnation.
        epoch: Epoch,
        /// Its first event that is still there.
        earliest: Seq,
        /// Its last event.
        last_seq: Seq,
    },
    /// The log cannot be opened, or not be read any more.
    Refused {
        /// Whose.
        execution_id: ExecutionId,
        /// The HTTP status.
        status: u16,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The log has grown, or its execution has ended. May come as often as the shell likes.
    Grown {
        /// Whose.
        execution_id: ExecutionId,
        /// Its last event.
        last_seq: Seq,
    },
    /// What was read.
    Page {
        /// Of which log.
        execution_id: ExecutionId,
        /// In order, without a hole.
        records: Vec<R>,
        /// The first and the last event that retention dropped before `records`.
        gap: Option<(Seq, Seq)>,
        /// The last event of an execution that has ended, and how; only where this page reaches it.
        ended: Option<(Seq, EndReason)>,
    },
    /// What the events of a log come to.
    Viewed {
        /// Of which log.
        execution_id: ExecutionId,
        /// Up to this event.
        seq: Seq,
        /// The view, as JSON.
        view: Value,
    },
    /// A run was made. May come as often as the shell likes.
    Created,
    /// What was found for a watch.
    Found {
        /// Which watch.
        watch: String,
        /// The runs that match, in the order in which they were made.
        runs: Vec<(Mark, ExecutionId)>,
        /// All runs up to here have been looked at.
        mark: Mark,
        /// There may be more behind it.
        more: bool,
    },
    /// A watch cannot be served.
    Unfound {
        /// Which watch.
        watch: String,
        /// The HTTP status.
        status: u16,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The socket has taken everything that was sent.
    Written,
    /// The server goes away.
    GoingAway {
        /// When the client may come back.
        retry_ms: u64,
    },
    /// What the client has shown of itself is not valid any more.
    Expired {
        /// When the client may come back, with what is.
        retry_ms: u64,
    },
    /// Who the client is gives it no part in this connection.
    TurnedAway {
        /// The HTTP status.
        status: u16,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The time that the last [`Output::Timeout`] named has come.
    Tick,
}

/// Everything the session says.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<R> {
    /// Open this log, and watch it.
    Open(ExecutionId),
    /// Read from this log.
    Read {
        /// Which.
        execution_id: ExecutionId,
        /// From the event after this one.
        after: Seq,
        /// At most so many.
        max: usize,
    },
    /// Fold this log's events from the first on, and give the view.
    View(ExecutionId),
    /// Stop watching this log.
    Drop(ExecutionId),
    /// Look for runs that match.
    Find {
        /// For which watch.
        watch: String,
        /// Which runs.
        pattern: Pattern,
        /// After which; none means after all that there are.
        after: Option<Mark>,
        /// Only those that have not ended.
        under_way: bool,
        /// At most so many.
        max: usize,
    },
    /// Send this.
    Control(ControlFrame),
    /// Send this event.
    Event(R),
    /// The client asks for what is no stream: a file, or no more of one. The shell does it, and answers.
    Asked(ClientFrame),
    /// Send what there is, and close.
    Close(CloseCode),
    /// Nothing more to say until this time, or until the next input where there is none.
    Timeout(Option<Time>),
}

/// Serves one connection; see the module.
#[derive(Debug)]
pub struct Session<R> {
    config: SessionConfig,
    subscriptions: BTreeMap<ExecutionId, Held<R>>,
    watches: BTreeMap<String, Watch>,
    /// Kept until the [`Output::Drop`] is drained: the last events need it.
    epochs: BTreeMap<ExecutionId, Epoch>,
    /// Whose turn was first, the last time that all were served.
    turn: Option<ExecutionId>,
    outputs: VecDeque<Output<R>>,
    ping_at: Time,
    closed: bool,
}

impl<R: Record> Session<R> {
    /// A session that waits for its first subscription.
    pub fn new(config: SessionConfig, now: Time) -> Self {
        Self {
            ping_at: now + config.heartbeat,
            config,
            subscriptions: BTreeMap::new(),
            watches: BTreeMap::new(),
            epochs: BTreeMap::new(),
            turn: None,
            outputs: VecDeque::new(),
            closed: false,
        }
    }

    /// Takes one input. Drain [`Session::poll`] before the next.
    #[expect(clippy::too_many_lines, reason = "an arm for each input")]
    pub fn handle(&mut self, now: Time, input: Input<'_, R>) {
        if self.closed {
            return;
        }
        match input {
            Input::Subscribe {
                execution_id,
                after,
                filter,
                pace,
                manner,
            } => {
                let wish = Wish {
                    after,
                    filter,
                    pace,
                    window: None,
                    manner,
                };
                self.subscribe(now, execution_id, wish);
            }
            Input::Choose {
                executions,
                watch,
                filter,
                manner,
            } => self.choose(now, executions, watch, (&filter, manner)),
            Input::Text(text) => self.text(now, text),
            Input::Unreadable(why) => self.error(now, None, 400, format!("not a frame: {why}")),
            Input::Opened {
                execution_id,
                epoch,
                earliest,
                last_seq,
            } => self.opened(now, &execution_id, epoch, earliest, last_seq),
            Input::Refused {
                execution_id,
                status,
                message,
            } => self.refused(now, &execution_id, status, message),
            Input::Grown {
                execution_id,
                last_seq,
            } => self.grown(&execution_id, last_seq),
            Input::Page {
                execution_id,
                records,
                gap,
                ended,
            } => self.page(now, &execution_id, records, gap, ended),
            Input::Viewed {
                execution_id,
                seq,
                view,
            } => self.viewed(now, &execution_id, seq, view),
            Input::Created => self.created(),
            Input::Found {
                watch,
                runs,
                mark,
                more,
            } => self.found(now, &watch, runs, mark, more),
            Input::Unfound {
                watch,
                status,
                message,
            } => self.unfound(now, &watch, status, message),
            Input::Written => self.written(now),
            Input::GoingAway { retry_ms } => {
                self.goaway(now, retry_ms, GoawayReason::Restart);
                self.close(CloseCode::GoingAway);
            }
            Input::Expired { retry_ms } => {
                self.goaway(now, retry_ms, GoawayReason::Expired);
                self.close(CloseCode::Expired);
            }
            Input::TurnedAway { status, message } => {
                self.error(now, None, status, message);
                self.close(CloseCode::of_status(status));
            }
            Input::Tick => self.tick(now),
        }
    }

    /// Lets the shell say where a subscription begins that it is to open: `place` is given what the client wishes.
    /// After [`Output::Open`], before [`Input::Opened`].
    pub fn begin(&mut self, execution_id: &ExecutionId, place: impl FnOnce(Position) -> Position) {
        let opening = self.subscriptions.get_mut(execution_id);
        if let Some(it) = opening.filter(|it| !it.opened) {
            it.after = place(it.after);
        }
    }

    /// The next thing to do; [`Output::Timeout`] when there is none.
    pub fn poll(&mut self) -> Output<R> {
        let Some(output) = self.outputs.pop_front() else {
            return Output::Timeout((!self.closed).then(|| self.next_due()));
        };
        if let Output::Drop(execution_id) = &output {
            self.epochs.remove(execution_id);
        }
        output
    }

    /// The incarnation of a log that this connection follows; with an event's `seq` it makes the cursor.
    /// Known from the hello until the [`Output::Drop`] is drained.
    pub fn epoch(&self, execution_id: &ExecutionId) -> Option<Epoch> {
        self.epochs.get(execution_id).copied()
    }

    fn next_due(&self) -> Time {
        let due = self.subscriptions.values().filter_map(|it| it.wakes());
        due.fold(self.ping_at, Time::min)
    }

    fn tick(&mut self, now: Time) {
        self.release(now);
        self.ripen(now);
        if self.closed || now < self.ping_at {
            return;
        }
        if self.subscriptions.values().any(|it| it.unwritten) {
            // the socket still takes the last page: it has no use for a ping behind that
            self.ping_at = now + self.config.heartbeat;
        } else {
            self.tell_places(now);
            self.control(now, ControlFrame::Ping {});
        }
    }

    fn control(&mut self, now: Time, frame: ControlFrame) {
        self.ping_at = now + self.config.heartbeat;
        self.outputs.push_back(Output::Control(frame));
    }

    fn goaway(&mut self, now: Time, retry_ms: u64, reason: GoawayReason) {
        self.control(now, ControlFrame::Goaway { retry_ms, reason });
    }

    /// Closes where the connection is finite and there is nothing more to follow.
    fn close_if_done(&mut self) {
        if self.config.finite && self.subscriptions.is_empty() && self.watches.is_empty() {
            self.close(CloseCode::Done);
        }
    }

    fn close(&mut self, code: CloseCode) {
        self.watches.clear();
        for (execution_id, subscription) in std::mem::take(&mut self.subscriptions) {
            if subscription.opened {
                self.outputs.push_back(Output::Drop(execution_id));
            }
        }
        self.outputs.push_back(Output::Close(code));
        self.closed = true;
    }
}
