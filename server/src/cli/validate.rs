//! `stepcast validate`: says everything that is wrong with a pipeline, and where.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::source::read_document;
use super::{CliError, Outcome, registry};
use crate::pipeline::Pipeline;

/// Arguments of `stepcast validate`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast validate pipeline.json
  stepcast validate examples/*/pipeline.json
  cat pipeline.json | stepcast validate -

Each problem is one line: file, JSON path, what is wrong, and what was probably meant.

Exit code: 0 all are fine, 1 at least one is not, 2 a file cannot be read.")]
pub(super) struct Validate {
    /// Pipeline files; `-` is standard input, a folder stands for its pipeline.json
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl Validate {
    /// Checks each file.
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let registry = registry()?;
        let mut out = io::stdout().lock();
        let mut outcome = Outcome::Complete;
        for file in &self.files {
            let document = read_document(file)?;
            let name = file.display();
            match Pipeline::from_json(&document.json, &registry) {
                Ok(pipeline) => {
                    for warning in pipeline.warnings() {
                        writeln!(out, "{name}: warning: {warning}")?;
                    }
                    let (steps, paths) = (pipeline.steps().len(), pipeline.paths().len());
                    writeln!(
                        out,
                        "{name}: fine: {:?}, {steps} steps, {paths} paths",
                        pipeline.name()
                    )?;
                }
                Err(problems) => {
                    outcome = Outcome::Failed;
                    for problem in problems {
                        writeln!(out, "{name}: {problem}")?;
                    }
                }
            }
        }
        Ok(outcome)
    }
}
