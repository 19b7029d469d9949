//! `stepcast run`: runs a pipeline in this process, and shows it through a subscription like any other.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};
use stepcast_core::control::GapReason;
use stepcast_core::id::ExecutionId;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::asker::{Ask, Asker};
use super::screen::{Format, Screen};
use super::signals::Interrupts;
use super::source::{Document, read_document, read_input};
use super::{CliError, Outcome, registry};
use crate::artifact::{ArtifactSettings, Artifacts};
use crate::clock::unix_millis;
use crate::context::StreamingContext;
use crate::executions::random_id;
use crate::log::{Budget, Log, MemoryStore, NewExecution, Reader};
use crate::pipeline::{self, Pipeline, Problem, RunOptions, RunResult};

/// Arguments of `stepcast run`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  stepcast run examples/library
  stepcast run pipeline.json --input '{\"topic\":\"tides\"}'
  stepcast run pipeline.json --input @input.json -p topic=tides -p count=3
  stepcast run pipeline.json | jq -c 'select(.event_type==\"step_complete\")'
  stepcast run pipeline.json > events.ndjson
  printf 'publish\n\n' | stepcast run examples/review --ask always

In a terminal it shows bars and streamed text; in a pipe, one event a line. Ctrl-C cancels
the run, and waits for its last event; a second Ctrl-C ends at once. What the run asks a
person, it asks in the terminal.

Exit code: 0 the run completed, 1 it failed, 2 the pipeline or its input does not validate,
or it asks and there is nobody, 130 it was cancelled.")]
pub(super) struct Run {
    /// A pipeline file; `-` is standard input, a folder stands for its pipeline.json
    file: PathBuf,
    /// What the run is given: a JSON object, or @FILE
    #[arg(long, value_name = "JSON|@FILE")]
    input: Option<String>,
    /// One value of the input; JSON where it is JSON, else text
    #[arg(short, long = "parameter", value_name = "KEY=VALUE")]
    parameter: Vec<String>,
    /// The run's id; drawn where none is given
    #[arg(long, value_name = "ID")]
    execution_id: Option<ExecutionId>,
    /// End the run as `timeout` after this time
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    timeout: Option<f64>,
    /// Where the answers come from that the run asks people for
    #[arg(long, value_enum, default_value_t)]
    ask: Ask,
    /// How to show it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Run {
    /// Runs to the end, or until somebody presses Ctrl-C.
    pub(super) async fn run(self) -> Result<Outcome, CliError> {
        let document = read_document(&self.file)?;
        let input = read_input(self.input.as_deref(), &self.parameter)?;
        let pipeline = Pipeline::from_json(&document.json, &registry()?)
            .map_err(|problems| invalid("the pipeline does not validate", &problems))?;
        pipeline
            .check_input(&input)
            .map_err(|problems| invalid("the input does not fit the pipeline", &problems))?;
        let timeout = match self.timeout.map(Duration::try_from_secs_f64) {
            Some(Err(error)) => return Err(CliError::Usage(format!("--timeout: {error}"))),
            Some(Ok(timeout)) => Some(timeout),
            None => None,
        };
        let id = self.execution_id.unwrap_or_else(random_id);
        let mut asker = Asker::new(self.ask);
        let cancel = CancellationToken::new();
        let options = RunOptions {
            cancel: cancel.clone(),
            timeout,
            work_dir: document.folder.clone(),
            desk: Some(asker.desk().clone()),
            ..RunOptions::default()
        };
        let (reader, run) = start(&id, document, pipeline, input, options)?;
        let mut screen = Screen::new(id, self.format);
        let asked = watch(&mut screen, &mut asker, reader, run, cancel).await?;
        screen.end()?;
        match asked {
            Ok(()) => Ok(screen.outcome()),
            Err(nobody) => Err(nobody),
        }
    }
}

/// Starts the run over a log in memory.
fn start(
    id: &ExecutionId,
    document: Document,
    pipeline: Pipeline,
    input: Map<String, Value>,
    options: RunOptions,
) -> Result<(Reader, AbortOnDropHandle<RunResult>), CliError> {
    let log = Log::with_memory_budget(Arc::new(MemoryStore::new()), 2 * LOG_BYTES);
    let config = super::settings(None)?;
    log.set_redaction(config.redaction(std::env::vars_os())?);
    let execution = NewExecution {
        definition: document.json,
        input: Value::Object(input.clone()),
        ..NewExecution::named(id.clone(), pipeline.name(), unix_millis())
    };
    let budget = Budget {
        events: usize::MAX,
        bytes: LOG_BYTES,
        ..Budget::default()
    };
    let stream = log.create(&execution, budget)?;
    let artifacts = Artifacts::temporary(log.store().clone(), ArtifactSettings::default())?;
    let context = StreamingContext::new(stream.clone()).with_artifacts(artifacts);
    let context = if pipeline.streaming().enabled {
        context
    } else {
        context.ends_only()
    };
    let run =
        tokio::spawn(
            async move { pipeline::run(Arc::new(pipeline), input, context, options).await },
        );
    Ok((Reader::new(stream, 0), AbortOnDropHandle::new(run)))
}

/// Shows the run until its last event. The first Ctrl-C cancels it, the second ends the process. A run that asks where
/// nobody is, is cancelled: the inner error.
async fn watch(
    screen: &mut Screen,
    asker: &mut Asker,
    mut reader: Reader,
    run: AbortOnDropHandle<RunResult>,
    cancel: CancellationToken,
) -> Result<Result<(), CliError>, CliError> {
    let mut interrupts = Interrupts::listen()?;
    // Whatever ends this, a pipe that nobody reads any more among it, ends the run too.
    let _cancel_when_dropped = cancel.clone().drop_guard();
    let mut run = pin!(run);
    let (mut running, mut asked) = (true, Ok(()));
    loop {
        tokio::select! {
            biased;
            () = interrupts.next() => {
                if cancel.is_cancelled() {
                    return Err(CliError::Killed);
                }
                screen.remark("cancelling the run; press Ctrl-C again to end at once")?;
                cancel.cancel();
                continue;
            }
            _done = &mut run, if running => {
                running = false;
                if reader.stream().tail().ended.is_none() {
                    return Err(CliError::Failed("the run broke off without its last event"));
                }
            }
            _tail = reader.grown() => {}
            line = asker.line(), if asked.is_ok() => {
                if let Err(nobody) = asker.take(line, screen).await {
                    asked = Err(nobody);
                    cancel.cancel();
                }
                continue;
            }
        }
        let page = reader.read(PAGE).await?;
        if let Some((from, to)) = page.gap {
            screen.gap(from, to, GapReason::Retention)?;
        }
        for record in &page.records {
            match record.parse() {
                Ok(event) => {
                    screen.event(&event, Some(record.json()))?;
                    if asked.is_ok() {
                        asked = asker.event(&event, screen);
                    }
                    if asked.is_err() {
                        cancel.cancel();
                    }
                }
                Err(error) => tracing::error!(%error, "an event of the log is none"),
            }
        }
        if page.ended.is_some() {
            return Ok(asked);
        }
    }
}

fn invalid(what: &str, problems: &[Problem]) -> CliError {
    let lines: String = problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect();
    CliError::Usage(format!("{what}:{lines}"))
}

/// Events shown at once, before Ctrl-C is looked at again.
const PAGE: usize = 256;

/// What a run may be ahead of the terminal or the pipe. Beyond it the oldest events go, and the gap is told.
const LOG_BYTES: usize = 256 << 20;
