//! `stepcast log import`: what an export wrote, into the log of a folder.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write as _};
use std::path::PathBuf;

use clap::Args;

use super::super::{CliError, Outcome};
use super::Place;
use crate::log::{ImportOptions, Imported, Store as _};

/// Arguments of `stepcast log import`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast log import backup.ndjson
  zcat failed.ndjson.gz | stepcast log import -
  stepcast log import --skip-existing --data-dir /var/lib/stepcast monday.ndjson tuesday.ndjson
  stepcast log import --salvaged --data-dir /var/lib/new rest.ndjson

Each execution is taken in whole or not at all. Its events keep their bytes and their numbers; its
cursors are new ones. What was under way when it was exported ends as interrupted.

Exit code: 0 all of it was taken in, 1 a line does not fit (it is named; what came before it is there).")]
pub(super) struct Import {
    /// Files of an export; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Pass over executions that are there already
    #[arg(long)]
    skip_existing: bool,
    /// The files are of a damaged log: of an execution with a hole, take what follows the last one
    #[arg(long)]
    salvaged: bool,
    #[command(flatten)]
    place: Place,
}

impl Import {
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let options = ImportOptions {
            skip_existing: self.skip_existing,
            salvaged: self.salvaged,
        };
        let store = self.place.store()?;
        for path in &self.files {
            let name = path.display();
            let mut text: Box<dyn BufRead> = if path.as_os_str() == "-" {
                Box::new(io::stdin().lock())
            } else {
                let file = File::open(path)
                    .map_err(|error| CliError::Usage(format!("{name} cannot be read: {error}")))?;
                Box::new(BufReader::new(file))
            };
            let done = store.import(&mut *text, options);
            if done.is_err() {
                store.close();
            }
            let done = done.map_err(|error| CliError::Import(path.clone(), error))?;
            writeln!(io::stdout().lock(), "{name}: {}", told(&done))?;
        }
        store.close();
        Ok(Outcome::Complete)
    }
}

fn told(imported: &Imported) -> String {
    let mut text = format!(
        "{} executions and {} events taken in",
        imported.executions, imported.events
    );
    for (number, what) in [
        (imported.skipped, "executions were there already"),
        (imported.ended, "had no end and ended as interrupted"),
        (imported.left_out, "events before a hole were left out"),
    ] {
        if number > 0 {
            text.push_str(&format!(", {number} {what}"));
        }
    }
    text
}
