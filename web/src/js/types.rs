//! TypeScript declarations of all that crosses the border, from the types themselves.

use stepcast_core::control::{ControlFrame, EndReason, GapReason, GoawayReason};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::{ExecutionId, StepId};
use stepcast_core::pattern::Mark;
use stepcast_core::time::Timestamp;
use stepcast_core::view::{
    ArtifactView, CircuitView, ErrorView, FieldKind, FieldView, FormView, GapView, LogView,
    ModelView, OptionView, PathView, RunStatus, RunView, StepStatus, StepView, ToolCallView, Usage,
    WaitState, WaitView,
};
use ts_rs::{Config, TS};

use super::state::{ConnectionState, TransportName, WaitName};
use crate::summary::Summary;

/// The text of `web/npm/src/types.d.ts`.
pub fn declarations() -> String {
    let mut writer = Writer {
        config: Config::new().with_large_int("number"),
        text: HEAD.to_owned(),
    };
    writer.all();
    writer.text
}

struct Writer {
    config: Config,
    text: String,
}

impl Writer {
    fn all(&mut self) {
        self.add::<StreamEvent>();
        self.add::<EventType>();
        self.add::<ExecutionId>();
        self.add::<StepId>();
        self.add::<Timestamp>();
        self.add::<ControlFrame>();
        self.add::<Mark>();
        self.add::<GapReason>();
        self.add::<GoawayReason>();
        self.add::<EndReason>();
        self.add::<ConnectionState>();
        self.add::<TransportName>();
        self.add::<WaitName>();
        self.add::<Summary>();
        self.add::<RunView>();
        self.add::<RunStatus>();
        self.add::<PathView>();
        self.add::<GapView>();
        self.add::<StepView>();
        self.add::<StepStatus>();
        self.add::<ErrorView>();
        self.add::<LogView>();
        self.add::<ModelView>();
        self.add::<ToolCallView>();
        self.add::<Usage>();
        self.add::<CircuitView>();
        self.add::<ArtifactView>();
        self.add::<WaitView>();
        self.add::<WaitState>();
        self.add::<FormView>();
        self.add::<FieldView>();
        self.add::<FieldKind>();
        self.add::<OptionView>();
    }

    fn add<T: TS>(&mut self) {
        let docs = T::docs().unwrap_or_default();
        let declaration = T::decl(&self.config);
        let whole = format!("\n{docs}export {declaration}\n");
        // a comment of one line stays on one, and nothing ends in a space
        let mut lines = whole.split('\n').map(str::trim_end).peekable();
        while let Some(line) = lines.next() {
            self.text.push_str(line);
            if line == "/**" {
                let said = lines.next().unwrap_or_default();
                let one = lines.peek() == Some(&" */");
                if one {
                    self.text.push_str(said.trim_start_matches(" *"));
                } else {
                    self.text.push('\n');
                    self.text.push_str(said);
                }
                if one {
                    self.text.push_str(lines.next().unwrap_or_default());
                }
            }
            if lines.peek().is_some() {
                self.text.push('\n');
            }
        }
    }
}

const HEAD: &str = "\
// Written by `cargo xtask npm` from the Rust types; changes here are lost.
";
