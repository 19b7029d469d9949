//! What was counted of executions, kept beside them.

use stepcast_core::id::ExecutionId;

use super::execution::{ExecutionRow, ListQuery};
use super::store::{Store, StoreError};

/// Executions that were made known in some time; all of them where nothing is said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Window {
    /// Not before, milliseconds since 1970.
    pub from: Option<u64>,
    /// Before, milliseconds since 1970.
    pub to: Option<u64>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Of this owner; of any, and of none, where there is none.
    pub owner: Option<String>,
}

/// An execution, and what was counted of it.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The store's number of it.
    pub key: i64,
    /// Its id.
    pub id: ExecutionId,
    /// The pipeline's name.
    pub pipeline: String,
    /// When it was made known, milliseconds since 1970.
    pub created_at: u64,
    /// Whether it has ended: its counts change no more.
    pub ended: bool,
    /// The counts in the encoding of whoever kept them; none where nobody has yet.
    pub counts: Option<Vec<u8>>,
}

impl Window {
    /// Whether this execution is one of them.
    pub fn holds(&self, row: &ExecutionRow) -> bool {
        self.from.is_none_or(|from| row.created_at >= from)
            && self.to.is_none_or(|to| row.created_at < to)
            && self
                .pipeline
                .as_ref()
                .is_none_or(|pipeline| row.pipeline == *pipeline)
            && (self.owner.is_none() || self.owner == row.owner)
    }
}

/// [`Store::measured`] of a store that keeps no counts: it lists few executions.
pub(super) fn of_rows(
    store: &(impl Store + ?Sized),
    window: &Window,
    before: i64,
) -> Result<Vec<Measured>, StoreError> {
    let rows = store.list(&ListQuery {
        limit: usize::MAX,
        before: Some(before),
        ..ListQuery::default()
    })?;
    let held = rows.into_iter().filter(|row| window.holds(row));
    Ok(held
        .map(|row| Measured {
            key: row.key.key,
            created_at: row.created_at,
            ended: row.status.end().is_some(),
            id: row.id,
            pipeline: row.pipeline,
            counts: None,
        })
        .collect())
}
