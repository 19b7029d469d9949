//! How much room files may take.

use serde::{Deserialize, Serialize};

/// The `[artifacts]` table.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ArtifactSettings {
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// Bytes of one execution's files; 0 for no limit.
    pub max_execution_bytes: u64,
    /// Files of one execution: each is a row, and mostly a file on the disk; 0 for no limit.
    pub max_execution_files: u64,
    /// Bytes of all files together, each content counted once; 0 for no limit.
    pub max_total_bytes: u64,
}

impl Default for ArtifactSettings {
    fn default() -> Self {
        Self {
            max_bytes: 256 << 20,
            max_execution_bytes: 1 << 30,
            max_execution_files: 10_000,
            max_total_bytes: 0,
        }
    }
}

/// A limit, where there is one.
pub(super) fn limit(value: u64) -> u64 {
    if value == 0 { u64::MAX } else { value }
}
