//! How a session behaves.

use std::time::Duration;

/// How a session behaves.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// A ping goes out where nothing else did for this long.
    pub heartbeat: Duration,
    /// What the hello tells clients to wait before they come back. A shell draws it for each connection.
    pub retry: Duration,
    /// No connection follows more executions.
    pub max_subscriptions: usize,
    /// Events in one read.
    pub page: usize,
    /// The connection is for one execution, named in its URL, and closes with it.
    pub single: bool,
    /// The connection follows what its URL says, and closes when there is nothing more to follow.
    pub finite: bool,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(15),
            retry: Duration::from_millis(500),
            max_subscriptions: 64,
            page: 1024,
            single: false,
            finite: false,
        }
    }
}
