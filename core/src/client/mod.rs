//! The client: a state machine without I/O that follows one execution over a bad network.
//!
//! **Every [`Client::handle`] is followed by [`Client::poll`] until it returns [`Output::Timeout`].**
//!
//! The shell (a page, a command line, a test) owns sockets and clock; the machine owns the cursor, the
//! generations, the back-off and the ladder of transports. What it promises is in [`Client`].

mod backoff;
mod connection;
mod dial;
mod frames;
mod ladder;
mod machine;
mod timer;
mod wake;
pub mod window;

use std::time::Duration;

use serde_json::Value;

use crate::control::{EndReason, GapReason, GoawayReason};
use crate::event::StreamEvent;
use crate::fidelity::{Fidelity, Manner};
use crate::filter::Filter;
use crate::id::{Epoch, ExecutionId, Position, Seq};
use crate::pace::Pace;
use crate::time::Time;

pub use machine::Client;

/// A way to reach the server, in the order of the ladder.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Transport {
    /// `/ws/pipeline/{id}`
    WebSocket,
    /// `/stream/pipeline/{id}`
    Sse,
    /// `/api/executions/{id}/events?wait_ms=`
    LongPoll,
}

impl Transport {
    /// Every transport, the best first.
    pub const LADDER: [Self; 3] = [Self::WebSocket, Self::Sse, Self::LongPoll];
}

/// Names a connection. What arrives from any but the newest is ignored.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Generation(pub u64);

/// How the machine behaves. The defaults suit a page.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to follow.
    pub execution_id: ExecutionId,
    /// From where.
    pub after: Position,
    /// What of it. With a filter, a hole in the numbers is not a loss.
    pub filter: Filter,
    /// How fast what is stored comes; as fast as it can where there is none. Long poll has no pace, and is left
    /// out of the ladder.
    pub pace: Option<Pace>,
    /// How much of it. Long poll has one fidelity, the full one.
    pub manner: Manner,
    /// The ladder: which transports to try, in order. One entry pins the transport; none means all.
    pub transports: Vec<Transport>,
    /// The first delay is drawn from 0 to this.
    pub backoff_base: Duration,
    /// No delay is longer.
    pub backoff_cap: Duration,
    /// A connection that says nothing for this long after dialling is given up.
    pub first_byte_timeout: Duration,
    /// Where the server names no heartbeat, assume this one. Stale is two and a half of it.
    pub heartbeat: Duration,
    /// How long the server may hold a long poll.
    pub poll_wait: Duration,
    /// Seed of the jitter.
    pub seed: u64,
}

impl Config {
    /// The defaults. A shell gives `seed` a value of its own, or all its clients draw the same delays.
    pub fn new(execution_id: ExecutionId) -> Self {
        Self {
            execution_id,
            after: Position::Earliest,
            filter: Filter::default(),
            pace: None,
            manner: Manner::default(),
            transports: Transport::LADDER.to_vec(),
            backoff_base: Duration::from_millis(500),
            backoff_cap: Duration::from_secs(20),
            first_byte_timeout: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            poll_wait: Duration::from_secs(25),
            seed: 0,
        }
    }
}

/// How a connection ended, as far as the shell can tell.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ConnectionEnd {
    /// A WebSocket was closed with this code; 1006 where there was none.
    WebSocket {
        /// The close code.
        code: u16,
    },
    /// The server answered with a status that is no stream: 204, 4xx, 5xx.
    Http {
        /// The status.
        status: u16,
        /// `Retry-After`, where it was sent.
        retry_after: Option<Duration>,
    },
    /// The response body ended, or the connection broke.
    Broken,
}

/// Everything the machine is told.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Begin.
    Start,
    /// End for good; nothing is dialled again.
    Stop,
    /// Try again now, after a terminal refusal too.
    Retry,
    /// One WebSocket text frame, or one whole long-poll response body.
    Text(Generation, &'a str),
    /// A piece of an SSE body.
    Bytes(Generation, &'a [u8]),
    /// A connection ended.
    Closed(Generation, ConnectionEnd),
    /// The page is shown again, or the network is back: probe once.
    Woken,
    /// The network is known to be gone.
    Offline,
    /// The time that the last [`Output::Timeout`] named has come.
    Tick,
}

/// One connection to make; [`Dial::path`] is where. The shell keeps one at a time: a dial replaces
/// whatever was before.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Dial {
    /// Its name.
    pub generation: Generation,
    /// By which transport.
    pub transport: Transport,
    /// Whom to follow.
    pub execution_id: ExecutionId,
    /// From where; goes into the URL.
    pub after: Position,
    /// What of it; goes into the URL.
    pub filter: Filter,
    /// How fast; goes into the URL.
    pub pace: Option<Pace>,
    /// How much; goes into the URL.
    pub manner: Manner,
    /// Long poll: how long the server may hold its answer; goes into the URL.
    pub wait: Duration,
}

/// Everything the machine says.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Connect.
    Dial(Dial),
    /// Let go of this connection.
    Hangup(Generation),
    /// Send this text on this WebSocket.
    Send(Generation, String),
    /// The next event, in order, once.
    Event(Box<StreamEvent>),
    /// Events that will not come.
    Gap {
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// The log was recreated: what was delivered so far is void, and the stream begins anew.
    Reset {
        /// The new incarnation.
        epoch: Epoch,
    },
    /// What the events before the next one come to, in place of them.
    Snapshot(Box<Value>),
    /// From here on less is told than was asked for, or as much again.
    Fidelity(Fidelity),
    /// The state has changed; [`Client::state`] says to what.
    State(State),
    /// Nothing more to say until this time, or until the next input where there is none.
    Timeout(Option<Time>),
}

/// What a shell tells its owner: the outputs that are not about sockets or timers.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The next event, in order, once.
    Event(Box<StreamEvent>),
    /// Events that will not come.
    Gap {
        /// The first missing one.
        from: Seq,
        /// The last missing one.
        to: Seq,
        /// Why.
        reason: GapReason,
    },
    /// The log was recreated: what came before is void.
    Reset {
        /// The new incarnation.
        epoch: Epoch,
    },
    /// What the events before the next one come to, in place of them: a [`RunView`](crate::view::RunView) as JSON.
    Snapshot(Box<Value>),
    /// The server tells less from here on than was asked for, or as much again.
    Fidelity(Fidelity),
    /// The connection's state has changed.
    State(State),
}

/// Why the next dial waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WaitReason {
    /// The dial failed, or the connection broke.
    Broken,
    /// The server was silent for longer than its heartbeat allows.
    Stale,
    /// The server announced that it goes away, or restarts.
    ServerRestart,
    /// The server is full, and said when to come back.
    Busy,
    /// The first byte did not come: the next transport is tried.
    Blocked,
    /// What the stream was opened with has expired, or was revoked.
    Expired,
}

impl From<GoawayReason> for WaitReason {
    fn from(reason: GoawayReason) -> Self {
        match reason {
            GoawayReason::Restart => Self::ServerRestart,
            GoawayReason::Busy => Self::Busy,
            GoawayReason::Expired => Self::Expired,
        }
    }
}

/// The connection, in words that a page can show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum State {
    /// Not started.
    Idle,
    /// A dial is under way.
    Connecting {
        /// By which transport.
        transport: Transport,
        /// 1 for the first since the last event received.
        attempt: u32,
    },
    /// Connected and reading what happened before now.
    CatchingUp {
        /// By which transport.
        transport: Transport,
        /// The last event there was when the connection opened.
        until: Seq,
    },
    /// Connected and at the tail.
    Live {
        /// By which transport.
        transport: Transport,
    },
    /// Between two dials.
    Waiting {
        /// When the next one is.
        until: Time,
        /// Its number since the last event received.
        attempt: u32,
        /// Why.
        reason: WaitReason,
    },
    /// The network is gone; what is here stays here.
    Offline,
    /// The execution has ended and everything of it is here.
    Ended {
        /// How.
        reason: EndReason,
    },
    /// The server refused for good: 400, 401, 403, 404, 410.
    Refused {
        /// The HTTP status, or the one that the close code stands for.
        status: u16,
    },
    /// Stopped by the shell.
    Stopped,
}

/// What the machine has counted since its start.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Events delivered.
    pub events: u64,
    /// Events that came again, and were dropped.
    pub duplicates: u64,
    /// Gaps reported.
    pub gaps: u64,
    /// Events that those gaps stand for.
    pub lost: u64,
    /// Frames that were none.
    pub corrupt: u64,
    /// Connections asked for. Of a long poll, each request.
    pub dials: u64,
    /// Connections on which the server's hello came, after the first.
    pub resumes: u64,
    /// Logs that were recreated.
    pub resets: u64,
}
