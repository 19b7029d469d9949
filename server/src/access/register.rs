//! The register of credentials: one small database beside the log, which the command line may write while a server runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use thiserror::Error;

use super::identity::Credential;
use crate::clock::unix_millis;

/// Tokens, sessions, shares and the audit log, in `access.db`. Of every secret only its hash is in it.
#[derive(Debug)]
pub struct Register {
    connection: Mutex<Connection>,
    /// For the audit log alone: what it tells survives the process, and waits for no disk.
    notes: Mutex<Connection>,
}

/// Why the register cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The database cannot be read or written.
    #[error("{} cannot be used: {source}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The database failed.
    #[error("the register of credentials failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The folder cannot be made, or there is no randomness.
    #[error("the register of credentials failed: {0}")]
    Io(#[from] io::Error),
    /// A later version has made it.
    #[error("{} was made by a later version of Stepcast", .0.display())]
    Later(PathBuf),
    /// The name is taken.
    #[error("there is a token named {0:?} already: revoke it, or choose another name")]
    Taken(String),
}

impl Register {
    /// Opens or creates the register in a data directory.
    ///
    /// # Errors
    /// Where the directory cannot be written, or a later version has made the register.
    pub fn open(directory: &Path) -> Result<Self, RegisterError> {
        fs::create_dir_all(directory)?;
        let path = directory.join(FILE);
        private(&path)?;
        let open = || {
            let mut connection = Connection::open(&path)?;
            connection.busy_timeout(BUSY)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            match version {
                0 => connection.execute_batch(SCHEMA)?,
                1 | 2 => upgrade(&mut connection)?,
                _ => {}
            }
            let notes = Connection::open(&path)?;
            notes.busy_timeout(BUSY)?;
            notes.pragma_update(None, "synchronous", "NORMAL")?;
            Ok((connection, notes, version))
        };
        let (connection, notes, version) = open().map_err(|source| RegisterError::Open {
            path: path.clone(),
            source,
        })?;
        if version > VERSION {
            return Err(RegisterError::Later(path));
        }
        Ok(Self {
            connection: Mutex::new(connection),
            notes: Mutex::new(notes),
        })
    }

    /// Whether what somebody has shown is still valid.
    pub(crate) fn is_valid(&self, credential: Credential) -> Result<bool, RegisterError> {
        let (query, number) = match credential {
            Credential::Jwt => return Ok(true),
            Credential::Token(number) => (
                "SELECT 1 FROM tokens WHERE id = ?1 AND revoked_at IS NULL AND coalesce(expires_at > ?2, true)",
                number,
            ),
            Credential::Session(number) => (
                "SELECT 1 FROM sessions LEFT JOIN tokens ON tokens.id = token
                 WHERE sessions.id = ?1 AND sessions.expires_at > ?2 AND tokens.revoked_at IS NULL",
                number,
            ),
            Credential::Share(number) => (
                "SELECT 1 FROM shares WHERE id = ?1 AND revoked_at IS NULL AND expires_at > ?2",
                number,
            ),
        };
        let connection = self.lock();
        let mut statement = connection.prepare_cached(query)?;
        let found = statement
            .query_row(params![number, now()], |_row| Ok(()))
            .optional()?;
        Ok(found.is_some())
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        // a panic while it was held left no statement half done
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Connection> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From the first version, in which nobody noted from where something was done, and from the second, in which a session
/// had an end and no beginning.
fn upgrade(connection: &mut Connection) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = change.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    // another process may have been first
    if version == 1 {
        change.execute_batch("ALTER TABLE audit ADD COLUMN address TEXT;")?;
    }
    if version < VERSION {
        change.execute_batch(
            "ALTER TABLE sessions ADD COLUMN begun_at INTEGER; PRAGMA user_version = 3;",
        )?;
    }
    change.commit()
}

/// Only its owner reads it.
#[cfg(unix)]
fn private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    drop(made);
    Ok(())
}

#[cfg(not(unix))]
fn private(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Now, in milliseconds since 1970, as SQLite takes it.
pub(super) fn now() -> i64 {
    signed(unix_millis())
}

/// SQLite's integers are signed.
pub(super) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The register in a data directory.
const FILE: &str = "access.db";

/// How long a statement waits for another process.
const BUSY: Duration = Duration::from_secs(5);

/// What this version writes.
const VERSION: i64 = 3;

const SCHEMA: &str = "
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    user TEXT NOT NULL,
    scopes TEXT NOT NULL,
    hash BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS tokens_by_name ON tokens (name) WHERE revoked_at IS NULL;
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    user TEXT NOT NULL,
    scopes TEXT NOT NULL,
    token INTEGER REFERENCES tokens (id),
    expires_at INTEGER NOT NULL,
    begun_at INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS shares (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    execution TEXT NOT NULL,
    key INTEGER NOT NULL,
    after TEXT,
    by TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS shares_by_execution ON shares (execution, key);
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    user TEXT,
    shown TEXT,
    action TEXT NOT NULL,
    execution TEXT,
    status INTEGER NOT NULL,
    detail TEXT,
    address TEXT
) STRICT;
PRAGMA user_version = 3;
COMMIT;
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::AuditQuery;

    #[test]
    fn two_processes_may_have_it_open_and_a_later_version_is_not_touched() {
        let directory = tempfile::tempdir().unwrap();
        let one = Register::open(directory.path()).unwrap();
        let other = Register::open(directory.path()).unwrap();
        assert!(!one.is_valid(Credential::Token(1)).unwrap());
        assert!(other.is_valid(Credential::Jwt).unwrap());
        other
            .lock()
            .pragma_update(None, "user_version", VERSION + 1)
            .unwrap();
        assert!(matches!(
            Register::open(directory.path()),
            Err(RegisterError::Later(_))
        ));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let meta = fs::metadata(directory.path().join(FILE)).unwrap();
            assert_eq!(meta.permissions().mode() & 0o077, 0);
        }
    }

    #[test]
    fn the_register_of_the_first_version_is_taken_on() {
        let directory = tempfile::tempdir().unwrap();
        drop(Register::open(directory.path()).unwrap());
        let old = Connection::open(directory.path().join(FILE)).unwrap();
        old.execute_batch(
            "ALTER TABLE audit DROP COLUMN address;
             ALTER TABLE sessions DROP COLUMN begun_at;
             INSERT INTO audit (at, action, status) VALUES (1, 'open', 200);
             PRAGMA user_version = 1;",
        )
        .unwrap();
        drop(old);
        for _ in 0..2 {
            let register = Register::open(directory.path()).unwrap();
            let query = AuditQuery {
                limit: 10,
                ..AuditQuery::default()
            };
            let rows = register.audit(&query).unwrap();
            assert_eq!((rows.len(), &rows[0].address), (1, &None));
        }
    }
}
