//! The HTTP API: handlers take a request apart, call [`crate::executions::Executions`], and put an answer together.

pub(crate) mod announce;
pub(crate) mod answer;
pub(crate) mod artifacts;
pub(crate) mod audit;
pub(crate) mod beacon;
pub(crate) mod body;
pub(crate) mod events;
pub(crate) mod executions;
pub(crate) mod health;
pub(crate) mod incoming;
pub(crate) mod ingest;
mod intake;
pub(crate) mod lines;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod parts;
pub(crate) mod pipelines;
pub(crate) mod producer;
pub(crate) mod prometheus;
pub(crate) mod range;
pub(crate) mod session;
pub(crate) mod shares;
pub(crate) mod slos;
pub(crate) mod tickets;
pub(crate) mod waits;
