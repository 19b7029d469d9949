//! `stepcast serve`: the server, with its settings from file, environment and flags.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::Map;
use tokio::net::TcpListener;

use super::signals::Interrupts;
use super::{CliError, Outcome};
use crate::config::{Config, StoreKind};
use crate::executions::{Definition, Executions, Request};
use crate::step::StepRegistry;

/// Arguments of `stepcast serve`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast serve
  stepcast serve --listen 127.0.0.1:9000 --data-dir /var/lib/stepcast
  stepcast serve --pipelines examples --start library --store memory
  stepcast token create me --scopes admin && stepcast serve --accounts
  stepcast serve --tls-cert server.pem --tls-key server.key
  STEPCAST_HEARTBEAT_MS=5000 stepcast serve --config stepcast.toml

Every setting can stand in the file (stepcast.toml), those that are in no table in a variable
too (STEPCAST_ and its name in capitals), and the ones above on the command line; the later of
these wins. docs/configuration.md has all of them with their defaults.

Ctrl-C or SIGTERM stops it: viewers are told to come back. What was under way goes on at the next
start where its pipeline allows it (docs/pipelines.md), and else ends as interrupted.")]
pub(super) struct Serve {
    /// Read settings from this file instead of stepcast.toml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen here
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Keep the database here
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// Keep events here
    #[arg(long, value_enum)]
    store: Option<Kept>,
    /// Offer the pipelines of this folder
    #[arg(long, value_name = "FOLDER")]
    pipelines: Option<PathBuf>,
    /// Let in only who has a token; `stepcast token create` makes one
    #[arg(long)]
    accounts: bool,
    /// Speak TLS with the certificate of this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The key of that certificate, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Start a run of this stored pipeline at once; may be given several times
    #[arg(long, value_name = "NAME")]
    start: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kept {
    /// In SQLite, in the data folder
    Sqlite,
    /// In memory, gone with the process
    Memory,
}

impl Serve {
    /// Serves until it is told to stop.
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let config = self.over(super::settings(self.config.as_deref())?)?;
        let listener = TcpListener::bind(config.listen).await.map_err(|error| {
            CliError::Usage(format!("cannot listen on {}: {error}", config.listen))
        })?;
        let address = listener.local_addr()?;
        let scheme = if config.tls.is_on() { "https" } else { "http" };
        let mut interrupts = Interrupts::listen()?;
        let executions = crate::open(config, StepRegistry::builtin()).await?;
        for name in &self.start {
            start(&executions, name).await?;
        }
        writeln!(io::stdout().lock(), "listening on {scheme}://{address}")?;
        let told_to_stop = async move { interrupts.next().await };
        crate::serve(listener, executions, told_to_stop).await?;
        Ok(Outcome::Complete)
    }

    /// These flags over the settings of file and environment.
    fn over(&self, mut config: Config) -> Result<Config, CliError> {
        if let Some(listen) = self.listen {
            config.listen = listen;
        }
        if let Some(data_dir) = &self.data_dir {
            config.data_dir.clone_from(data_dir);
        }
        if let Some(store) = self.store {
            config.store = match store {
                Kept::Sqlite => StoreKind::Sqlite,
                Kept::Memory => StoreKind::Memory,
            };
        }
        if let Some(pipelines) = &self.pipelines {
            config.pipelines.clone_from(pipelines);
        }
        config.access.tokens |= self.accounts;
        if let (Some(cert), Some(key)) = (&self.tls_cert, &self.tls_key) {
            config.tls.cert = Some(cert.clone());
            config.tls.key = Some(key.clone());
        }
        config.check()?;
        Ok(config)
    }
}

/// Starts a run of a stored pipeline, with nothing but the defaults of its parameters.
async fn start(executions: &Executions, name: &str) -> Result<(), CliError> {
    let request = Request {
        pipeline: Definition::Stored(name.to_owned()),
        input: Map::new(),
        execution_id: None,
        owner: None,
        trace: None,
    };
    match executions.create_and_start(request).await {
        Ok(id) => {
            tracing::info!(execution_id = %id, pipeline = name, "started");
            Ok(())
        }
        Err(problem) => Err(CliError::Usage(format!(
            "--start {name}: {}",
            problem.detail()
        ))),
    }
}
