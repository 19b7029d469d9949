//! Files that runs make: kept by the hash of their content, beside the log.
//!
//! A file is written beside its place and renamed, before the event that announces it is emitted; the reference of the
//! execution is kept in that event's own transaction. So what is announced is there, and what is there without a
//! reference was never announced, or its executions have gone: the sweep takes it away.

mod error;
mod hold;
mod settings;
mod shelf;
mod sweep;
mod writing;

pub use self::error::ArtifactError;
pub use self::hold::Kept;
pub use self::settings::ArtifactSettings;
pub use self::shelf::Artifacts;
pub use self::writing::Writing;
