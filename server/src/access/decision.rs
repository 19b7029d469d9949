//! The one place that says who may do what.

use axum::http::{HeaderValue, StatusCode, header};
use stepcast_core::id::{Cursor, Position, Seq};

use super::identity::{Credential, Grant, Identity, Known};
use super::scope::Scope;
use crate::error::Problem;
use crate::log::ExecutionRow;

/// What somebody wishes to do.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// List what may be watched.
    List,
    /// Read what there is of a run.
    Watch,
    /// Read all that a page shows of a run, from its first event on.
    WatchAll,
    /// Follow a run.
    Open,
    /// Follow a run from its first event on, whatever has been seen of it.
    OpenAll,
    /// See what can be started.
    Browse,
    /// Start a run.
    Start,
    /// Start a run that goes on from another.
    Resume,
    /// Write the events of a run elsewhere.
    Ingest,
    /// Answer what a run asks.
    Answer,
    /// Cancel a run.
    Cancel,
    /// Take a run away that has ended.
    Delete,
    /// Let others watch a run.
    Share,
    /// See how runs fare, added up: their own, or those of all for an administrator.
    Measure,
    /// See what the server tells of itself.
    Observe,
    /// See what everybody did.
    Audit,
}

impl Action {
    /// The scope that it takes.
    pub const fn scope(self) -> Scope {
        match self {
            Self::List
            | Self::Watch
            | Self::WatchAll
            | Self::Open
            | Self::OpenAll
            | Self::Share
            | Self::Measure => Scope::Watch,
            Self::Browse | Self::Start | Self::Resume => Scope::Start,
            Self::Ingest => Scope::Ingest,
            Self::Answer => Scope::Answer,
            Self::Cancel | Self::Delete => Scope::Cancel,
            Self::Observe => Scope::Observe,
            Self::Audit => Scope::Admin,
        }
    }

    /// How the audit log calls it; none for what it does not tell.
    pub(crate) const fn word(self) -> Option<&'static str> {
        match self {
            Self::List | Self::Browse | Self::Measure | Self::Observe => None,
            Self::Watch | Self::WatchAll => Some("watch"),
            Self::Open | Self::OpenAll => Some("open"),
            Self::Start => Some("start"),
            Self::Resume => Some("resume"),
            Self::Ingest => Some("ingest"),
            Self::Answer => Some("answer"),
            Self::Cancel => Some("cancel"),
            Self::Delete => Some("delete"),
            Self::Share => Some("share"),
            Self::Audit => Some("administer"),
        }
    }
}

/// What it is to be done to.
#[derive(Clone, Copy, Debug)]
pub enum On<'a> {
    /// No execution that there is.
    Nothing,
    /// The execution that was asked for, where there is one.
    Execution(Option<&'a ExecutionRow>),
}

/// It may be done, and until when.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pass {
    /// In milliseconds since 1970.
    pub expires: Option<u64>,
    /// What has to stay valid meanwhile.
    pub credential: Option<Credential>,
    /// What comes after this event only.
    pub after: Option<Cursor>,
}

/// It may not be done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    /// Nobody knows who asks.
    Stranger,
    /// They may not do such things at all.
    Scope(Scope),
    /// There is no such execution, or it is not theirs: which of the two is not told.
    Unknown,
    /// A link to a shared run does not show this part of it.
    Part,
}

/// Whether `identity` may do this.
///
/// A scope is looked at before the execution, so that what is refused says nothing of whether there is one.
///
/// # Errors
/// Why not.
pub fn decide(identity: &Identity, action: Action, on: On<'_>) -> Result<Pass, Denied> {
    let known = match identity {
        Identity::Local => return Ok(Pass::default()),
        Identity::Stranger => return Err(Denied::Stranger),
        Identity::Known(known) => known,
    };
    let own = Pass {
        expires: known.expires,
        credential: Some(known.credential),
        after: None,
    };
    let row = match on {
        On::Nothing => return scoped(known, action).map(|()| own),
        On::Execution(row) => row,
    };
    if is_watching(action)
        && let Some(row) = row
        && !owns(known, row)
        && let Some(grant) = known.grants.iter().find(|grant| grant.is_of(row))
    {
        return by(grant, action);
    }
    if !is_watching(action) || known.grants.is_empty() {
        scoped(known, action)?;
    }
    match row {
        Some(row) if owns(known, row) => scoped(known, action).map(|()| own),
        Some(_) | None => Err(Denied::Unknown),
    }
}

/// Whose runs somebody is told of who asks for those of `wanted`: everybody's where there is none.
///
/// # Errors
/// Where it is not for them to ask, whether there is such a user or not.
pub(crate) fn whose(identity: &Identity, wanted: Option<String>) -> Result<Option<String>, Denied> {
    match (identity.only(), wanted) {
        (None, wanted) => Ok(wanted),
        (own, None) => Ok(own),
        (own, wanted) if own == wanted => Ok(own),
        _ => Err(Denied::Scope(Scope::Admin)),
    }
}

fn scoped(known: &Known, action: Action) -> Result<(), Denied> {
    let scope = action.scope();
    if known.scopes.allow(scope) {
        return Ok(());
    }
    Err(Denied::Scope(scope))
}

fn owns(known: &Known, row: &ExecutionRow) -> bool {
    known.scopes.allow(Scope::Admin) || (known.user.is_some() && known.user == row.owner)
}

fn is_watching(action: Action) -> bool {
    matches!(
        action,
        Action::Watch | Action::WatchAll | Action::Open | Action::OpenAll
    )
}

/// What a link shows.
fn by(grant: &Grant, action: Action) -> Result<Pass, Denied> {
    if matches!(action, Action::WatchAll | Action::OpenAll) && grant.after.is_some() {
        return Err(Denied::Part);
    }
    Ok(Pass {
        expires: Some(grant.expires),
        credential: Some(Credential::Share(grant.share)),
        after: grant.after,
    })
}

impl Grant {
    fn is_of(&self, row: &ExecutionRow) -> bool {
        let same_log = self.after.is_none_or(|after| after.epoch == row.key.epoch);
        self.execution_id == row.id && self.key == row.key.key && same_log
    }
}

impl Pass {
    /// Whether it reaches this event, of an execution that it is for.
    pub(crate) fn shows(&self, seq: Seq) -> bool {
        self.after.is_none_or(|after| seq > after.seq)
    }

    /// The place to begin at, where somebody wishes to begin at `wanted`.
    pub(crate) fn begin(&self, wanted: Position) -> Position {
        match (self.after, wanted) {
            (Some(from), Position::After(cursor))
                if cursor.epoch == from.epoch && cursor.seq >= from.seq =>
            {
                wanted
            }
            (None, _) | (_, Position::Now) => wanted,
            (Some(from), Position::Earliest | Position::After(_)) => Position::After(from),
        }
    }
}

impl Denied {
    /// The HTTP status, and what is wrong.
    pub(crate) fn told(self) -> (u16, String) {
        match self {
            Self::Stranger => (
                401,
                "Say who you are: send `Authorization: Bearer TOKEN`, or sign in with POST /api/session."
                    .to_owned(),
            ),
            Self::Scope(scope) => (
                403,
                format!("Your token does not have the scope `{}`.", scope.as_str()),
            ),
            Self::Unknown => {
                let unknown = Problem::unknown_execution();
                (unknown.status(), unknown.detail().to_owned())
            }
            Self::Part => (
                403,
                "The link shows this run from an event on, and not what it looks like as a whole. GET /api/executions/{id}/events has what it shows.".to_owned(),
            ),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let (status, detail) = denied.told();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        let problem = Self::new(status, detail);
        if denied == Denied::Stranger {
            return problem.header(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"stepcast\""),
            );
        }
        problem
    }
}
