//! What a client sends to start a run, or to go on with one.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepcast_core::id::ExecutionId;

use super::interrupt::Interrupted;
use crate::error::{Flaw, Problem};
use crate::transport::translated::data::last_said;

/// `RunAgentInput`. What is not read here is for agents of other kinds.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunAgentInput {
    pub(crate) thread_id: String,
    pub(crate) run_id: String,
    parent_run_id: Option<String>,
    #[serde(default)]
    state: Value,
    #[serde(default)]
    messages: Vec<Value>,
    #[serde(default)]
    tools: Vec<Value>,
    #[serde(default)]
    context: Vec<Value>,
    #[serde(default)]
    forwarded_props: Value,
    #[serde(default)]
    pub(crate) resume: Vec<ResumeEntry>,
}

/// What is to become of one interrupt.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResumeEntry {
    interrupt_id: String,
    status: Resolution,
    #[serde(default)]
    payload: Value,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Resolution {
    Resolved,
    Cancelled,
}

/// What the entries of a `resume` come to.
#[derive(Debug)]
pub(crate) struct Resume {
    pub(crate) execution_id: ExecutionId,
    /// What is answered, by question.
    pub(crate) answers: BTreeMap<String, Value>,
    /// Somebody would rather not answer: the run is to end.
    pub(crate) cancels: bool,
}

impl RunAgentInput {
    /// The pipeline's input: what the client forwards, and what it has said, under names of their own.
    pub(crate) fn into_input(mut self) -> Map<String, Value> {
        let forwarded = std::mem::take(&mut self.forwarded_props);
        let mut input = forwarded.as_object().cloned().unwrap_or_default();
        if let Some(prompt) = last_said(&self.messages, "content") {
            input.entry("prompt").or_insert(prompt.into());
        }
        for (key, list) in [
            ("messages", self.messages),
            ("tools", self.tools),
            ("context", self.context),
        ] {
            if !list.is_empty() {
                input.insert(key.into(), list.into());
            }
        }
        let mut client = json!({ "thread_id": self.thread_id, "run_id": self.run_id });
        if let Some(client) = client.as_object_mut() {
            if let Some(parent) = self.parent_run_id {
                client.insert("parent_run_id".into(), parent.into());
            }
            if let Value::Object(mut state) = self.state {
                // what the last run of the thread told is not what this one is given
                state.retain(|key, _| !OWN.contains(&key.as_str()));
                if !state.is_empty() {
                    client.insert("state".into(), state.into());
                }
            }
        }
        input.insert("agui".into(), client);
        input
    }

    /// What is answered, where anything is: all of one execution.
    ///
    /// # Errors
    /// 422 where there is nothing, an id is none of ours, or two executions are meant.
    pub(crate) fn resumes(&self) -> Result<Resume, Problem> {
        let flaw = |number: usize, message: &str| {
            let flaw = Flaw {
                path: format!("$.resume[{number}].interruptId"),
                message: message.to_owned(),
                suggestion: None,
            };
            Problem::invalid("The interrupts cannot be answered.", vec![flaw])
        };
        let mut resume: Option<Resume> = None;
        for (number, entry) in self.resume.iter().enumerate() {
            let Some(asked) = Interrupted::parse(&entry.interrupt_id) else {
                return Err(flaw(
                    number,
                    "the id of an interrupt of this server is EXECUTION/WAIT",
                ));
            };
            let resume = resume.get_or_insert_with(|| Resume {
                execution_id: asked.execution_id.clone(),
                answers: BTreeMap::new(),
                cancels: false,
            });
            if resume.execution_id != asked.execution_id {
                return Err(flaw(
                    number,
                    "one request answers the interrupts of one run",
                ));
            }
            match entry.status {
                Resolution::Resolved => {
                    resume.answers.insert(asked.wait_id, entry.payload.clone());
                }
                Resolution::Cancelled => resume.cancels = true,
            }
        }
        resume.ok_or_else(|| flaw(0, "there is nothing in `resume`"))
    }
}

/// Members of the state that a run tells of itself.
const OWN: [&str; 7] = [
    "execution_id",
    "pipeline",
    "status",
    "steps",
    "waits",
    "output",
    "error",
];
