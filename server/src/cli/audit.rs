//! `stepcast audit`: who did what on a server with accounts.

use std::io::{self, Write as _};

use clap::Args;

use super::token::Place;
use super::{CliError, Outcome};
use crate::access::AuditQuery;

/// Arguments of `stepcast audit`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast audit
  stepcast audit --user alice --limit 20
  stepcast audit --execution exec_123 | jq .action

One entry a line of JSON, the newest first: who opened, started, answered, cancelled,
shared and administered, and who was turned away. The server keeps as many as
access.audit_entries says, in access.db in its data folder.")]
pub(super) struct Audit {
    /// At most so many entries
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// What this user did
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// What was done to this execution
    #[arg(long, value_name = "ID")]
    execution: Option<String>,
    #[command(flatten)]
    place: Place,
}

impl Audit {
    /// Shows it.
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let rows = self.place.register()?.audit(&AuditQuery {
            limit: self.limit,
            before: None,
            user: self.user,
            execution: self.execution,
        })?;
        let mut out = io::stdout().lock();
        for row in rows {
            let line = serde_json::to_string(&row).map_err(io::Error::from)?;
            writeln!(out, "{line}")?;
        }
        Ok(Outcome::Complete)
    }
}
