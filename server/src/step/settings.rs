//! What pipelines may do that users have posted, `[steps]` in the file.

use serde::{Deserialize, Serialize};

/// What the pipelines that users post may do, on a server with accounts. The operator's own, in the pipelines' folder,
/// are not concerned. `docs/configuration.md` holds it as a table.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepSettings {
    /// The kinds of steps, and the classes, that they may have. None of the default reads a file, opens a connection of
    /// the author's choosing, starts a program, or computes what the author wants: a jq expression can recurse and grow
    /// until the process has no memory.
    pub posted: Vec<String>,
    /// The programs that their `command` steps may start, each as the step names it.
    pub programs: Vec<String>,
    /// Whether their `http` steps reach the machine itself and its networks.
    pub inside: bool,
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
        ];
        Self {
            posted: harmless.map(str::to_owned).to_vec(),
            programs: Vec::new(),
            inside: false,
        }
    }
}

impl StepSettings {
    /// Whether a step of this kind may be among theirs; a class is named with its module where it has one.
    pub(crate) fn may_post(&self, name: &str) -> bool {
        self.posted.iter().any(|posted| posted == name)
    }
}
