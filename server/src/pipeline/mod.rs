//! Pipelines: the definition that a file gives, the scheduler that knows no clock and no runtime, and the runner
//! that drives it.
//!
//! ```text
//!  JSON ──▶ definition ──▶ Pipeline ─┬─▶ scheduler: what starts, what waits, which paths are taken
//!                                    └─▶ runner: tasks, attempts, events, deadlines
//! ```
//!
//! ```
//! use std::sync::Arc;
//!
//! use serde_json::{Map, json};
//! use stepcast::context::StreamingContext;
//! use stepcast::pipeline::{Pipeline, RunOptions, RunStatus, run};
//! use stepcast::step::StepRegistry;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let definition = json!({
//!     "name": "Double",
//!     "parameters": {"n": 21},
//!     "steps": [{"id": "double", "type": "transform", "config": {"expression": "{n: ($parameters.n * 2)}"}}],
//!     "flow": {"start_at": "double"},
//!     "outputs": {"n": "{{ double.n }}"},
//! });
//! let pipeline = Pipeline::from_json(&definition, &StepRegistry::builtin())
//!     .map_err(|problems| problems[0].to_string())?;
//! // keeps no events; `StreamingContext::new` over a stream of a log keeps all
//! let context = StreamingContext::disabled("run-1".parse()?);
//! let result = run(Arc::new(pipeline), Map::new(), context, RunOptions::default()).await;
//! assert_eq!(result.status, RunStatus::Completed);
//! assert_eq!(result.output, json!({"n": 42}));
//! # Ok(())
//! # }
//! ```

mod attempt;
mod call;
mod checkpoint;
pub(crate) mod circuit;
mod clock;
pub mod condition;
pub mod data;
pub mod definition;
mod desk;
pub(crate) mod emitter;
mod ending;
pub mod graph;
mod journal;
mod park;
mod result;
mod runner;
pub mod scheduler;
pub mod scope;
mod settlement;
mod slot;
mod state;
pub mod template;
mod waiting;
mod waits;

pub use checkpoint::{Restored, Saved, Unfit};
pub use definition::{Pipeline, Problem, Recovery};
pub use desk::{Desk, Refused, Wait};
pub use park::Park;
pub use result::{RunResult, RunStatus, StepRecord, StepStatus};
pub use runner::{ResumeReason, RunOptions, resume, run};
pub use slot::Slot;
pub use state::RunState;
