//! Tokens of this server's own: named, scoped, revocable, and kept as hashes.

use rusqlite::{OptionalExtension as _, Row, params};
use serde::Serialize;
use stepcast_core::time::Timestamp;

use super::identity::{Credential, Known};
use super::register::{Register, RegisterError, now, signed};
use super::scope::Scopes;
use super::secret::{Hash, Secret, TOKEN};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What the operator calls it.
    pub name: String,
    /// Whom it stands for.
    pub user: String,
    /// What it is good for.
    pub scopes: Scopes,
    /// Until when, in milliseconds since 1970; for good where there is none.
    pub expires: Option<u64>,
}

/// A token as it is listed: everything but itself.
#[derive(Clone, Debug, Serialize)]
pub struct TokenRow {
    /// What the operator calls it.
    pub name: String,
    /// Whom it stands for.
    pub user: String,
    /// What it is good for.
    pub scopes: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when it is valid.
    pub expires_at: Option<Timestamp>,
    /// Since when it is not.
    pub revoked_at: Option<Timestamp>,
}

impl Register {
    /// Makes a token. It is told here once, and never again.
    ///
    /// # Errors
    /// Where the name is taken, or the register fails.
    pub fn make_token(&self, new: &NewToken) -> Result<Secret, RegisterError> {
        let secret = Secret::draw(TOKEN)?;
        let made = self.lock().execute(
            "INSERT INTO tokens (name, user, scopes, hash, created_at, expires_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6
             WHERE NOT EXISTS (SELECT 1 FROM tokens WHERE name = ?1 AND revoked_at IS NULL)",
            params![
                new.name,
                new.user,
                new.scopes.to_string(),
                secret.hash(),
                now(),
                new.expires.map(signed)
            ],
        )?;
        if made == 0 {
            return Err(RegisterError::Taken(new.name.clone()));
        }
        Ok(secret)
    }

    /// Every token, the oldest first; revoked ones too.
    ///
    /// # Errors
    /// Where the register fails.
    pub fn tokens(&self) -> Result<Vec<TokenRow>, RegisterError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT name, user, scopes, created_at, expires_at, revoked_at FROM tokens ORDER BY id",
        )?;
        let rows = statement.query_map([], |row| {
            Ok(TokenRow {
                name: row.get(0)?,
                user: row.get(1)?,
                scopes: row.get(2)?,
                created_at: time(row.get(3)?),
                expires_at: row.get::<_, Option<i64>>(4)?.map(time),
                revoked_at: row.get::<_, Option<i64>>(5)?.map(time),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Revokes a token, and with it the sessions that began with it; false where there is none of this name.
    ///
    /// # Errors
    /// Where the register fails.
    pub fn revoke_token(&self, name: &str) -> Result<bool, RegisterError> {
        let revoked = self.lock().execute(
            "UPDATE tokens SET revoked_at = ?2 WHERE name = ?1 AND revoked_at IS NULL",
            params![name, now()],
        )?;
        Ok(revoked > 0)
    }

    /// Whom this token stands for, where it is valid.
    pub(super) fn by_token(&self, hash: &Hash) -> Result<Option<Known>, RegisterError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT id, user, scopes, expires_at FROM tokens
             WHERE hash = ?1 AND revoked_at IS NULL AND coalesce(expires_at > ?2, true)",
        )?;
        let found = statement.query_row(params![hash, now()], |row| known(row, Credential::Token));
        Ok(found.optional()?)
    }
}

/// Somebody as a row of tokens or sessions tells of them: number, user, scopes, expiry.
pub(super) fn known(
    row: &Row<'_>,
    credential: impl Fn(i64) -> Credential,
) -> rusqlite::Result<Known> {
    let scopes: String = row.get(2)?;
    Ok(Known {
        credential: credential(row.get(0)?),
        user: Some(row.get(1)?),
        // what this version does not know allows nothing
        scopes: Scopes::parse(&scopes).unwrap_or_default(),
        expires: row.get::<_, Option<i64>>(3)?.map(i64::unsigned_abs),
        grants: Vec::new(),
    })
}

/// A time of the register's.
pub(super) fn time(unix_millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(unix_millis.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::super::secret::hash;
    use super::*;

    #[test]
    fn a_token_is_valid_until_it_is_revoked_and_is_not_in_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let register = Register::open(directory.path()).unwrap();
        let mut new = NewToken {
            name: "ci".into(),
            user: "robot".into(),
            scopes: Scopes::parse("watch start").unwrap(),
            expires: None,
        };
        let secret = register.make_token(&new).unwrap();
        let found = register.by_token(&secret.hash()).unwrap().unwrap();
        assert_eq!(found.user.as_deref(), Some("robot"));
        assert_eq!(found.scopes, new.scopes);
        assert!(register.by_token(&hash("other")).unwrap().is_none());
        assert!(matches!(
            register.make_token(&new),
            Err(RegisterError::Taken(_))
        ));
        assert!(register.revoke_token("ci").unwrap() && !register.revoke_token("ci").unwrap());
        assert!(register.by_token(&secret.hash()).unwrap().is_none());
        // its name is free again
        new.expires = Some(1);
        let expired = register.make_token(&new).unwrap();
        assert!(register.by_token(&expired.hash()).unwrap().is_none());
        assert_eq!(register.tokens().unwrap().len(), 2);
        register
            .lock()
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        let file = std::fs::read(directory.path().join("access.db")).unwrap();
        let digits = &secret.reveal()[TOKEN.len()..];
        assert!(!file.windows(64).any(|part| part == digits.as_bytes()));
    }
}
