//! `stepcast log`: what an operator does with the log in a data folder, with a server on it or without.

mod export;
mod import;
mod stats;

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::{CliError, Outcome};
use crate::config::Config;
use crate::log::{Durability, LogFile, SqliteOptions, SqliteStore, Store as _, StoreError};

/// Arguments of `stepcast log`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast log stats
  stepcast log stats --check --data-dir /var/lib/stepcast
  stepcast log export exec_123 > exec_123.ndjson
  stepcast log export --status failed,interrupted > failed.ndjson
  stepcast log import --data-dir /tmp/copy failed.ndjson
  stepcast log vacuum

stats and export read only, and may be used while a server runs; vacuum and import need the folder
for themselves. docs/operations.md says what to do with a damaged log, and how to make backups.")]
pub(super) struct Log {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say what the log holds, and whether it is whole
    Stats(stats::Stats),
    /// Make the database as small as what is in it
    Vacuum(Place),
    /// Write executions to standard output, one line each and one for every event
    Export(export::Export),
    /// Read what an export wrote
    Import(import::Import),
}

/// Where the log is.
#[derive(Args, Debug)]
struct Place {
    /// The log is here; else where the server's settings say
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Read settings from this file instead of stepcast.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Log {
    /// Does it.
    pub(super) fn run(self) -> Result<Outcome, CliError> {
        let done = match self.command {
            Command::Stats(stats) => stats.run(),
            Command::Vacuum(place) => vacuum(&place),
            Command::Export(export) => export.run(),
            Command::Import(import) => import.run(),
        };
        match done {
            // who read the pipe has seen enough
            Err(CliError::Store(StoreError::Directory(error)))
                if error.kind() == io::ErrorKind::BrokenPipe =>
            {
                Err(CliError::Io(error))
            }
            done => done,
        }
    }
}

impl Place {
    fn directory(&self) -> Result<PathBuf, CliError> {
        if let Some(directory) = &self.data_dir {
            return Ok(directory.clone());
        }
        Ok(Config::load(self.config.as_deref(), super::variables())?.data_dir)
    }

    /// To be read, whoever uses it.
    fn file(&self) -> Result<LogFile, CliError> {
        let directory = self.directory()?;
        match LogFile::open(&directory) {
            Err(StoreError::Directory(error)) if error.kind() == io::ErrorKind::NotFound => Err(
                CliError::Usage(format!("there is no log in {}", directory.display())),
            ),
            opened => Ok(opened?),
        }
    }

    /// To be written, with nobody else there.
    fn store(&self) -> Result<SqliteStore, CliError> {
        let options = SqliteOptions {
            durability: Durability::Process,
            ..SqliteOptions::default()
        };
        Ok(SqliteStore::open_with(&self.directory()?, options)?)
    }
}

fn vacuum(place: &Place) -> Result<Outcome, CliError> {
    // not made where there is none
    drop(place.file()?);
    let path = place.directory()?.join("stepcast.db");
    let store = place.store()?;
    let before = bytes(&path);
    store.vacuum()?;
    store.close();
    let after = bytes(&path);
    writeln!(
        io::stdout().lock(),
        "{}: {before} bytes before, {after} now",
        path.display()
    )?;
    Ok(Outcome::Complete)
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
