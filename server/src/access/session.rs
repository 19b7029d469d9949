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
            "INSERT INTO sessions (hash, user, scopes, token, expires_at, begun_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                secret.hash(),
                known.user.as_deref().unwrap_or_default(),
                known.scopes.to_string(),
                token,
                signed(expires),
                now()
            ],
        )?;
        Ok(secret)
    }

    /// Lets a session that is valid go on until `expires`, as far as the token that began it is valid, and no longer than
    /// `longest` milliseconds after it began; until when, never sooner than it was. One that began with another issuer's
    /// token keeps its end: the token is not kept, and may have been withdrawn.
    pub(crate) fn renew_session(
        &self,
        number: i64,
        expires: u64,
        longest: u64,
    ) -> Result<Option<u64>, RegisterError> {
        let until = self.lock().query_row(
            "UPDATE sessions SET expires_at = max(expires_at, min(?2, coalesce(begun_at + ?3, 0),
                 coalesce((SELECT coalesce(expires_at, ?2) FROM tokens WHERE id = token), 0)))
             WHERE id = ?1 AND expires_at > ?4
                 AND NOT EXISTS (SELECT 1 FROM tokens WHERE id = token AND revoked_at IS NOT NULL)
             RETURNING expires_at",
            params![number, signed(expires), signed(longest), now()],
            |row| row.get::<_, i64>(0),
        );
        Ok(until.optional()?.map(i64::unsigned_abs))
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

#[cfg(test)]
mod tests {
    use super::super::scope::Scopes;
    use super::super::token::NewToken;
    use super::*;

    #[test]
    fn a_session_goes_on_as_long_as_its_token_and_the_longest_allow() {
        let directory = tempfile::tempdir().unwrap();
        let register = Register::open(directory.path()).unwrap();
        let soon = now().unsigned_abs();
        let begin = |name: &str, expires: Option<u64>| {
            let new = NewToken {
                name: name.to_owned(),
                user: name.to_owned(),
                scopes: Scopes::parse("watch").unwrap(),
                expires,
            };
            let token = register.make_token(&new).unwrap();
            let known = register.by_token(&token.hash()).unwrap().unwrap();
            let session = register.begin_session(&known, soon + 60_000).unwrap();
            let known = register.by_session(&session.hash()).unwrap().unwrap();
            let Credential::Session(number) = known.credential else {
                panic!("{known:?}");
            };
            (number, known)
        };
        let renew =
            |number, until, longest| register.renew_session(number, until, longest).unwrap();
        let day = 86_400_000;
        let (free, _) = begin("free", None);
        assert_eq!(renew(free, soon + 90_000, day), Some(soon + 90_000));
        assert_eq!(
            renew(free, soon + 70_000, day),
            Some(soon + 90_000),
            "never sooner"
        );
        let most = renew(free, soon + 2 * day, day).unwrap();
        assert!(
            (soon + day..soon + day + 60_000).contains(&most),
            "the longest"
        );
        let (bound, _) = begin("bound", Some(soon + 80_000));
        assert_eq!(
            renew(bound, soon + 90_000, day),
            Some(soon + 80_000),
            "as its token"
        );
        register.revoke_token("bound").unwrap();
        assert_eq!(renew(bound, soon + 90_000, day), None);
        register.end_session(free).unwrap();
        assert_eq!(renew(free, soon + 90_000, day), None);
        // of another issuer's token only the end is known
        let (_, known) = begin("jwt", None);
        let known = Known {
            credential: Credential::Jwt,
            ..known
        };
        let session = register.begin_session(&known, soon + 60_000).unwrap();
        let known = register.by_session(&session.hash()).unwrap().unwrap();
        let Credential::Session(foreign) = known.credential else {
            panic!("{known:?}");
        };
        assert_eq!(renew(foreign, soon + 90_000, day), Some(soon + 60_000));
    }
}
