//! Tests of the server through its public interface: log, runs, HTTP and real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by panicking, and tells one story"
)]

mod follow;
mod harness;
mod http;
mod lifecycle;
mod log;
mod manners;
mod pipeline_condition;
mod pipeline_definition;
mod pipeline_template;
mod store;
mod transport;
