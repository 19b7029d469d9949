//! Tests of the server through its public interface: log, runs, HTTP and real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod http;
mod log;
mod pipeline_condition;
mod pipeline_definition;
mod pipeline_template;
mod transport;
