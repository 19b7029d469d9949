//! A Python process that runs step classes, one after another.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::settings::PythonSettings;
use crate::step::command::{Group, Line, Lines};
use crate::step::{Category, LogLevel, StepContext, StepError};

/// A worker. Dropping it kills it, with all that it has started.
pub(super) struct Worker {
    group: Group,
    requests: ChildStdin,
    answers: Lines<ChildStdout>,
    printed: Lines<ChildStderr>,
    uses: u32,
}

/// What became of a request.
enum Answer {
    Result(Value),
    Failed(Map<String, Value>),
    /// It answered, and a file of it could not be kept.
    Refused(StepError),
    /// The process ended before it answered.
    Gone,
}

impl Worker {
    pub(super) async fn start(
        settings: &PythonSettings,
        directory: &Path,
    ) -> Result<Self, StepError> {
        let argv = [&settings.interpreter, "-u", "-c", SOURCE].map(str::to_owned);
        let environment = settings.environment.iter();
        let environment =
            environment.filter_map(|name| Some((name.clone(), std::env::var(name).ok()?)));
        let mut group = Group::spawn(&argv, directory, environment.collect())?;
        let (requests, answers, printed) = group.pipes()?;
        let mut worker = Self {
            group,
            requests,
            answers: Lines::new(answers),
            printed: Lines::new(printed),
            uses: 0,
        };
        let mut path = vec![directory.to_string_lossy().into_owned()];
        path.extend(settings.path.iter().cloned());
        let first = json!({ "path": path, "max_memory_bytes": settings.max_memory_bytes });
        let ready = async {
            worker.send(&first).await?;
            worker.answers.text().await
        };
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(Some(Ok(_ready))) => Ok(worker),
            Ok(_) => {
                let why = worker.last_words().await;
                let message = format!("`{}` cannot run steps: {why}", settings.interpreter);
                Err(StepError::new(Category::Configuration, message))
            }
            Err(_late) => {
                let seconds = PATIENCE.as_secs();
                let message = format!(
                    "`{}` has not started within {seconds} s",
                    settings.interpreter
                );
                Err(StepError::new(Category::Resource, message))
            }
        }
    }

    /// How many steps it has run.
    pub(super) fn uses(&self) -> u32 {
        self.uses
    }

    /// Whether it has not ended by itself.
    pub(super) fn is_alive(&mut self) -> bool {
        self.group.is_alive()
    }

    /// Runs a step: what it says goes to its viewers, what it prints to its log.
    pub(super) async fn call(
        &mut self,
        mut request: Value,
        directory: &Path,
        context: &StepContext,
    ) -> Result<Value, StepError> {
        self.uses += 1;
        let mark = format!("\u{1e}{:016x}", fastrand::u64(..));
        if let Some(request) = request.as_object_mut() {
            request.insert("mark".into(), mark.as_str().into());
        }
        let _gone_is_seen_below = self.send(&request).await;
        let (answers, printed) = (&mut self.answers, &mut self.printed);
        let answer = {
            let answer = answer(answers, directory, context);
            let logs = logs(printed, &mark, context);
            tokio::pin!(answer, logs);
            tokio::select! {
                answer = &mut answer => {
                    // what it printed before it answered is on its way
                    let _late_is_dropped = tokio::time::timeout(LITTLE, logs).await;
                    answer
                }
                () = &mut logs => answer.await,
            }
        };
        match answer {
            Answer::Result(output) => Ok(output),
            Answer::Refused(error) => Err(error),
            Answer::Failed(failure) => Err(failed(&failure, context).await),
            Answer::Gone => {
                let why = self.last_words().await;
                let message = format!("the Python process ended before the step did: {why}");
                Err(StepError::new(Category::Dependency, message))
            }
        }
    }

    async fn send(&mut self, line: &Value) -> Option<()> {
        let line = format!("{line}\n");
        self.requests.write_all(line.as_bytes()).await.ok()?;
        self.requests.flush().await.ok()
    }

    /// How it ended, and what it printed last.
    async fn last_words(&mut self) -> String {
        let mut words = match tokio::time::timeout(LITTLE, self.group.ended()).await {
            Ok(Some(status)) => status.to_string(),
            Ok(None) | Err(_) => "it closed its answers".to_owned(),
        };
        let mut last = String::new();
        while let Ok(Some(line)) = tokio::time::timeout(LITTLE, self.printed.text()).await {
            if let Ok(text) = line {
                last = text;
            }
        }
        if !last.is_empty() {
            words = format!("{words}: {last}");
        }
        words
    }
}

async fn answer(
    answers: &mut Lines<impl AsyncRead + Unpin>,
    directory: &Path,
    context: &StepContext,
) -> Answer {
    // a file that could not be kept fails the step, once it has answered
    let mut refused = None;
    while let Some(line) = answers.text().await {
        let Ok(text) = line else {
            let message = "a line of the step's answer was too long, and dropped";
            context.log(LogLevel::Warning, message).await;
            continue;
        };
        match serde_json::from_str::<Map<String, Value>>(&text) {
            Ok(mut map) if map.contains_key("result") => {
                let output = map.remove("result").unwrap_or_default();
                return refused.map_or(Answer::Result(output), Answer::Refused);
            }
            Ok(mut map) if map.contains_key("failed") => {
                let failure = map.get_mut("failed").and_then(Value::as_object_mut);
                return Answer::Failed(failure.map(std::mem::take).unwrap_or_default());
            }
            Ok(_) | Err(_) => {
                if let Err(error) = said(Line::parse(&text), directory, context).await {
                    refused.get_or_insert(error);
                }
            }
        }
    }
    Answer::Gone
}

async fn said(line: Line, directory: &Path, context: &StepContext) -> Result<(), StepError> {
    match line {
        Line::Artifact(artifact) => artifact.announce(directory, context).await?,
        Line::Progress { fraction, message } => {
            context.emit_progress(fraction, message.as_deref()).await;
        }
        Line::Token(text) => context.emit_token(&text).await,
        Line::Custom(data) => context.emit_custom(data).await,
        Line::Output(output) => context.output(output).await,
        Line::Error(error) => context.log(LogLevel::Error, &error.message).await,
        Line::Log(log) => context.log(log.level, &log.message).await,
    }
    Ok(())
}

/// What it prints, up to the mark that ends this call.
async fn logs(printed: &mut Lines<impl AsyncRead + Unpin>, mark: &str, context: &StepContext) {
    let mut count = 0_usize;
    while let Some(line) = printed.text().await {
        let text = line.unwrap_or_else(|message| message);
        if text.ends_with(mark) {
            return;
        }
        count += 1;
        match count.cmp(&MOST_LOGS) {
            std::cmp::Ordering::Less => context.log(LogLevel::Info, &text).await,
            std::cmp::Ordering::Equal => {
                let message = "the step prints more lines than are kept";
                context.log(LogLevel::Warning, message).await;
            }
            std::cmp::Ordering::Greater => {}
        }
    }
}

/// The error of the class's own; where it was raised is in the step's log.
async fn failed(failure: &Map<String, Value>, context: &StepContext) -> StepError {
    let text = |key: &str| failure.get(key).and_then(Value::as_str).unwrap_or_default();
    if !text("traceback").is_empty() {
        context
            .log(LogLevel::Error, text("traceback").trim_end())
            .await;
    }
    let category = Category::parse(text("category")).unwrap_or(Category::Logic);
    let message = match text("message") {
        "" => "the step failed without a word",
        message => message,
    };
    StepError::new(category, message)
}

/// The program, given to the interpreter as it is.
const SOURCE: &str = include_str!("worker.py");

/// How long an interpreter may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long what was printed may take to arrive.
const LITTLE: Duration = Duration::from_millis(500);

/// Printed lines of one attempt that become events.
const MOST_LOGS: usize = 10_000;
