//! Who asks, and what they may do: every resolver comes by here.

use std::sync::{Arc, OnceLock};

use async_graphql::{Context, ErrorExtensions as _};
use stepcast_core::id::ExecutionId;
use stepcast_core::wire::close::CloseCode;

use crate::access::{Action, Caller, Deed, Denied, On, Pass, decide};
use crate::error::Problem;
use crate::executions::Executions;
use crate::limits::StreamPlace;
use crate::log::ExecutionRow;

/// What every resolver is given with a request.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) executions: Executions,
    pub(crate) caller: Caller,
    pub(crate) cut: Cut,
}

/// Why a stream ended that has no end: the connection is to break, so that its client comes back.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<OnceLock<CloseCode>>);

impl Cut {
    /// The first reason stays.
    pub(crate) fn with(&self, code: CloseCode) {
        let _first = self.0.set(code);
    }

    pub(crate) fn code(&self) -> Option<CloseCode> {
        self.0.get().copied()
    }
}

impl Asking {
    pub(crate) fn of<'a>(context: &Context<'a>) -> async_graphql::Result<&'a Self> {
        context.data::<Self>()
    }

    /// Whether they may do this, to no execution that there is.
    pub(crate) async fn may(&self, action: Action) -> Result<Pass, Problem> {
        self.counted(action, None).await?;
        let pass = decide(&self.caller.identity, action, On::Nothing);
        self.decided(action, None, pass).await
    }

    /// Counts what is dear: the place of a stream that is opened.
    pub(crate) async fn counted(
        &self,
        action: Action,
        id: Option<&ExecutionId>,
    ) -> Result<Option<StreamPlace>, Problem> {
        let Some(closed) = self.executions.access().closed() else {
            return Ok(None);
        };
        let (identity, source) = (&self.caller.identity, self.caller.source);
        closed.counted(identity, source, action, id).await
    }

    /// The execution of this id, where they may do this to it. Another's is as unknown as one that is not there.
    pub(crate) async fn execution(
        &self,
        id: &str,
        action: Action,
    ) -> Result<(ExecutionRow, Pass), Problem> {
        let id: ExecutionId = id.parse()?;
        // for what is logged of this request
        tracing::Span::current().record("execution_id", id.as_str());
        let row = self.executions.find(&id)?;
        let pass = decide(&self.caller.identity, action, On::Execution(row.as_ref()));
        let pass = self.decided(action, Some(&id), pass).await?;
        let row = row.ok_or_else(Problem::unknown_execution)?;
        if matches!(action, Action::Watch | Action::WatchAll) && self.is_news(action, Some(&id)) {
            self.note(action, Some(&id), 200).await;
        }
        Ok((row, pass))
    }

    /// What was decided, unless what it rests on is not good any more; refusals are told to the audit log.
    async fn decided(
        &self,
        action: Action,
        id: Option<&ExecutionId>,
        pass: Result<Pass, Denied>,
    ) -> Result<Pass, Problem> {
        let access = self.executions.access();
        let pass = pass.and_then(|pass| match access.is_good(&pass) {
            true => Ok(pass),
            false => Err(Denied::Stranger),
        });
        if let Err(denied) = pass
            && self.is_news(action, id)
        {
            self.note(action, id, denied.told().0).await;
        }
        Ok(pass?)
    }

    /// Whether the audit log was not told of it lately.
    fn is_news(&self, action: Action, id: Option<&ExecutionId>) -> bool {
        let (closed, word) = (self.executions.access().closed(), action.word());
        closed.zip(word).is_some_and(|(closed, word)| {
            let id = id.map(ExecutionId::as_str);
            closed.told.is_news(&self.caller.identity, word, id)
        })
    }

    /// Tells the audit log what somebody did.
    pub(crate) async fn note(&self, action: Action, id: Option<&ExecutionId>, status: u16) {
        if let (Some(closed), Some(word)) = (self.executions.access().closed(), action.word()) {
            let (identity, source) = (&self.caller.identity, self.caller.source);
            let deed = Deed {
                execution: id.map(ToString::to_string),
                ..Deed::of(identity, source, word, status)
            };
            closed.note(deed).await;
        }
    }

    /// What came of something, told to the audit log.
    pub(crate) async fn noted<T>(
        &self,
        action: Action,
        id: &ExecutionId,
        came: Result<T, Problem>,
    ) -> Result<T, Problem> {
        let status = came.as_ref().map_or_else(Problem::status, |_done| 200);
        self.note(action, Some(id), status).await;
        came
    }
}

impl From<Problem> for async_graphql::Error {
    fn from(problem: Problem) -> Self {
        let status = problem.status();
        let flaws = problem.flaws().to_vec();
        Self::new(problem.detail()).extend_with(|_, extensions| {
            extensions.set("code", code(status));
            extensions.set("status", status);
            if let Ok(flaws) = async_graphql::to_value(&flaws)
                && flaws != async_graphql::Value::List(Vec::new())
            {
                extensions.set("errors", flaws);
            }
        })
    }
}

/// What a status is called where there is no status.
pub(crate) const fn code(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "FORBIDDEN",
        404 => "NOT_FOUND",
        409 => "CONFLICT",
        410 => "GONE",
        413 => "TOO_LARGE",
        422 => "INVALID",
        429 => "TOO_MANY",
        500.. => "FAILED",
        _ => "BAD_REQUEST",
    }
}
