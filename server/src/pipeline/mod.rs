//! Pipelines: the definition that a file gives, the scheduler that knows no clock and no runtime, and the runner
//! that drives it.
//!
//! ```text
//!  JSON ──▶ definition ──▶ Pipeline ─┬─▶ scheduler: what starts, what waits, which paths are taken
//!                                    └─▶ runner: tasks, attempts, events, deadlines
//! ```

mod attempt;
pub mod condition;
pub mod data;
pub mod definition;
pub(crate) mod emitter;
pub mod graph;
mod result;
mod runner;
pub mod scheduler;
pub mod scope;
mod state;
pub mod template;

pub use definition::{Pipeline, Problem};
pub use result::{RunResult, RunStatus, StepRecord, StepStatus};
pub use runner::{RunOptions, run};
pub use state::RunState;
