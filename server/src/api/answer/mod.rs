//! What the API answers with, in types: handlers fill them, and `spec::openapi` describes them.

mod account;
mod execution;
mod pipeline;
mod process;

pub(crate) use self::account::{Drawn, Entries, Session, Share, Shares};
pub(crate) use self::execution::{
    Alive, Announced, Answered, ArtifactEntry, Artifacts, Cancelling, Created, Finished, Links,
    Listed, OpenWaits, Resumed, Shown, Started, Summary, Taken, Waits,
};
pub(crate) use self::pipeline::{Pipelines, ShownPipeline, Stored, Valid};
pub(crate) use self::process::{Health, Metrics, Ready};
