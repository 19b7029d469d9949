//! `stepcast spec`: prints what the API and its streams are, for programs.

use std::io::{self, Write as _};

use clap::Args;

use super::{CliError, Outcome};
use crate::spec::Document;

/// Arguments of `stepcast spec`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast spec openapi > openapi.json
  stepcast spec asyncapi > asyncapi.json      refers to events.schema.json
  stepcast spec events > events.schema.json
  stepcast spec graphql > schema.graphql

A server has the same under /api/spec/.")]
pub(super) struct Spec {
    /// Which document
    document: Document,
}

impl Spec {
    /// Prints it.
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        io::stdout()
            .lock()
            .write_all(self.document.text().as_bytes())?;
        Ok(Outcome::Complete)
    }
}
