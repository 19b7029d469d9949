//! Runs that match what a connection watches.

use stepcast_core::id::ExecutionId;
use stepcast_core::pattern::{Mark, Pattern};
use stepcast_core::session::Input;

use super::Feed;
use crate::access::{Identity, Scope};
use crate::log::{ExecutionRow, FollowingQuery, ListQuery, Store, StoreError};

/// What a session wants to be found.
pub(super) struct Search {
    pub(super) watch: String,
    pub(super) pattern: Pattern,
    pub(super) after: Option<Mark>,
    pub(super) under_way: bool,
    pub(super) max: usize,
}

/// What was found: runs with their marks, all runs up to a mark looked at, and whether there may be more behind it.
type Found = (Vec<(Mark, ExecutionId)>, Mark, bool);

impl Feed {
    pub(super) fn find(&mut self, search: Search) {
        let watch = search.watch.clone();
        let input = match self.search(&search) {
            Ok(Ok((runs, mark, more))) => Input::Found {
                watch,
                runs,
                mark,
                more,
            },
            Ok(Err((status, message))) => Input::Unfound {
                watch,
                status,
                message,
            },
            Err(error) => {
                tracing::error!(%error, "executions could not be listed");
                Input::Unfound {
                    watch,
                    status: 500,
                    message: "The log could not be read.".to_owned(),
                }
            }
        };
        self.session.handle(self.clock.now(), input);
    }

    /// Whose runs a watch may pick up: none for all of them.
    fn owner(&self, mine: bool) -> Result<Option<String>, (u16, String)> {
        let known = match &self.identity {
            Identity::Local if mine => {
                let message = "On a server without accounts no run is anybody's: leave `mine` out.";
                return Err((400, message.to_owned()));
            }
            Identity::Local => return Ok(None),
            Identity::Stranger => return Err((401, "Say who you are.".to_owned())),
            Identity::Known(known) => known,
        };
        if !known.scopes.allow(Scope::Watch) {
            let message = "Your token does not have the scope `watch`.";
            return Err((403, message.to_owned()));
        }
        if known.scopes.allow(Scope::Admin) && !mine {
            return Ok(None);
        }
        let nobody = || {
            (
                403,
                "Your token is no user's: no run is its own.".to_owned(),
            )
        };
        known.user.clone().map(Some).ok_or_else(nobody)
    }

    fn search(&self, search: &Search) -> Result<Result<Found, (u16, String)>, StoreError> {
        let owner = match self.owner(search.pattern.mine) {
            Ok(owner) => owner,
            Err(refused) => return Ok(Err(refused)),
        };
        let store = self.executions.log().store();
        // before the runs are looked for: what is made meanwhile is found now or the next time
        let newest = newest(store.as_ref(), None)?.unwrap_or_default();
        let Some(begin) = search.after else {
            return Ok(Ok((Vec::new(), newest, false)));
        };
        let after = i64::try_from(begin.number).unwrap_or(i64::MAX);
        if !belongs(store.as_ref(), begin, after)? {
            let message =
                "The mark is of another log. Watch from `now`, or from what is `under_way`.";
            return Ok(Err((400, message.to_owned())));
        }
        let rows = store.following(&FollowingQuery {
            after,
            limit: search.max,
            pipelines: search.pattern.pipelines.clone(),
            under_way: search.under_way,
            owner,
        })?;
        let more = rows.len() >= search.max;
        let last = rows.last().map(mark_of);
        let runs = rows.into_iter().map(|row| (mark_of(&row), row.id));
        let runs = runs.collect();
        let mark = match last {
            Some(last) if more => last,
            Some(last) => later(last, newest),
            None => later(begin, newest),
        };
        Ok(Ok((runs, mark, more)))
    }
}

/// The newest of the runs made before one, or of all.
fn newest(store: &dyn Store, before: Option<i64>) -> Result<Option<Mark>, StoreError> {
    let rows = store.list(&ListQuery {
        limit: 1,
        before,
        ..ListQuery::default()
    })?;
    Ok(rows.first().map(mark_of))
}

/// Whether a mark may be of this store: the run it names is of that incarnation, or is gone and lies between two others,
/// since the incarnation only ever rises.
fn belongs(store: &dyn Store, mark: Mark, key: i64) -> Result<bool, StoreError> {
    if mark == Mark::default() {
        return Ok(true);
    }
    let up_to = newest(store, Some(key.saturating_add(1)))?;
    if let Some(before) = up_to.filter(|it| it.number == mark.number || it.epoch > mark.epoch) {
        return Ok(before == mark);
    }
    let behind = store.following(&FollowingQuery {
        after: key,
        limit: 1,
        ..FollowingQuery::default()
    })?;
    Ok(behind.first().is_none_or(|row| row.key.epoch >= mark.epoch))
}

fn later(one: Mark, other: Mark) -> Mark {
    if other.number > one.number {
        other
    } else {
        one
    }
}

fn mark_of(row: &ExecutionRow) -> Mark {
    Mark {
        epoch: row.key.epoch,
        number: row.key.key.unsigned_abs(),
    }
}
