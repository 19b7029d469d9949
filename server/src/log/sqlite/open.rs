//! From a data directory to a database that is whole, ours alone, and of a known incarnation.
//!
//! Below [`Durability::Power`] the loss of power can take back events that subscribers have seen. Their numbers
//! would be given again, so every execution then enters a new epoch.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::super::store::StoreError;
use super::reserve::Reserve;
use super::rows::signed;
use super::{BUSY, DATABASE, replay, schema, shrink, sound};

/// What an acknowledged event survives.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// Nothing: producers are not kept waiting for the commit, and a loss of power may damage the database.
    Off,
    /// The end of the process at any instant.
    #[default]
    Process,
    /// The loss of power too: every commit waits for the medium.
    Power,
}

impl Durability {
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Off => "OFF",
            Self::Process => "NORMAL",
            Self::Power => "FULL",
        }
    }
}

/// How a database is opened.
#[derive(Clone, Copy, Debug)]
pub struct SqliteOptions {
    /// What an acknowledged event survives.
    pub durability: Durability,
    /// The database grows no larger; what is appended past it is refused until there is room.
    pub max_bytes: Option<u64>,
    /// Whether all of it is looked at before it is used.
    pub check: bool,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            max_bytes: None,
            check: true,
        }
    }
}

/// The connection that writes, the lock that keeps others from it, and the database's path.
pub(super) fn open(
    directory: &Path,
    options: &SqliteOptions,
) -> Result<(Connection, Option<File>, PathBuf), StoreError> {
    std::fs::create_dir_all(directory)?;
    let held = occupy(directory)?;
    let path = directory.join(DATABASE);
    sound::is_database(&path)?;
    let mut writer = Connection::open(&path)?;
    writer.busy_timeout(BUSY)?;
    // before anything of it is changed
    schema::recognise(&writer, &path).map_err(|error| sound::told(error, &path))?;
    if options.check {
        sound::check(&writer, &path)?;
    }
    // takes effect in an empty file only: pages that retention frees can be given back
    writer.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "foreign_keys", true)?;
    writer.pragma_update(None, "cache_size", CACHE_KIB)?;
    writer.set_prepared_statement_cache_capacity(STATEMENTS);
    schema::migrate(&mut writer)?;
    replay::replay(&mut writer, directory, &path)?;
    Reserve::beside(&path).with(&mut writer, |writer| {
        enter_incarnation(writer, options.durability)
    })?;
    writer.pragma_update(None, "synchronous", options.durability.synchronous())?;
    if let Some(most) = options.max_bytes {
        let [_, _, size] = shrink::pages(&writer)?;
        let most = signed(most / size.max(1)).max(1);
        // a database that is larger already keeps its size
        writer.query_row(
            &format!("PRAGMA max_page_count = {most}"),
            [],
            |_row| Ok(()),
        )?;
    }
    Ok((writer, held, path))
}

/// Whether one transaction more may go past so many bytes.
pub(super) fn is_at_most(connection: &Connection, bytes: u64) -> bool {
    shrink::pages(connection)
        .is_ok_and(|[pages, _, size]| pages * size + LARGEST_TRANSACTION >= bytes)
}

/// Everything written is on the medium: a loss of power from here on takes nothing back.
pub(super) fn note_clean(connection: &Connection) -> Result<(), StoreError> {
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute("UPDATE incarnation SET at_risk = 0", [])?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()))?;
    Ok(())
}

/// Committed with `synchronous = FULL`, so that a later loss of power finds the mark.
fn enter_incarnation(writer: &mut Connection, durability: Durability) -> Result<(), StoreError> {
    let boot = boot_id();
    let at_risk = durability != Durability::Power;
    let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let former: Option<(String, bool)> = transaction
        .query_row("SELECT boot, at_risk FROM incarnation", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match former {
        None => {
            // drawn anew for each database: no cursor of a deleted one fits
            let epoch = fastrand::i64(1..1_000_000);
            transaction.execute(
                "INSERT INTO incarnation (one, epoch, boot, at_risk) VALUES (1, ?1, ?2, ?3)",
                params![epoch, boot, at_risk],
            )?;
        }
        Some((before, was_at_risk)) => {
            if was_at_risk && (boot.is_empty() || before != boot) {
                tracing::warn!(
                    "the machine stopped without the log being closed: events may have been lost, and cursors begin anew"
                );
                transaction.execute("UPDATE incarnation SET epoch = epoch + 1", [])?;
                transaction.execute(
                    "UPDATE executions SET epoch = (SELECT epoch FROM incarnation)",
                    [],
                )?;
            }
            transaction.execute(
                "UPDATE incarnation SET boot = ?1, at_risk = ?2",
                params![boot, at_risk],
            )?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Changes with every start of the machine; empty where the system has no such thing, and every start then counts as one.
fn boot_id() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map(|text| text.trim().to_owned())
        .unwrap_or_default()
}

/// Two processes that write would give one id two meanings: the second is refused. The lock ends with the process, and
/// with every program that it was just starting then: those have a copy of the file until they run, and are waited for.
fn occupy(directory: &Path) -> Result<Option<File>, StoreError> {
    let file = File::create(directory.join("stepcast.lock"))?;
    let until = Instant::now() + STARTING;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(TryLockError::WouldBlock) => return Err(StoreError::InUse),
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
                return Ok(None);
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// How long a program may take from being made to being run.
const STARTING: Duration = Duration::from_millis(500);

/// What a stream may have uncommitted, and some more.
const LARGEST_TRANSACTION: u64 = 16 << 20;

/// What the writer keeps of the database in memory, where it is used at all: the last page of each of some thousand
/// executions, which the next event of each goes into. Negative for KiB.
const CACHE_KIB: i64 = -16_384;

/// Statements kept prepared: more than the store has.
const STATEMENTS: usize = 64;
