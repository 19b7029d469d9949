//! Questions to people.

use async_graphql::{Context, Enum, ID, Json, Object, Result};
use serde_json::Value;

use super::asking::Asking;
use super::execution::Execution;
use crate::access::Action;
use crate::executions::{self, WaitRecord};

/// Where a question stands.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "executions::Standing")]
pub(super) enum Standing {
    /// Somebody may answer it.
    Waiting,
    /// It is answered.
    Answered,
    /// It ended without an answer.
    Closed,
}

/// A question to people, as its reader may see it.
#[derive(Clone, Debug)]
pub(super) struct Wait(WaitRecord);

impl Wait {
    pub(super) fn new(record: WaitRecord) -> Self {
        Self(record)
    }

    fn told(&self, key: &str) -> Option<&Value> {
        self.0.question.get(key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.told(key).and_then(Value::as_str)
    }
}

/// A question to people.
#[Object]
impl Wait {
    /// Unique in its execution.
    async fn id(&self) -> ID {
        self.0.wait_id().into()
    }

    async fn execution_id(&self) -> ID {
        self.0.execution_id.as_str().into()
    }

    #[graphql(complexity = "5 + child_complexity")]
    async fn execution(&self, context: &Context<'_>) -> Result<Execution> {
        let asking = Asking::of(context)?;
        let id = self.0.execution_id.as_str();
        let (row, pass) = asking.execution(id, Action::Watch).await?;
        Ok(Execution::new(row, pass))
    }

    /// The step that asks.
    async fn step_id(&self) -> &str {
        &self.0.step_id
    }

    async fn status(&self) -> Standing {
        self.0.status.into()
    }

    async fn prompt(&self) -> Option<&str> {
        self.text("prompt")
    }

    /// The fields of the answer, as docs/protocol.md has them.
    async fn form(&self) -> Option<Json<&Value>> {
        self.told("form").map(Json)
    }

    async fn context(&self) -> Option<Json<&Value>> {
        self.told("context").map(Json)
    }

    async fn asked_at(&self) -> String {
        self.0.asked_at.to_string()
    }

    async fn expires_at(&self) -> Option<&str> {
        self.text("expires_at")
    }

    /// The answer, where there is one.
    async fn answer(&self) -> Option<Json<Value>> {
        let answer = self.0.answer.as_ref()?;
        let told = serde_json::to_value(answer).ok()?;
        told.get("answer").cloned().map(Json)
    }

    /// Who gave it.
    async fn by(&self) -> Option<String> {
        let told = serde_json::to_value(self.0.answer.as_ref()?).ok()?;
        told.get("by").and_then(Value::as_str).map(str::to_owned)
    }
}
