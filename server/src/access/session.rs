//! A browser that has signed in: a cookie that no script reads.

use rusqlite::{OptionalExtension as _, params};

use super::identity::{Credential, Known};
use super::register::{Register, RegisterError, now, signed};
use super::secret::{Hash, SESSION, Secret};
use super::token::known;

impl Register {
    /// Begins a session of `known` until `expires`, and not longer than what they have shown.
    pub(crate) fn begin_session(
        &self,
        known: &Known,
        expires: u64,
    ) -> Result<Secret, RegisterError> {
        let secret = Secret::draw(SESSION)?;
        let token = match known.credential {
            Credential::Token(number) => Some(number),
            Credential::Jwt | Credential::Session(_) | Credential::Share(_) => None,
        };
        let connection = self.lock();
        connection.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now()])?;
        connection.execute(
            "INSERT INTO sessions (hash, user, scopes, token, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                secret.hash(),
                known.user.as_deref().unwrap_or_default(),
                known.scopes.to_string(),
                token,
                signed(expires)
            ],
        )?;
        Ok(secret)
    }

    /// Ends a session.
    pub(crate) fn end_session(&self, number: i64) -> Result<(), RegisterError> {
        self.lock()
            .execute("DELETE FROM sessions WHERE id = ?1", [number])?;
        Ok(())
    }

    /// Whose session this is, where it is valid.
    pub(super) fn by_session(&self, hash: &Hash) -> Result<Option<Known>, RegisterError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "SELECT sessions.id, sessions.user, sessions.scopes, sessions.expires_at
             FROM sessions LEFT JOIN tokens ON tokens.id = token
             WHERE sessions.hash = ?1 AND sessions.expires_at > ?2 AND tokens.revoked_at IS NULL",
        )?;
        let found =
            statement.query_row(params![hash, now()], |row| known(row, Credential::Session));
        Ok(found.optional()?)
    }
}
