//! Tests of the server through its public interface: log, runs, HTTP and real sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod log;
mod pipeline_condition;
mod pipeline_definition;
mod pipeline_events;
mod pipeline_failure;
mod pipeline_format;
mod pipeline_harness;
mod pipeline_run;
mod pipeline_scheduler;
mod pipeline_template;
mod step_command;
mod step_file;
mod step_http;
mod step_transform;
