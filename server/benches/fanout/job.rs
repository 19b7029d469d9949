//! What the director tells a server and the load generator, and what it is told back; JSON between processes.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// How events travel.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Transport {
    /// Server-sent events.
    Sse,
    /// WebSocket.
    Ws,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sse => "SSE",
            Self::Ws => "WebSocket",
        }
    }
}

/// What carries a connection.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Wire {
    /// TCP, and HTTP/1.1.
    Clear,
    /// HTTP/1.1 under TLS.
    Tls,
    /// HTTP/2 under TLS, so many subscribers on one connection.
    Http2 { streams: usize },
}

/// How a subscriber wants its bytes compressed, and what they are to be.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Coding {
    /// Not at all.
    #[default]
    Plain,
    Gzip,
    Zstd,
    Brotli,
    /// `permessage-deflate`, a message by itself or with what came before it.
    Messages {
        takes_over: bool,
    },
    /// Not at all, and written in CBOR.
    Cbor,
    /// Written in CBOR, then as `Messages` that take over.
    CborMessages,
}

impl Coding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "as it is",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Messages { takes_over: true } => "permessage-deflate",
            Self::Messages { takes_over: false } => "permessage-deflate, no context takeover",
            Self::Cbor => "CBOR",
            Self::CborMessages => "CBOR, permessage-deflate",
        }
    }
}

/// A server that is a role of this executable.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Role {
    /// The product: its library, serving in the role's process; the log is on disk.
    Stepcast,
    /// The same, and what it writes is not measured.
    Unmeasured,
    /// `write(2)` over shared bytes, and nothing else.
    Raw,
    /// axum with a broadcast channel, as most would write it.
    Broadcast,
    /// No server: publishes to one beside it, as the control connection asks.
    Publisher,
}

/// What a server is to hold.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Service {
    pub(crate) role: Role,
    pub(crate) transport: Transport,
    pub(crate) shape: Shape,
    /// A folder of its own, removed by the director.
    pub(crate) directory: std::path::PathBuf,
    /// Where a publisher publishes.
    pub(crate) publish_to: Option<Publish>,
}

/// Where a publisher publishes.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Publish {
    /// `POST /publish/{stream}`.
    Http(SocketAddr),
    /// `PUB {stream}`, over NATS's own TCP.
    Nats(SocketAddr),
}

/// The streams and their events.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Shape {
    pub(crate) streams: usize,
    /// Subscribers of each stream.
    pub(crate) subscribers: usize,
    /// Bytes of an event's JSON.
    pub(crate) event_bytes: usize,
    /// Whether events are tokens of a language model.
    pub(crate) tokens: bool,
    /// Whether tokens that follow one another shortly are one event.
    pub(crate) merged: bool,
    /// Whether an event's text is of words; else it is one letter.
    pub(crate) words: bool,
    /// How much a server remembers.
    pub(crate) history: History,
    pub(crate) wire: Wire,
}

/// How much a server remembers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum History {
    /// Nobody asks for what is past.
    Newest,
    /// All of it, where the server keeps it by default.
    Kept,
    /// All of it, in memory.
    Memory,
}

/// What a server says once it can be reached: one line on its standard output.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Ready {
    pub(crate) http: SocketAddr,
    pub(crate) control: SocketAddr,
    /// What stands before an event's number in a cursor.
    pub(crate) cursor_prefix: String,
}

/// One measurement, for the load generator.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Job {
    pub(crate) target: Target,
    pub(crate) shape: Shape,
    pub(crate) drive: Drive,
    /// Seconds before the measurement counts, and those that count.
    pub(crate) warm: f64,
    pub(crate) seconds: f64,
    /// Subscribers that stop reading once they are attached.
    pub(crate) stalled: usize,
}

/// How to reach a server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Target {
    pub(crate) http: SocketAddr,
    pub(crate) control: SocketAddr,
    pub(crate) transport: Transport,
    pub(crate) coding: Coding,
    /// The request's path; `{run}` stands for the stream.
    pub(crate) path: String,
    /// What is waited for in turn, and sent then, until a subscriber is attached.
    pub(crate) handshake: Vec<Exchange>,
    /// How a subscriber comes back to its place.
    pub(crate) resume: Resume,
    /// Whether the control connection answers.
    pub(crate) answers: bool,
    /// Whose CPU and memory are the server's.
    pub(crate) pids: Vec<u32>,
}

/// A step on the way to being attached; `{run}` in what is sent stands for the stream.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Exchange {
    pub(crate) expect: String,
    /// Sent as a WebSocket text frame.
    pub(crate) send: Option<String>,
}

/// How a subscriber comes back to its place.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Resume {
    /// It cannot.
    None,
    /// With the number of the last event after this prefix, in `?after=`.
    After(String),
    /// With the last `id:` that it was given, in `Last-Event-ID`.
    LastEventId,
}

/// When events are emitted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Drive {
    /// So many of each stream are on their way at once: the next when every subscriber has the former.
    Window(u64),
    /// So many a second of each stream.
    Rate(f64),
    /// As [`Drive::Rate`], and every subscriber is cut off once and comes back.
    Cut(f64),
    /// None.
    Idle,
    /// So many are there already; readers come one after another.
    Replay(u64),
}

/// What a measurement gave.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(crate) struct Report {
    /// Deliveries in the seconds that count.
    pub(crate) deliveries: u64,
    /// Bytes that brought them.
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
    /// CPU-seconds, user and system.
    pub(crate) server_cpu: f64,
    pub(crate) load_cpu: f64,
    /// From emitting to having read, milliseconds.
    pub(crate) latency: [f64; 3],
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    /// Connections that the server ended.
    pub(crate) broken: u64,
    /// Events that a rate asked for and that were held back, as the server was 64 behind.
    pub(crate) held_back: u64,
    /// The server's memory before the first subscriber, with all attached, and at the end; KiB.
    pub(crate) memory_kib: [u64; 3],
    /// From the cut to the last one having caught up, milliseconds.
    pub(crate) caught_up_ms: Option<f64>,
    /// `emit`, microseconds: median, 99 %, mean.
    pub(crate) emit_us: Option<[f64; 3]>,
}
