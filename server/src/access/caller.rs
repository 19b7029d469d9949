//! Who calls a handler.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::decision::{Denied, Pass, whose};
use super::identity::Identity;
use super::{Access, Action, Known, On, decide};
use crate::edge::Source;
use crate::error::Problem;
use crate::executions::Executions;
use crate::limits::{Later, Rates, StreamPlace, Who};
use crate::log::ExecutionRow;
use crate::telemetry::Wire;
use crate::trace::TraceContext;

/// Who calls, and how far what the route asks of them reaches.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) identity: Identity,
    pub(crate) pass: Pass,
    /// From where.
    pub(crate) source: Source,
    /// On what kind of connection.
    pub(crate) wire: Wire,
    /// The place of the stream that they open, where such are counted.
    pub(crate) place: Option<StreamPlace>,
    /// They have asked too often, of a route that says so itself.
    pub(crate) later: Option<Later>,
    /// The trace that their request belongs to.
    pub(crate) trace: Option<TraceContext>,
}

impl Caller {
    /// On a server without accounts.
    pub(crate) fn local() -> Self {
        Self {
            identity: Identity::Local,
            pass: Pass::default(),
            source: Source::default(),
            wire: Wire::default(),
            place: None,
            later: None,
            trace: None,
        }
    }

    /// Whether they may do this too, beside what the route asks.
    pub(crate) fn may(&self, action: Action, row: &ExecutionRow) -> Result<Pass, Problem> {
        Ok(decide(&self.identity, action, On::Execution(Some(row)))?)
    }

    /// Whose runs they are told of, added up, where they ask for those of `wanted`: everybody's where there is none.
    pub(crate) fn whose(&self, wanted: Option<String>) -> Result<Option<String>, Problem> {
        Ok(whose(&self.identity, wanted)?)
    }

    /// What their credential itself allows: as long as it is good.
    pub(crate) fn own(&self) -> Pass {
        let known = self.known();
        known.map_or_else(Pass::default, |known| Pass {
            expires: known.expires,
            credential: Some(known.credential),
            after: None,
        })
    }

    /// Counts what they write of events.
    pub(crate) fn writes(&self, executions: &Executions, bytes: usize) -> Result<(), Later> {
        self.counted(executions, |rates, who| rates.bytes(who, bytes))
    }

    /// Counts events that they write.
    pub(crate) fn writes_events(
        &self,
        executions: &Executions,
        events: usize,
    ) -> Result<(), Later> {
        self.counted(executions, |rates, who| rates.events(who, events))
    }

    /// Counts where there are accounts.
    fn counted(
        &self,
        executions: &Executions,
        count: impl FnOnce(&Rates, &Who) -> Result<(), Later>,
    ) -> Result<(), Later> {
        let Some(closed) = executions.access().closed() else {
            return Ok(());
        };
        count(&closed.rates, &Who::of(&self.identity, self.source))
    }

    /// Takes the place of a stream, where what the route asks has not taken one.
    ///
    /// # Errors
    /// 429 where they have as many as they may.
    pub(crate) fn hold(&mut self, executions: &Executions) -> Result<(), Problem> {
        let Some(closed) = executions.access().closed() else {
            return Ok(());
        };
        if self.place.is_none() {
            let who = Who::of(&self.identity, self.source);
            self.place = closed.rates.stream(&who)?;
        }
        Ok(())
    }

    /// The name that what they do belongs to.
    pub(crate) fn owner(&self) -> Option<String> {
        self.identity.user().map(str::to_owned)
    }

    /// Somebody who has shown a credential.
    pub(crate) fn known(&self) -> Option<&Known> {
        match &self.identity {
            Identity::Known(known) => Some(known),
            Identity::Local | Identity::Stranger => None,
        }
    }
}

impl FromRequestParts<Executions> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        executions: &Executions,
    ) -> Result<Self, Problem> {
        let access: &Access = executions.access();
        let source = parts.extensions.get::<Source>();
        let wire = source.map(|source| source.wire).unwrap_or_default();
        let trace = TraceContext::of(&parts.headers);
        match parts.extensions.get::<Self>() {
            Some(caller) if access.is_closed() => Ok(Self {
                wire,
                trace,
                ..caller.clone()
            }),
            // no gate was passed: nobody knows who this is
            Some(_) | None if access.is_closed() => Err(Denied::Stranger.into()),
            Some(_) | None => Ok(Self {
                wire,
                trace,
                ..Self::local()
            }),
        }
    }
}
