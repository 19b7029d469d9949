//! What is dear is counted by who asks for it: streams and starts.

use std::sync::Arc;

use stepcast_core::id::ExecutionId;

use super::decision::Action;
use super::identity::Identity;
use super::{Closed, Deed};
use crate::edge::Source;
use crate::error::Problem;
use crate::limits::{Kind, Later, StreamPlace, Who};

impl Closed {
    /// Counts it once; the place of a stream that is opened.
    ///
    /// # Errors
    /// Where they have asked too often, or have too much.
    pub(crate) fn count(
        &self,
        identity: &Identity,
        source: Source,
        action: Action,
    ) -> Result<Option<StreamPlace>, Later> {
        let who = Who::of(identity, source);
        match action {
            Action::Open | Action::OpenAll => {
                self.rates.take(&who, Kind::Open)?;
                self.rates.stream(&who)
            }
            Action::Start | Action::Resume => self.rates.take(&who, Kind::Start).map(|()| None),
            Action::List
            | Action::Watch
            | Action::WatchAll
            | Action::Browse
            | Action::Ingest
            | Action::Answer
            | Action::Cancel
            | Action::Delete
            | Action::Share
            | Action::Measure
            | Action::Observe
            | Action::Audit => Ok(None),
        }
    }

    /// The same; the audit log is told of who is refused.
    pub(crate) async fn counted(
        self: &Arc<Self>,
        identity: &Identity,
        source: Source,
        action: Action,
        execution_id: Option<&ExecutionId>,
    ) -> Result<Option<StreamPlace>, Problem> {
        let later = match self.count(identity, source, action) {
            Ok(place) => return Ok(place),
            Err(later) => later,
        };
        let word = action.word();
        if let Some(word) = word.filter(|_| self.is_news(identity)) {
            let deed = Deed {
                execution: execution_id.map(ToString::to_string),
                ..Deed::of(identity, source, word, TOO_MANY)
            };
            self.note(deed).await;
        }
        Err(later.into())
    }

    /// Whether the audit log is to be told that they ask too often: once in a while.
    pub(crate) fn is_news(&self, identity: &Identity) -> bool {
        self.told.is_news(identity, CROWDS, None)
    }
}

/// The status of who asks too often.
pub(super) const TOO_MANY: u16 = 429;

/// What is remembered of those: one who asks without end could push others out of the audit log.
pub(super) const CROWDS: &str = "too many";
