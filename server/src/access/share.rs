//! Links to one run, for people without an account: read only, from an event on, until a time.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use stepcast_core::id::{Cursor, ExecutionId, Position};
use stepcast_core::time::Timestamp;

use super::identity::Grant;
use super::register::{Register, RegisterError, now, signed};
use super::secret::{Hash, SHARE, Secret};
use super::token::time;
use crate::log::ExecutionRow;

/// A share as it is listed: everything but its secret.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ShareRow {
    /// Its number.
    pub id: i64,
    /// What comes after this event only.
    pub after: Option<String>,
    /// Who made it.
    pub by: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is valid.
    pub expires_at: Timestamp,
    /// Since when it is not.
    pub revoked_at: Option<Timestamp>,
}

impl Register {
    /// Makes a share: its number, and the secret of its link.
    pub(crate) fn make_share(
        &self,
        row: &ExecutionRow,
        after: Option<Cursor>,
        by: Option<&str>,
        expires: u64,
    ) -> Result<(i64, Secret), RegisterError> {
        let secret = Secret::draw(SHARE)?;
        let connection = self.lock();
        connection.execute(
            "INSERT INTO shares (hash, execution, key, after, by, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                secret.hash(),
                row.id.as_str(),
                row.key.key,
                after.map(|cursor| cursor.to_string()),
                by,
                now(),
                signed(expires)
            ],
        )?;
        Ok((connection.last_insert_rowid(), secret))
    }

    /// The shares of a run, the oldest first; those too that are not valid any more.
    pub(crate) fn shares(&self, row: &ExecutionRow) -> Result<Vec<ShareRow>, RegisterError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, after, by, created_at, expires_at, revoked_at FROM shares
             WHERE execution = ?1 AND key = ?2 ORDER BY id",
        )?;
        let rows = statement.query_map(params![row.id.as_str(), row.key.key], |row| {
            Ok(ShareRow {
                id: row.get(0)?,
                after: row.get(1)?,
                by: row.get(2)?,
                created_at: time(row.get(3)?),
                expires_at: time(row.get(4)?),
                revoked_at: row.get::<_, Option<i64>>(5)?.map(time),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes a share of a run; false where it has none of this number.
    pub(crate) fn revoke_share(
        &self,
        row: &ExecutionRow,
        number: i64,
    ) -> Result<bool, RegisterError> {
        let revoked = self.lock().execute(
            "UPDATE shares SET revoked_at = coalesce(revoked_at, ?4) WHERE id = ?1 AND execution = ?2 AND key = ?3",
            params![number, row.id.as_str(), row.key.key, now()],
        )?;
        Ok(revoked > 0)
    }

    /// What this link shows, where it is valid.
    pub(super) fn by_share(&self, hash: &Hash) -> Result<Option<Grant>, RegisterError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, execution, key, after, expires_at FROM shares
             WHERE hash = ?1 AND revoked_at IS NULL AND expires_at > ?2",
        )?;
        let found = statement
            .query_row(params![hash, now()], grant)
            .optional()?;
        Ok(found.flatten())
    }
}

/// What a row shows; nothing, where this version does not understand it.
fn grant(row: &Row<'_>) -> rusqlite::Result<Option<Grant>> {
    let (execution, after): (String, Option<String>) = (row.get(1)?, row.get(3)?);
    let Ok(execution_id) = execution.parse::<ExecutionId>() else {
        return Ok(None);
    };
    let after = match after.map(|text| text.parse::<Position>()) {
        None => None,
        Some(Ok(Position::After(cursor))) => Some(cursor),
        Some(Ok(Position::Earliest | Position::Now) | Err(_)) => return Ok(None),
    };
    Ok(Some(Grant {
        share: row.get(0)?,
        execution_id,
        key: row.get(2)?,
        after,
        expires: row.get::<_, i64>(4)?.unsigned_abs(),
    }))
}
