//! Which execution refers to which files, in the database.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::super::reference::{Artifact, ContentHash, References};
use super::super::store::StoreError;
use super::SqliteStore;
use super::rows::signed;

impl References for SqliteStore {
    fn artifacts(&self, key: i64) -> Result<Vec<Artifact>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection
                .prepare_cached(&format!("{SELECT} WHERE execution = ?1 ORDER BY seq"))?;
            let found = statement.query_map([key], artifact_of)?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn artifact(&self, key: i64, sha256: &ContentHash) -> Result<Option<Artifact>, StoreError> {
        self.reading(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "{SELECT} WHERE sha256 = ?2 AND execution = ?1 ORDER BY seq DESC LIMIT 1"
            ))?;
            let found = statement.query_row(params![key, sha256.as_bytes()], artifact_of);
            Ok(found.optional()?)
        })
    }

    fn artifact_sum(&self, key: i64) -> Result<(u64, u64), StoreError> {
        self.reading(|connection| {
            let sum = connection
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(size), 0) FROM artifacts WHERE execution = ?1",
                )?
                .query_row([key], |row| {
                    let (count, size): (i64, i64) = (row.get(0)?, row.get(1)?);
                    Ok((count.unsigned_abs(), size.unsigned_abs()))
                })?;
            Ok(sum)
        })
    }

    fn is_referenced(&self, sha256: &ContentHash) -> Result<bool, StoreError> {
        self.reading(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT 1 FROM artifacts WHERE sha256 = ?1 LIMIT 1")?;
            Ok(statement.exists([sha256.as_bytes()])?)
        })
    }

    fn loose(&self, at_most: usize) -> Result<Vec<ContentHash>, StoreError> {
        self.reading(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT sha256 FROM loose_files LIMIT ?1")?;
            let limit = i64::try_from(at_most).unwrap_or(i64::MAX);
            let found = statement.query_map([limit], |row| Ok(ContentHash::new(row.get(0)?)))?;
            Ok(found.collect::<Result<_, _>>()?)
        })
    }

    fn forget_loose(&self, contents: &[ContentHash]) -> Result<(), StoreError> {
        self.writing(|connection: &mut Connection| {
            let transaction = connection.transaction()?;
            for sha256 in contents {
                transaction
                    .prepare_cached("DELETE FROM loose_files WHERE sha256 = ?1")?
                    .execute([sha256.as_bytes()])?;
            }
            transaction.commit()?;
            Ok(())
        })
    }
}

/// Keeps what an execution refers to from now on.
pub(super) fn keep(
    transaction: &Transaction<'_>,
    key: i64,
    artifacts: &[Artifact],
) -> Result<(), StoreError> {
    for artifact in artifacts {
        transaction
            .prepare_cached(
                "INSERT INTO artifacts (execution, seq, sha256, name, media_type, size)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (execution, seq, sha256, name) DO NOTHING",
            )?
            .execute(params![
                key,
                signed(artifact.seq),
                artifact.sha256.as_bytes(),
                artifact.name,
                artifact.media_type,
                signed(artifact.size),
            ])?;
    }
    Ok(())
}

fn artifact_of(row: &Row<'_>) -> rusqlite::Result<Artifact> {
    Ok(Artifact {
        seq: row.get::<_, i64>(0)?.unsigned_abs(),
        sha256: ContentHash::new(row.get(1)?),
        name: row.get(2)?,
        media_type: row.get(3)?,
        size: row.get::<_, i64>(4)?.unsigned_abs(),
    })
}

const SELECT: &str = "SELECT seq, sha256, name, media_type, size FROM artifacts";
