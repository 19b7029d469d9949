//! One transaction of the log's writer.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use stepcast_core::control::EndReason;
use stepcast_core::id::ExecutionId;

use super::super::execution::{Ended, ExecutionRow, ExecutionStatus, NewExecution, RowKey};
use super::super::store::{Batch, Checkpoint, StoreError};
use super::block::Blocks;
use super::reference;
use super::rows::signed;

/// Makes an execution known.
pub(super) fn create(
    connection: &mut Connection,
    new: &NewExecution,
) -> Result<ExecutionRow, StoreError> {
    // A statement that returns a row ends before it is committed, and would not tell that it could not be.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let shown = new.shown.as_ref();
    let (definition, input) = shown.map_or((&new.definition, &new.input), |(a, b)| (a, b));
    let created: Option<(i64, i64)> = transaction
        .prepare_cached(
            "INSERT INTO executions (id, epoch, pipeline, status, created_at, definition, input, lease_ms, resumed_from, owner, traceparent, tracestate)
             SELECT ?1, epoch, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM incarnation WHERE true
             ON CONFLICT (id) DO NOTHING RETURNING key, epoch",
        )?
        .query_row(
            params![
                new.id.as_str(),
                new.pipeline,
                signed(new.created_at),
                definition.to_string(),
                input.to_string(),
                new.lease_ms.map(signed),
                new.resumed_from.as_ref().map(ExecutionId::as_str),
                new.owner,
                new.trace.as_ref().map(|trace| &trace.traceparent),
                new.trace.as_ref().and_then(|trace| trace.tracestate.as_ref()),
            ],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let (key, epoch) = created.ok_or(StoreError::Exists)?;
    if new.shown.is_some() {
        transaction
            .prepare_cached(
                "INSERT INTO unredacted (execution, definition, input) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![
                key,
                new.definition.to_string(),
                new.input.to_string()
            ])?;
    }
    transaction.commit()?;
    Ok(new.row(RowKey {
        key,
        epoch: epoch.unsigned_abs(),
    }))
}

/// Keeps all of it, or nothing.
pub(super) fn commit(connection: &mut Connection, batches: &[Batch]) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut blocks = Blocks::new(&transaction)?;
        for batch in batches {
            let key = batch.key.key;
            for record in &batch.records {
                blocks.push(key, record.seq(), record.json_slice())?;
            }
            blocks.flush()?;
            if let Some(checkpoint) = &batch.checkpoint {
                keep_checkpoint(&transaction, key, checkpoint)?;
            }
            for mark in &batch.producers {
                transaction
                    .prepare_cached(
                        "INSERT INTO producers (execution, producer, epoch, seq) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (execution, producer) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq",
                    )?
                    .execute(params![key, mark.producer, signed(mark.epoch), signed(mark.seq)])?;
            }
            reference::keep(&transaction, key, &batch.artifacts)?;
            if let Some(status) = batch.status {
                transaction
                    .prepare_cached(
                        "UPDATE executions SET status = ?2 WHERE key = ?1 AND ended_at IS NULL",
                    )?
                    .execute(params![key, status.as_str()])?;
            }
            if let Some(ended) = &batch.ended {
                end(&transaction, key, ended)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn keep_checkpoint(
    transaction: &Transaction<'_>,
    key: i64,
    checkpoint: &Checkpoint,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "INSERT INTO checkpoints (execution, seq, state, confidential) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (execution) DO UPDATE SET seq = excluded.seq, state = excluded.state,
             confidential = max(confidential, excluded.confidential)",
        )?
        .execute(params![
            key,
            signed(checkpoint.seq),
            checkpoint.state.as_ref(),
            checkpoint.confidential
        ])?;
    let mut result = transaction.prepare_cached(
        "INSERT INTO results (execution, number, json) VALUES (?1, ?2, ?3)
         ON CONFLICT (execution, number) DO UPDATE SET json = excluded.json",
    )?;
    for (number, json) in &checkpoint.results {
        result.execute(params![key, number, json.as_ref()])?;
    }
    Ok(())
}

/// A run that has completed is never gone on with; any other may be.
fn end(transaction: &Transaction<'_>, key: i64, ended: &Ended) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE executions SET status = ?2, error = ?3, ended_at = ?4 WHERE key = ?1",
        )?
        .execute(params![
            key,
            ExecutionStatus::of_end(ended.reason).as_str(),
            ended.error,
            signed(ended.at)
        ])?;
    if ended.reason == EndReason::Complete {
        for forget in [
            "DELETE FROM checkpoints WHERE execution = ?1",
            "DELETE FROM results WHERE execution = ?1",
            "DELETE FROM unredacted WHERE execution = ?1",
        ] {
            transaction.prepare_cached(forget)?.execute([key])?;
        }
    }
    Ok(())
}
