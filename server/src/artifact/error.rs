//! Why a file is not kept.

use std::io;

use axum::http::StatusCode;
use thiserror::Error;

use crate::error::Problem;
use crate::log::{ContentHash, StoreError};
use crate::step::{Category, StepError};

/// Why not.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ArtifactError {
    /// The file has more bytes than one may have.
    #[error("the file has more than {0} bytes; the setting is artifacts.max_bytes")]
    TooLarge(u64),
    /// The files of the execution have more bytes than they may have.
    #[error(
        "the files of this execution would have more than {0} bytes; the setting is artifacts.max_execution_bytes"
    )]
    ExecutionBytes(u64),
    /// The execution has as many files as it may have.
    #[error(
        "the execution has {0} files, and no more are kept; the setting is artifacts.max_execution_files"
    )]
    ExecutionFiles(u64),
    /// All files together have more bytes than they may have.
    #[error(
        "the files of all executions would have more than {0} bytes; delete executions, or raise the setting artifacts.max_total_bytes"
    )]
    Total(u64),
    /// It is not what it was said to be.
    #[error("the file's SHA-256 is {found}, and not {expected}: send it again")]
    Mismatch {
        /// As it was said.
        expected: ContentHash,
        /// As it is.
        found: ContentHash,
    },
    /// The name cannot be shown as one.
    #[error(
        "a file's name has 1 to 255 bytes, no control characters and no `/` or `\\`: it is a name, and no path"
    )]
    Name,
    /// The type is none.
    #[error("a media type is written as `image/png`")]
    MediaType,
    /// Nothing is kept of this run.
    #[error("no files are kept of this run: start it without `mode: blocking`")]
    NotKept,
    /// The disk refused.
    #[error("the file cannot be kept: {0}")]
    Io(#[from] io::Error),
    /// The log refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ArtifactError {
    fn is_full_disk(error: &io::Error) -> bool {
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        )
    }
}

impl From<ArtifactError> for StepError {
    fn from(error: ArtifactError) -> Self {
        let category = match error {
            ArtifactError::Name | ArtifactError::MediaType | ArtifactError::NotKept => {
                Category::Configuration
            }
            ArtifactError::Mismatch { .. } => Category::Validation,
            ArtifactError::TooLarge(_)
            | ArtifactError::ExecutionBytes(_)
            | ArtifactError::ExecutionFiles(_)
            | ArtifactError::Total(_)
            | ArtifactError::Io(_)
            | ArtifactError::Store(_) => Category::Resource,
        };
        Self::new(category, error.to_string())
    }
}

impl From<ArtifactError> for Problem {
    fn from(error: ArtifactError) -> Self {
        let status = match &error {
            ArtifactError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            ArtifactError::ExecutionBytes(_)
            | ArtifactError::ExecutionFiles(_)
            | ArtifactError::Total(_) => StatusCode::INSUFFICIENT_STORAGE,
            ArtifactError::Mismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            ArtifactError::Name | ArtifactError::MediaType => StatusCode::BAD_REQUEST,
            ArtifactError::NotKept => StatusCode::CONFLICT,
            ArtifactError::Io(cause) if ArtifactError::is_full_disk(cause) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            ArtifactError::Io(cause) => {
                tracing::error!(error = %cause, "a file could not be kept");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            ArtifactError::Store(_) => {
                if let ArtifactError::Store(error) = error {
                    return error.into();
                }
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let mut detail = error.to_string();
        if let Some(first) = detail.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Self::new(status, detail + ".")
    }
}
