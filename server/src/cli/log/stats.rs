//! `stepcast log stats`: what a log holds.

use std::io::{self, Write};

use clap::Args;
use stepcast_core::time::Timestamp;

use super::super::{CliError, Outcome};
use super::Place;
use crate::log::LogStats;

/// Arguments of `stepcast log stats`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast log stats
  stepcast log stats --json --data-dir /var/lib/stepcast | jq .events
  stepcast log stats --check

It reads the size of every event; --check reads every page and every event.

Exit code: 0, or with --check: 0 nothing is wrong, 1 something is.")]
pub(super) struct Stats {
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Look at every page and every event, and say what is wrong
    #[arg(long)]
    check: bool,
    /// How many of the largest executions to name
    #[arg(long, value_name = "N", default_value_t = 10)]
    largest: usize,
    #[command(flatten)]
    place: Place,
}

impl Stats {
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let file = self.place.file()?;
        let mut out = io::stdout().lock();
        let mut findings = Vec::new();
        if self.check {
            file.check(&mut |finding| findings.push(finding.to_owned()))?;
        }
        if findings.is_empty() {
            let stats = file.stats(self.largest)?;
            if self.json {
                let mut json = serde_json::to_value(&stats).map_err(CliError::usage)?;
                if let (true, Some(object)) = (self.check, json.as_object_mut()) {
                    object.insert("findings".to_owned(), findings.into());
                }
                writeln!(out, "{json}")?;
            } else {
                show(&stats, &mut out)?;
                if self.check {
                    writeln!(out, "checked: nothing is wrong")?;
                }
            }
            return Ok(Outcome::Complete);
        }
        if self.json {
            writeln!(out, "{}", serde_json::json!({ "findings": findings }))?;
        } else {
            for finding in findings {
                writeln!(out, "wrong: {finding}")?;
            }
        }
        Ok(Outcome::Failed)
    }
}

fn show(stats: &LogStats, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", stats.path.display())?;
    writeln!(
        out,
        "  file        {} bytes, {} of them free; journal {} bytes",
        stats.file_bytes, stats.free_bytes, stats.journal_bytes
    )?;
    let risk = if stats.durability_at_risk {
        "a loss of power now could take back events that were seen"
    } else {
        "nothing is at risk"
    };
    writeln!(out, "  epoch       {}; {risk}", stats.epoch)?;
    let by_status: Vec<String> = stats
        .by_status
        .iter()
        .map(|(status, number)| format!("{number} {status}"))
        .collect();
    writeln!(
        out,
        "  executions  {}: {}",
        stats.executions,
        by_status.join(", ")
    )?;
    writeln!(
        out,
        "  events      {}, {} bytes",
        stats.events, stats.event_bytes
    )?;
    if let Some(oldest) = &stats.oldest {
        let at = Timestamp::from_unix_millis(oldest.created_at);
        writeln!(out, "  oldest      {} of {at}", oldest.execution_id)?;
    }
    for large in &stats.largest {
        writeln!(
            out,
            "  {:>12} bytes  {:>9} events  {:<11}  {}",
            large.bytes,
            large.events,
            large.status.as_str(),
            large.execution_id
        )?;
    }
    Ok(())
}
