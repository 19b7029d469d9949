//! Executions that were made as streams: what they are made with, and when they are taken away again.

use std::time::Duration;

use serde_json::{Value, json};
use stepcast_core::id::ExecutionId;

use super::Executions;
use super::expiry::FOREVER;
use super::external::Announcement;
use super::gate::{Alongside, Receipt, Unit};
use super::launch::terminal_error;
use super::leases::Place;
use super::order::Order;
use super::producer::Producer;
use super::refusal::Refusal;
use crate::clock::unix_millis;
use crate::context::Draft;
use crate::durable::Kept;
use crate::error::Problem;
use crate::log::{ExecutionRow, StoreError};
use crate::trace::TraceContext;

impl Executions {
    /// Makes a stream; false where it is there already, made with the same.
    ///
    /// # Errors
    /// 409 where the name is taken by another, 429 where too many have not ended.
    pub(crate) async fn keep(
        &self,
        id: &ExecutionId,
        kept: &Kept,
        (owner, trace): (Option<String>, Option<TraceContext>),
    ) -> Result<bool, Problem> {
        let pipeline = json!({ "name": id, "steps": [], "paths": [], STREAM: kept });
        let announced = Announcement {
            execution_id: Some(id.clone()),
            name: id.to_string(),
            pipeline,
            input: Value::Null,
            lease: Some(length_of(kept)),
            producer: None,
            owner,
            trace,
        };
        let (_row, is_new) = self.announce(announced).await?;
        Ok(is_new)
    }

    /// What it was made with; none where it was not made as a stream.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) fn kept(&self, row: &ExecutionRow) -> Result<Option<Kept>, StoreError> {
        // only a program elsewhere appends to a stream
        if row.lease_ms.is_none() {
            return Ok(None);
        }
        let origin = self.0.log.store().origin(row.key.key)?;
        let kept = origin.and_then(|(mut definition, _)| {
            let kept = definition.pointer_mut("/external")?.get_mut(STREAM)?;
            serde_json::from_value(kept.take()).ok()
        });
        Ok(kept)
    }

    /// Somebody reads it: the time for which nobody did begins anew.
    pub(crate) fn used(&self, id: &ExecutionId) {
        self.0.external.leases.renew(id);
    }

    /// [`Executions::take`] for a stream, of which every portion may have a place in an order of its writers' own.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub(crate) async fn take_in_order(
        &self,
        id: &ExecutionId,
        drafts: &mut Vec<Draft>,
        producer: Option<&Producer>,
        order: Option<&str>,
    ) -> Result<Receipt, Refusal> {
        let along = Alongside {
            order: Some(Order(order)),
            ..Alongside::default()
        };
        self.take_with(id, drafts, along, producer, Unit::Request)
            .await
    }

    /// A stream whose time is over is gone, closed or not.
    pub(super) async fn take_away(&self, row: &ExecutionRow) -> Result<(), Refusal> {
        let leases = &self.0.external.leases;
        if row.status.end().is_none() {
            let end = terminal_error(
                "timeout",
                "The time for which the stream is there is over.",
                0,
            );
            let gate = self.gate(&row.id)?;
            let ended = gate.end(|| leases.run_out(&row.id).is_some(), &end).await;
            match ended {
                Ok(Some(seq)) => gate.stream.settled(seq).await?,
                // somebody has used it meanwhile
                Ok(None) => return Ok(()),
                Err(Refusal::Ended { .. }) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        self.delete(&row.id).await?;
        leases.end(&row.id);
        tracing::info!(execution_id = %row.id, "taken away: its time is over");
        Ok(())
    }

    /// Grants the time for which it is there.
    pub(super) fn grant(&self, place: Place<'_>, row: &ExecutionRow) -> Result<(), StoreError> {
        let kept = self.kept(row)?;
        match kept.as_ref().and_then(Kept::expires_millis) {
            Some(at) => {
                let left = Duration::from_millis(at.saturating_sub(unix_millis()));
                place.grant_until(&row.id, left.min(FOREVER));
            }
            None => place.grant(&row.id, super::external::length_of(row)),
        }
        Ok(())
    }
}

/// How long nobody has to use it for it to be taken away: no stream ends because nobody appends to it.
fn length_of(kept: &Kept) -> Duration {
    let ttl = kept.ttl_seconds.map(Duration::from_secs);
    ttl.unwrap_or(FOREVER).min(FOREVER)
}

/// The member of a pipeline's description in which it stands.
const STREAM: &str = "stream";
