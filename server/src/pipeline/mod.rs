//! Pipelines: the definition that a file gives, the scheduler that knows no clock and no runtime, and the runner
//! that drives it.
//!
//! ```text
//!  JSON ──▶ definition ──▶ Pipeline ─┬─▶ scheduler: what starts, what waits, which paths are taken
//!                                    └─▶ runner: tasks, attempts, events, deadlines
//! ```

pub mod condition;
pub mod data;
pub mod definition;
pub(crate) mod emitter;
pub mod graph;
pub mod scope;
pub mod template;

pub use definition::{Pipeline, Problem};
