//! One page of an execution's events: what every request that is answered at once reads by.

use std::time::Duration;

use stepcast_core::control::{EndReason, GapReason};
use stepcast_core::id::{Cursor, Epoch, ExecutionId, Seq};

use crate::access::Pass;
use crate::error::Problem;
use crate::executions::Executions;
use crate::log::{Page, Reader, Record};
use crate::telemetry::tell_replay;
use crate::transport::parameters::{self, Selection};

/// A page, read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) epoch: Epoch,
    /// The first event that is still there.
    pub(crate) earliest: Seq,
    /// The last event so far.
    pub(crate) last_seq: Seq,
    /// Those that the filter lets through.
    pub(crate) records: Vec<Record>,
    /// Where the next page begins, past what a filter held back too.
    pub(crate) next: Cursor,
    pub(crate) gap: Option<Gap>,
    /// Where nothing follows.
    pub(crate) end: Option<End>,
}

/// What is missing before the first event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) from: Seq,
    pub(crate) to: Seq,
    pub(crate) reason: GapReason,
}

/// The end of the execution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) last_seq: Seq,
    pub(crate) reason: EndReason,
}

/// Reads what comes after the cursor, as far as `pass` shows it; with `wait` not before there is something, or that time has
/// passed.
///
/// # Errors
/// 404 for an unknown execution, 400 for a cursor beyond its end.
pub(crate) async fn read(
    executions: &Executions,
    id: &ExecutionId,
    pass: &Pass,
    selection: Selection,
    limit: usize,
    wait: Option<Duration>,
) -> Result<Read, Problem> {
    let stream = executions
        .log()
        .open(id)?
        .ok_or_else(Problem::unknown_execution)?;
    let row = executions
        .find(id)?
        .ok_or_else(Problem::unknown_execution)?;
    let epoch = stream.epoch();
    let after = pass.begin(selection.after);
    let began = stream.tail().last_seq;
    let start = parameters::start(after, epoch, began)?;
    let mut reader = Reader::new(stream.clone(), start.after);
    if let (Some(wait), None) = (wait, start.void) {
        tokio::select! {
            _ = reader.grown() => {}
            () = tokio::time::sleep(wait) => {}
            () = executions.stopping().cancelled() => {}
        }
    }
    let mut read = reader.read(limit).await?;
    if start.void.is_some() && read.gap.is_some() {
        // one gap a page: the next one tells of what this log has dropped
        read = Page::default();
        reader.seek(start.after);
    }
    tell_replay(&mut read.records, began);
    let gap = |(from, to), reason| Gap { from, to, reason };
    let retention = read.gap.map(|lost| gap(lost, GapReason::Retention));
    let passes = |record: &Record| {
        let (filter, json) = (&selection.filter, || record.json().into());
        filter.is_empty() || filter.passes(&record.event_type().into(), record.step_id(), json)
    };
    let earliest = row.earliest.max(read.gap.map_or(1, |(_, to)| to + 1));
    read.records.retain(passes);
    Ok(Read {
        epoch,
        earliest,
        last_seq: stream.tail().last_seq,
        records: read.records,
        next: Cursor {
            epoch,
            seq: reader.after(),
        },
        gap: start
            .void
            .map(|lost| gap(lost, GapReason::Epoch))
            .or(retention),
        end: read
            .ended
            .map(|(last_seq, reason)| End { last_seq, reason }),
    })
}
