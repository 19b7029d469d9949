//! Steps: the trait that everything that does work implements, the registry of kinds and classes,
//! and the built-in kinds, one file each.

pub(crate) mod artifact;
mod asking;
mod command;
mod condition;
mod context;
mod delay;
mod emitter;
mod error;
mod fail;
mod file;
mod http;
mod human;
mod llm;
pub(crate) mod outside;
mod policy;
mod python;
mod question;
mod registry;
mod retry_after;
mod set;
mod settings;
pub(crate) mod transform;

use std::fmt;

use futures_util::future::BoxFuture;
use serde_json::Value;

pub(crate) use asking::{Ask, Asking, nobody};
pub(crate) use command::read_program;
pub(crate) use context::Call;
pub use context::{LogLevel, StepContext};
pub(crate) use emitter::StepEmitter;
pub use error::{Category, Severity, StepError};
pub use policy::StepPolicy;
pub use python::PythonSettings;
pub use question::{Answer, AnswerSource, Choice, Field, FieldType, Form, Question};
pub use registry::{StepConfig, StepRegistry};
pub(crate) use retry_after::retry_after;
pub use settings::StepSettings;

/// What a step gives, in its time.
pub type StepFuture<'a> = BoxFuture<'a, Result<Value, StepError>>;

/// Does the work of a step.
///
/// One value serves every iteration, every attempt and every run of its pipeline, at the same time too:
/// what belongs to one attempt is in the [`StepContext`].
///
/// When the run is cancelled, or the attempt takes too long, the future is dropped where it stands;
/// what has to be undone then belongs into a `Drop`. Work that the future has started elsewhere
/// learns of it by [`StepContext::cancelled`].
pub trait Step: Send + Sync {
    /// Runs the step once. The result is its output.
    fn run(&self, context: StepContext) -> StepFuture<'_>;

    /// Whether it may be executed again where the server's end cut it off, whatever its pipeline says: it changes
    /// nothing.
    fn is_idempotent(&self) -> bool {
        false
    }

    /// What is given instead after an error that is recoverable, where `enable_fallback` asks for it.
    fn fallback(&self, context: StepContext, error: StepError) -> Option<StepFuture<'_>> {
        drop((context, error));
        None
    }
}

impl fmt::Debug for dyn Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}
