//! The command line: `serve`, `run`, `tail`, `answer`, `validate`, `log`, `token`, `audit`, `spec`.

mod answer;
mod asker;
mod audit;
mod bars;
mod dialog;
mod log;
mod remote;
mod run;
mod screen;
mod serve;
mod shapes;
mod signals;
mod source;
mod spec;
mod story;
mod tail;
mod token;
mod validate;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use stepcast_core::control::EndReason;
use thiserror::Error;

use crate::RunError;
use crate::access::RegisterError;
use crate::artifact::ArtifactError;
use crate::config::{Config, ConfigError};
use crate::log::StoreError;
use crate::logging::LogFormat;
use crate::step::{StepRegistry, transform};

/// Runs pipelines, and streams every event of them as it happens.
#[derive(Debug, Parser)]
#[command(
    name = "stepcast",
    version,
    max_term_width = 110,
    after_help = "\
Begin here:
  stepcast run examples/hello    run a pipeline, and watch it in this terminal
  stepcast serve                 serve dashboard and API on http://127.0.0.1:8400
  stepcast tail exec_123         watch a run of that server in this terminal

`stepcast COMMAND --help` has examples of each."
)]
pub struct Cli {
    /// How the server's own log is written, to standard error; RUST_LOG says how much of it
    #[arg(
        long,
        global = true,
        value_enum,
        env = "STEPCAST_LOG_FORMAT",
        default_value_t,
        value_name = "FORMAT"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the dashboard, the API and the streams
    Serve(serve::Serve),
    /// Run a pipeline in this process, and watch it
    Run(run::Run),
    /// Watch a run of a server
    Tail(tail::Tail),
    /// Answer what a run of a server asks a person
    Answer(answer::Answer),
    /// Check a pipeline without running it
    Validate(validate::Validate),
    /// Look after the log in a data folder
    Log(log::Log),
    /// Make, list and revoke tokens for a server with accounts
    Token(token::Token),
    /// Show who did what on a server with accounts
    Audit(audit::Audit),
    /// Print what the API and its streams are, for programs
    Spec(spec::Spec),
    /// Apply the expression of a `transform` step, as the process that runs the step asks
    #[command(hide = true)]
    Evaluate,
}

/// How a command ended; its number is the process's exit code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// 0: it is done, and done well.
    Complete,
    /// 1: the run failed, or the pipeline does not validate.
    Failed,
    /// 2: what was asked for cannot be done as it was asked.
    Usage,
    /// 130: cancelled, or Ctrl-C.
    Cancelled,
}

impl Outcome {
    fn of(end: EndReason) -> Self {
        if end == EndReason::Complete {
            Self::Complete
        } else if end == EndReason::Cancelled {
            Self::Cancelled
        } else {
            Self::Failed
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Complete => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Cancelled => 130,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.code())
    }
}

/// Why a command could not do what was asked.
#[derive(Debug, Error)]
enum CliError {
    /// What was given makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The server does not let it be followed.
    #[error("it cannot be followed: {0}")]
    Refused(String),
    /// The server does not answer.
    #[error("the server cannot be reached: {0}")]
    Unreachable(String),
    /// A run asks, and there is nobody.
    #[error(
        "step `{0}` asks a person, and there is nobody to ask here: run it in a terminal, give one line a field on \
         standard input with --ask always, or start it on a server and use `stepcast answer`"
    )]
    NobodyToAsk(String),
    /// What was under way went wrong.
    #[error("{0}")]
    Failed(&'static str),
    /// Ctrl-C for the second time.
    #[error("ended before the run did")]
    Killed,
    /// Files of a run cannot be kept.
    #[error(transparent)]
    Artifacts(#[from] ArtifactError),
    /// The settings cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The server ended.
    #[error(transparent)]
    Server(#[from] RunError),
    /// The log failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The register of credentials failed.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// What was to be taken in was not, or not all of it.
    #[error("{}: {}", .0.display(), .1)]
    Import(PathBuf, StoreError),
    /// The terminal or the pipe failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl CliError {
    fn usage(error: impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    fn outcome(&self) -> Outcome {
        match self {
            Self::Usage(_)
            | Self::Refused(_)
            | Self::Unreachable(_)
            | Self::NobodyToAsk(_)
            | Self::Config(_)
            | Self::Register(_)
            | Self::Artifacts(_) => Outcome::Usage,
            Self::Failed(_) | Self::Server(_) | Self::Store(_) | Self::Import(..) | Self::Io(_) => {
                Outcome::Failed
            }
            Self::Killed => Outcome::Cancelled,
        }
    }
}

impl Cli {
    /// Does what the command line says. An error is told on standard error.
    pub async fn execute(self) -> Outcome {
        let result = match self.command {
            Command::Serve(serve) => serve.run().await,
            Command::Run(run) => run.run().await,
            Command::Tail(tail) => tail.run().await,
            Command::Answer(answer) => answer.run().await,
            Command::Validate(validate) => validate.run(),
            Command::Log(log) => log.run(),
            Command::Token(token) => token.run(),
            Command::Audit(audit) => audit.run(),
            Command::Spec(spec) => spec.run(),
            Command::Evaluate => transform::work()
                .map(|()| Outcome::Complete)
                .map_err(CliError::Io),
        };
        match result {
            Ok(outcome) => outcome,
            // Who read the pipe has seen enough.
            Err(CliError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Outcome::Cancelled
            }
            Err(error) => {
                let mut err = io::stderr().lock();
                if io::Write::write_fmt(&mut err, format_args!("error: {error}\n")).is_err() {
                    tracing::error!(%error, "the command failed");
                }
                error.outcome()
            }
        }
    }

    /// How the process's own log is written.
    pub fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// What is written to the log of the process itself where `RUST_LOG` says nothing.
    pub fn default_log(&self) -> &'static str {
        match self.command {
            Command::Serve(_) => "info",
            Command::Log(_) | Command::Token(_) | Command::Audit(_) => "warn",
            Command::Run(_)
            | Command::Tail(_)
            | Command::Answer(_)
            | Command::Validate(_)
            | Command::Spec(_)
            | Command::Evaluate => "error",
        }
    }
}

/// The environment's variables that are text.
fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The settings of a file, or of the one that is looked for, and of the environment; this program applies expressions.
fn settings(file: Option<&Path>) -> Result<Config, CliError> {
    let mut config = Config::load(file, variables())?;
    if config.steps.evaluator.is_none() {
        config.steps.evaluator = own_program();
    }
    Ok(config)
}

/// This program, even where its file has been replaced since.
fn own_program() -> Option<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() {
        return Some(running.to_owned());
    }
    std::env::current_exe().ok()
}

/// The steps that a pipeline run or checked here may name, and the models that it may ask: those of `stepcast.toml`
/// and of the environment, as for a server.
fn registry() -> Result<StepRegistry, CliError> {
    let config = settings(None)?;
    let providers = config.providers(std::env::vars_os())?;
    let registry = StepRegistry::builtin()
        .with_python(&config.python)
        .with_evaluator(&config.steps);
    Ok(registry.with_providers(providers))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_command_has_examples() {
        let mut command = Cli::command();
        command.clone().debug_assert();
        for name in [
            "serve", "run", "tail", "answer", "validate", "log", "token", "audit", "spec",
        ] {
            let help = command
                .find_subcommand_mut(name)
                .unwrap()
                .render_long_help()
                .to_string();
            assert!(
                help.contains("Examples:") && help.contains(&format!("stepcast {name}")),
                "{name}:\n{help}"
            );
        }
    }

    #[test]
    fn the_exit_code_says_how_it_ended() {
        for (end, code) in [
            (EndReason::Complete, 0),
            (EndReason::Failed, 1),
            (EndReason::Interrupted, 1),
            (EndReason::Timeout, 1),
            (EndReason::Cancelled, 130),
        ] {
            assert_eq!(Outcome::of(end).code(), code);
        }
        assert_eq!(CliError::usage("x").outcome().code(), 2);
    }
}
