//! The settings of limits, `[limits]` in the file.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How much anybody may ask for, and how long they may take over it. `docs/configuration.md` holds it as a table.
///
/// The defaults are far above what people and their programs do; they keep one who floods the server from taking it
/// away from the others.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Connections at once, from everybody; 0 for no limit.
    pub connections: usize,
    /// Connections at once from one address that is no trusted proxy, of IPv6 from one network of 64 bits; 0 for no
    /// limit.
    pub connections_per_address: usize,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// The most header fields of a request.
    pub head_fields: usize,
    /// From its first byte on, the head of a request may take this long, in milliseconds.
    pub head_deadline_ms: u64,
    /// A connection on which no request is under way is closed after this, in milliseconds. Above the idle limits of
    /// proxies in front (nginx 60 s), so that none sends a request into a connection that is being closed.
    pub idle_deadline_ms: u64,
    /// A body may pause for this long, in milliseconds; a stream of events for as long as its run's lease.
    pub body_deadline_ms: u64,
    /// Past that time the body must have come at this pace, in bytes a second; 0 for no limit.
    pub body_bytes_per_second: u64,
    /// How deep arrays and objects may stand in each other, in JSON that comes in. What comes in is sent on inside
    /// other JSON, and readers bound it too, at 128 most of them.
    pub json_depth: usize,
    /// The largest message that a WebSocket's client may send, in bytes.
    pub message_bytes: usize,
    /// Executions that are followed at once on one connection.
    pub subscriptions_per_connection: usize,
    /// Streams that one user may open in a minute, subscriptions of a shared connection among them; 0 for no limit,
    /// as in the next four.
    pub opens_per_minute: u32,
    /// Streams that one user has open at once.
    pub streams_per_user: usize,
    /// Runs that one user may start in a minute, or have go on.
    pub starts_per_minute: u32,
    /// What one user may write of events in a second, in bytes.
    pub ingest_bytes_per_second: u32,
    /// How many events one user may write in a second; after a rest ten times as many.
    pub ingest_events_per_second: u32,
    /// A peer from which nothing has come for so long is gone, in milliseconds: no acknowledgement of what it was
    /// sent, no answer to a WebSocket's pings; 0 for no limit.
    pub silent_peer_ms: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            connections: 20_000,
            connections_per_address: 0,
            head_bytes: 64 << 10,
            head_fields: 100,
            head_deadline_ms: 15_000,
            idle_deadline_ms: 75_000,
            body_deadline_ms: 30_000,
            body_bytes_per_second: 1_024,
            json_depth: 64,
            message_bytes: 64 << 10,
            subscriptions_per_connection: 64,
            opens_per_minute: 1_200,
            streams_per_user: 2_000,
            starts_per_minute: 600,
            ingest_bytes_per_second: 32 << 20,
            ingest_events_per_second: 50_000,
            silent_peer_ms: 120_000,
        }
    }
}

impl LimitSettings {
    /// Which setting cannot be used, and why.
    pub(crate) fn check(&self) -> Result<(), (&'static str, &'static str)> {
        for (key, value, range, message) in [
            (
                "limits.head_bytes",
                self.head_bytes,
                8_192..=1 << 20,
                "must be from 8192 to 1048576",
            ),
            (
                "limits.head_fields",
                self.head_fields,
                20..=10_000,
                "must be from 20 to 10000",
            ),
            (
                "limits.json_depth",
                self.json_depth,
                8..=120,
                "must be from 8 to 120",
            ),
            (
                "limits.message_bytes",
                self.message_bytes,
                1_024..=16 << 20,
                "must be from 1024 to 16777216",
            ),
            (
                "limits.subscriptions_per_connection",
                self.subscriptions_per_connection,
                1..=10_000,
                "must be from 1 to 10000",
            ),
        ] {
            if !range.contains(&value) {
                return Err((key, message));
            }
        }
        for (key, value) in [
            ("limits.head_deadline_ms", self.head_deadline_ms),
            ("limits.idle_deadline_ms", self.idle_deadline_ms),
            ("limits.body_deadline_ms", self.body_deadline_ms),
        ] {
            if !(100..=3_600_000).contains(&value) {
                return Err((key, "must be from 100 to 3600000"));
            }
        }
        Ok(())
    }

    /// How long a peer may be silent.
    pub(crate) fn silent_peer(&self) -> Option<Duration> {
        (self.silent_peer_ms > 0).then(|| Duration::from_millis(self.silent_peer_ms))
    }
}
