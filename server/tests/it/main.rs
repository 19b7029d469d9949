//! Tests of the server through its public interface: log, runs, HTTP and real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod follow;
mod log;
