//! The audit log: who opened, started, answered, cancelled, shared and administered, and who was turned away.

use std::net::IpAddr;

use rusqlite::params;
use serde::Serialize;
use stepcast_core::time::Timestamp;

use super::identity::{Credential, Identity};
use super::register::{Register, RegisterError, now, signed};
use super::token::time;
use crate::edge::Source;

/// Something that somebody did, or wished to do.
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// Who; nobody knows where there is none.
    pub(crate) user: Option<String>,
    /// What they have shown.
    pub(crate) shown: Option<&'static str>,
    /// What they did.
    pub(crate) action: &'static str,
    /// To which execution.
    pub(crate) execution: Option<String>,
    /// The HTTP status that came of it.
    pub(crate) status: u16,
    /// From which address.
    pub(crate) address: Option<IpAddr>,
    /// What else there is to say.
    pub(crate) detail: Option<String>,
}

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct AuditRow {
    /// Its number; the next one is larger.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// Who; nobody knows where there is none.
    pub user: Option<String>,
    /// What they have shown: `token`, `jwt`, `session` or `share`.
    pub shown: Option<String>,
    /// What they did.
    pub action: String,
    /// To which execution.
    pub execution_id: Option<String>,
    /// The HTTP status that came of it.
    pub status: u16,
    /// From which address, where that is known.
    pub address: Option<String>,
    /// What else there is to say.
    pub detail: Option<String>,
}

/// Which entries to read.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// At most so many.
    pub limit: usize,
    /// Older than the entry with this number.
    pub before: Option<i64>,
    /// By this user.
    pub user: Option<String>,
    /// Of this execution.
    pub execution: Option<String>,
}

impl Deed {
    /// What `identity` did from there.
    pub(crate) fn of(
        identity: &Identity,
        source: Source,
        action: &'static str,
        status: u16,
    ) -> Self {
        let credential = match identity {
            Identity::Known(known) => Some(known.credential),
            Identity::Local | Identity::Stranger => None,
        };
        Self {
            user: identity.user().map(str::to_owned),
            shown: credential.map(Credential::word),
            action,
            execution: None,
            status,
            address: source.address,
            detail: None,
        }
    }
}

impl Register {
    /// Adds an entry, and takes the oldest away where there are more than `most`.
    pub(crate) fn note(&self, deed: &Deed, most: u64) -> Result<(), RegisterError> {
        let connection = self.notes();
        let mut insert = connection.prepare_cached(
            "INSERT INTO audit (at, user, shown, action, execution, status, detail, address)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        insert.execute(params![
            now(),
            deed.user,
            deed.shown,
            deed.action,
            deed.execution,
            deed.status,
            deed.detail,
            deed.address.map(|address| address.to_string())
        ])?;
        let id = connection.last_insert_rowid();
        // numbers have no holes but those that this makes, at the old end
        connection
            .prepare_cached("DELETE FROM audit WHERE id <= ?1")?
            .execute([id - signed(most)])?;
        Ok(())
    }

    /// Entries, the newest first.
    ///
    /// # Errors
    /// Where the register fails.
    pub fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, RegisterError> {
        let connection = self.notes();
        let mut statement = connection.prepare_cached(
            "SELECT id, at, user, shown, action, execution, status, detail, address FROM audit
             WHERE id < ?1 AND (?2 IS NULL OR user = ?2) AND (?3 IS NULL OR execution = ?3)
             ORDER BY id DESC LIMIT ?4",
        )?;
        let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
        let before = query.before.unwrap_or(i64::MAX);
        let rows =
            statement.query_map(params![before, query.user, query.execution, limit], |row| {
                Ok(AuditRow {
                    id: row.get(0)?,
                    at: time(row.get(1)?),
                    user: row.get(2)?,
                    shown: row.get(3)?,
                    action: row.get(4)?,
                    execution_id: row.get(5)?,
                    status: row.get(6)?,
                    detail: row.get(7)?,
                    address: row.get(8)?,
                })
            })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_entries_stay_and_are_found_by_user_and_execution() {
        let directory = tempfile::tempdir().unwrap();
        let register = Register::open(directory.path()).unwrap();
        for n in 0..10_u16 {
            let deed = Deed {
                user: Some(format!("user{}", n % 2)),
                execution: Some(format!("run{n}")),
                ..Deed::of(&Identity::Stranger, Source::default(), "open", 200 + n)
            };
            register.note(&deed, 4).unwrap();
        }
        let of = |query: AuditQuery| -> Vec<u16> {
            let rows = register.audit(&query).unwrap();
            rows.iter().map(|row| row.status).collect()
        };
        let all = AuditQuery {
            limit: 100,
            ..AuditQuery::default()
        };
        assert_eq!(of(all.clone()), [209, 208, 207, 206]);
        let user = Some("user0".to_owned());
        assert_eq!(
            of(AuditQuery {
                user,
                ..all.clone()
            }),
            [208, 206]
        );
        let execution = Some("run7".to_owned());
        assert_eq!(
            of(AuditQuery {
                execution,
                ..all.clone()
            }),
            [207]
        );
        assert_eq!(
            of(AuditQuery {
                limit: 1,
                before: Some(9),
                ..all
            }),
            [207]
        );
    }
}
