//! The HTTP API: handlers take a request apart, call [`crate::executions::Executions`], and put an answer together.

pub(crate) mod body;
pub(crate) mod events;
pub(crate) mod executions;
pub(crate) mod health;
pub(crate) mod parts;
pub(crate) mod pipelines;
