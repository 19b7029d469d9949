//! Tests of the server through its public interface: log, runs, HTTP and real sockets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test fails by panicking, and tells one story"
)]

mod access_attack;
mod access_browser;
mod access_harness;
mod access_jwt;
mod access_register;
mod access_stream;
mod agui;
mod ahead;
mod artifact;
mod artifact_steps;
mod artifact_stream;
mod artifact_upload;
mod cli;
mod coalesce;
mod counted;
mod crowd;
mod damage;
mod distance;
mod documented;
mod edge_browser;
mod edge_policy;
mod edge_proxy;
mod fan;
mod follow;
mod full;
mod harness;
mod http;
mod human_again;
mod human_api;
mod human_cli;
mod human_form;
mod human_park;
mod human_process;
mod human_run;
mod incarnation;
mod ingest;
mod ingest_harness;
mod ingest_input;
mod ingest_lease;
mod ingest_lines;
mod kill;
mod lifecycle;
mod llm_anthropic;
mod llm_config;
mod llm_failure;
mod llm_gemini;
mod llm_openai;
mod llm_upstream;
mod log;
mod manners;
mod many;
mod many_access;
mod metrics;
mod operator;
mod pipeline_checkpoint;
mod pipeline_circuit;
mod pipeline_condition;
mod pipeline_definition;
mod pipeline_events;
mod pipeline_failure;
mod pipeline_format;
mod pipeline_harness;
mod pipeline_property;
mod pipeline_run;
mod pipeline_scheduler;
mod pipeline_template;
mod process;
mod processes;
mod recorded;
mod recovery;
mod redaction;
mod redaction_run;
mod relay;
mod replay;
mod resume;
mod retention;
mod step_command;
mod step_file;
mod step_http;
mod step_python;
mod step_python_end;
mod step_transform;
mod store;
mod tls;
mod tls_harness;
mod tls_http2;
mod tls_reload;
mod transport;
mod waits;
