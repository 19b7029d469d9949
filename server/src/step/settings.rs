//! What pipelines may do that users have posted, `[steps]` in the file.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What steps may take, and what those of pipelines may do that users post on a server with accounts: the operator's
/// own, in the pipelines' folder, are not concerned by that. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepSettings {
    /// The kinds of steps, and the classes, that posted pipelines may have. None of the default reads a file, opens a
    /// connection of the author's choosing or starts a program of theirs. `transform` is among it only where there is an
    /// `evaluator`.
    pub posted: Vec<String>,
    /// The programs that their `command` steps may start, each as the step names it.
    pub programs: Vec<String>,
    /// Whether their `http` steps reach the machine itself and its networks.
    pub inside: bool,
    /// The program that applies the expressions of `transform` steps, each in a process of its own; `stepcast` is its
    /// own. Without, they are applied in this process, and one that recurses or grows without end ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evaluator: Option<PathBuf>,
    /// Processes of `evaluator` at once; further steps wait for their turn.
    pub transform_processes: usize,
    /// The most memory that an expression may take, in bytes.
    pub transform_memory_bytes: u64,
    /// How long an expression may compute, in seconds of a processor's time; waiting for values is not counted.
    pub transform_cpu_seconds: u64,
}

impl Default for StepSettings {
    fn default() -> Self {
        let harmless = [
            "approval",
            "condition",
            "delay",
            "fail",
            "human",
            "human_input",
            "llm",
            "set",
            "transform",
        ];
        Self {
            posted: harmless.map(str::to_owned).to_vec(),
            programs: Vec::new(),
            inside: false,
            evaluator: None,
            transform_processes: 8,
            transform_memory_bytes: 512 << 20,
            transform_cpu_seconds: 60,
        }
    }
}

impl StepSettings {
    /// Whether a step of this kind may be among theirs; a class is named with its module where it has one.
    pub(crate) fn may_post(&self, name: &str) -> bool {
        self.posted.iter().any(|posted| posted == name) && !self.is_unbounded(name)
    }

    /// Whether it may take all that the process has.
    pub(crate) fn is_unbounded(&self, name: &str) -> bool {
        name == "transform" && self.evaluator.is_none()
    }
}
