//! Waits for a person: what is asked, of whom, until when, and what came of it.

use serde::Serialize;
use serde_json::Value;

use super::form::FormView;
use super::read::{text_of, texts_of, value_of};
use super::text::push;
use crate::time::Timestamp;

/// A wait of a step for a person.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
pub struct WaitView {
    /// Its id, unique in the execution.
    pub wait_id: String,
    /// Where it stands.
    pub state: WaitState,
    /// Which time through a loop it belongs to.
    pub iteration: u64,
    /// What is asked.
    pub prompt: Option<String>,
    /// What is to be filled in.
    pub form: FormView,
    /// What the person is to know.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub context: Option<Value>,
    /// Who is asked; anybody where the list is empty.
    pub assigned_users: Vec<String>,
    /// Where they are told of it.
    pub channels: Vec<String>,
    /// When it is over without an answer, in milliseconds since 1970.
    pub expires_at: Option<u64>,
    /// The answer that it then has; without one the step fails.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub default: Option<Value>,
    /// Milliseconds since 1970.
    pub asked_at: Option<u64>,
    /// What was answered.
    #[cfg_attr(feature = "types", ts(type = "any"))]
    pub answer: Option<Value>,
    /// By whom, where they said so.
    pub by: Option<String>,
    /// `person` or `default`.
    pub source: Option<String>,
    /// Milliseconds since 1970.
    pub answered_at: Option<u64>,
}

/// Where a wait stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "types", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitState {
    /// It takes an answer.
    #[default]
    Pending,
    /// It has its answer.
    Answered,
    /// It is over without one: the step or the run ended, or the step begins again.
    Closed,
}

/// The most waits kept for a step.
pub const MAX_WAITS: usize = 20;

impl WaitView {
    /// Reads what is asked; none where it names no wait.
    pub(super) fn read(data: &Value, iteration: u64, at: Option<u64>) -> Option<Self> {
        let expires_at = text_of(data, "expires_at").map(Timestamp::from);
        Some(Self {
            wait_id: text_of(data, "wait_id")?,
            iteration,
            prompt: text_of(data, "prompt"),
            form: FormView::read(data.get("form").unwrap_or(&Value::Null)),
            context: value_of(data, "context"),
            assigned_users: texts_of(data, "assigned_users"),
            channels: texts_of(data, "channels"),
            expires_at: expires_at.and_then(|at| at.unix_millis()),
            default: value_of(data, "default"),
            asked_at: at,
            ..Self::default()
        })
    }

    /// Puts it into a list. It takes the place of one of the same id.
    pub(super) fn join(self, list: &mut Vec<Self>, dropped: &mut u64) {
        match list.iter_mut().find(|held| held.wait_id == self.wait_id) {
            Some(held) => *held = self,
            None => push(list, dropped, MAX_WAITS, self),
        }
    }

    /// Takes what was answered.
    pub(super) fn answer(&mut self, data: &Value, at: Option<u64>) {
        self.state = WaitState::Answered;
        self.answer = data.get("answer").cloned();
        self.by = text_of(data, "by");
        self.source = text_of(data, "source");
        self.answered_at = at;
    }
}

/// Ends the waits that have no answer.
pub(super) fn close(list: &mut [WaitView]) {
    for wait in list {
        if wait.state == WaitState::Pending {
            wait.state = WaitState::Closed;
        }
    }
}

/// Whether one of them takes an answer.
pub(super) fn any_pending(list: &[WaitView]) -> bool {
    list.iter().any(|wait| wait.state == WaitState::Pending)
}
