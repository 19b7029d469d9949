//! `stepcast log export`: executions to standard output, their events as they are in the log.

use std::io::{self, BufWriter, Write as _};

use clap::Args;
use stepcast_core::id::ExecutionId;

use super::super::words::count;
use super::super::{CliError, Outcome};
use super::Place;
use crate::log::{ExecutionRow, ExecutionStatus, LogFile};

/// Arguments of `stepcast log export`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast log export exec_123 > exec_123.ndjson
  stepcast log export --all > backup.ndjson
  stepcast log export --status failed,interrupted | gzip > failed.ndjson.gz
  stepcast log export --all --salvage --data-dir /var/lib/damaged > rest.ndjson

Each execution is one line that says what it was, then a line for every event, as it is in the log.
Each is written as it is at one instant, also while a server runs. The files that runs have made
are not in it: they lie in the folder `artifacts` of the data folder.

Exit code: 0 all of it was written, 1 some of it could not be read, 2 there is no such execution.")]
pub(super) struct Export {
    /// These executions
    #[arg(value_name = "EXECUTION", conflicts_with_all = ["all", "status"], required_unless_present_any = ["all", "status"])]
    executions: Vec<ExecutionId>,
    /// Every execution
    #[arg(long)]
    all: bool,
    /// Every execution with one of these statuses, separated by commas
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = status)]
    status: Vec<ExecutionStatus>,
    /// Leave out what cannot be read, and say how much
    #[arg(long)]
    salvage: bool,
    #[command(flatten)]
    place: Place,
}

impl Export {
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let file = self.place.file()?;
        let (rows, unreadable) = self.rows(&file)?;
        let mut out = BufWriter::new(io::stdout().lock());
        let (mut events, mut lost, mut cut_off) = (0, 0, 0);
        for row in &rows {
            let exported = file.export(row, self.salvage, &mut out)?;
            events += exported.events;
            lost += exported.lost;
            cut_off += usize::from(exported.cut_off);
        }
        out.flush()?;
        let told = if lost + unreadable == 0 && cut_off == 0 {
            Outcome::Complete
        } else {
            Outcome::Failed
        };
        let mut err = io::stderr().lock();
        writeln!(
            err,
            "{} and {} written",
            count(rows.len(), "execution"),
            count(usize::try_from(events).unwrap_or(usize::MAX), "event")
        )?;
        if told == Outcome::Failed {
            writeln!(
                err,
                "could not be read: {unreadable} executions and {lost} events"
            )?;
        }
        if cut_off > 0 {
            writeln!(
                err,
                "how many events are missing at the end of {} is not known",
                count(cut_off, "execution")
            )?;
        }
        Ok(told)
    }

    fn rows(&self, file: &LogFile) -> Result<(Vec<ExecutionRow>, u64), CliError> {
        if self.executions.is_empty() {
            return Ok(file.executions(&self.status, self.salvage)?);
        }
        let mut rows = Vec::new();
        for id in &self.executions {
            let found = if self.salvage {
                let (all, _) = file.executions(&[], true)?;
                all.into_iter().find(|row| row.id == *id)
            } else {
                file.find(id)?
            };
            rows.push(found.ok_or_else(|| CliError::Usage(format!("there is no execution {id}")))?);
        }
        Ok((rows, 0))
    }
}

fn status(text: &str) -> Result<ExecutionStatus, String> {
    ExecutionStatus::parse(text).ok_or_else(|| {
        let known: Vec<&str> = ExecutionStatus::ALL.iter().map(|s| s.as_str()).collect();
        format!("write one of {}", known.join(", "))
    })
}
