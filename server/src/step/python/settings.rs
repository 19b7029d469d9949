//! How steps that are Python classes are run, as the configuration says it.

use serde::{Deserialize, Serialize};

/// The `[python]` table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct PythonSettings {
    /// Whether pipelines may name Python classes.
    pub enabled: bool,
    /// The program that runs them: Python 3.9 or later, of an environment that has what they import.
    pub interpreter: String,
    /// Folders in which modules are looked for, after the pipeline's own.
    pub path: Vec<String>,
    /// Variables of the server's environment that steps see, beside the few that every program needs.
    pub environment: Vec<String>,
    /// Workers at once; a step waits where all are busy.
    pub max_workers: usize,
    /// Steps that one worker runs before it is replaced.
    pub max_uses: u32,
    /// A worker that nobody has used for so long ends, in seconds.
    pub idle_seconds: u64,
    /// The address space of a worker, in bytes; 0 for no limit.
    pub max_memory_bytes: u64,
}

impl Default for PythonSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            interpreter: "python3".to_owned(),
            path: Vec::new(),
            environment: Vec::new(),
            max_workers: 16,
            max_uses: 1_000,
            idle_seconds: 60,
            max_memory_bytes: 4 << 30,
        }
    }
}
