//! `command`: runs a program, without a shell, that speaks JSON lines.
//!
//! It is given one line on standard input, `{"data", "inputs", "parameters", "config", "step_id", "iteration",
//! "attempt"}`, and `trace` where its run is traced, and answers on standard output with lines as [`line`] reads them. Whatever else it writes there
//! becomes a log line. It runs in a process group of its own, which is killed as a whole when the step ends,
//! however it ends.

mod line;
mod process;

use std::path::Path;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncRead, AsyncWriteExt as _};

use self::line::Log;
pub(crate) use self::line::read_program;
pub(super) use self::line::{Line, Lines};
pub(super) use self::process::{Group, tail};
use super::registry::made;
use super::{Category, LogLevel, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};
use crate::trace::TraceContext;

struct Command {
    /// Whether standard output is text, and not JSON lines.
    text: bool,
}

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut text = false;
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        match fields.either(&["argv", "command"], &mut problems) {
            Some((key, value)) => match value.as_array().map(Vec::as_slice) {
                Some([Value::String(_), ..]) => {}
                _ => problems.error(
                    &fields.place(key),
                    "a list: the program, then its arguments, each a text of its own; there is no shell",
                ),
            },
            None => problems.error(&config.place, "`command` needs `argv`"),
        }
        for key in ["env", "settings"] {
            let _resolved_later = fields.object(key, &mut problems);
        }
        let _resolved_later = fields.text("cwd", &mut problems);
        match fields.text("stdout", &mut problems) {
            None | Some("json_lines") => {}
            Some("text") => text = true,
            Some(word) => {
                let place = fields.place("stdout");
                let message = format!("unknown kind of output `{word}`");
                problems.unknown(&place, message, word, ["json_lines", "text"]);
            }
        }
        fields.close(&mut problems);
    }
    made(Command { text }, problems)
}

impl Step for Command {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move { self.execute(&context).await })
    }
}

impl Command {
    async fn execute(&self, context: &StepContext) -> Result<Value, StepError> {
        let config = context.config();
        let argv = config.get("argv").or_else(|| config.get("command"));
        let argv: Vec<String> = argv
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(text_of)
            .collect();
        let program = argv.first().map_or("", String::as_str);
        let sets_variables = config.get("env").is_some();
        context.policy().program(program, sets_variables)?;
        let directory = config.get("cwd").and_then(Value::as_str);
        let directory = context.policy().working_directory(directory)?;
        let env = config.get("env").and_then(Value::as_object);
        let env = env.into_iter().flatten();
        let env = env.map(|(key, value)| (key.clone(), text_of(value)));
        let trace = context.trace();
        let trace = trace.iter().flat_map(TraceContext::variables);
        // what the step sets itself stays
        let env = trace.chain(env);
        let mut group = Group::spawn(&argv, &directory, env.collect())?;
        let (stdin, stdout, stderr) = group.pipes()?;
        let given = given(context);
        let feed = async move {
            let mut stdin = stdin;
            // a program that does not read is free not to
            drop(stdin.write_all(given.as_bytes()).await);
            drop(stdin.shutdown().await);
        };
        let answer = async {
            if self.text {
                read_text(stdout, context).await
            } else {
                read_lines(stdout, &directory, context).await
            }
        };
        let (status, answer, tail, ()) = tokio::join!(group.wait(), answer, tail(stderr), feed);
        let status = status?;
        if let Some(error) = answer.error {
            return Err(error);
        }
        if status.success() {
            return Ok(answer.output.unwrap_or_else(|| Map::new().into()));
        }
        let program = argv.first().map_or("", String::as_str);
        let mut message = format!("`{program}` ended with {status}");
        if !tail.is_empty() {
            message = format!("{message}: {tail}");
        }
        Err(StepError::new(Category::Dependency, message))
    }
}

/// What the program has said.
#[derive(Default)]
struct Answer {
    output: Option<Value>,
    error: Option<StepError>,
}

async fn read_lines(
    stdout: impl AsyncRead + Unpin,
    directory: &Path,
    context: &StepContext,
) -> Answer {
    let mut answer = Answer::default();
    let mut lines = Lines::new(stdout);
    let mut logs = 0_usize;
    while let Some(line) = lines.next().await {
        match line {
            Line::Progress { fraction, message } => {
                context.emit_progress(fraction, message.as_deref()).await;
            }
            Line::Token(text) => context.emit_token(&text).await,
            Line::Custom(data) => context.emit_custom(data).await,
            Line::Output(output) => {
                context.output(output.clone()).await;
                answer.output = Some(output);
            }
            Line::Artifact(artifact) => {
                if let Err(error) = artifact.announce(directory, context).await {
                    answer.error.get_or_insert(error);
                }
            }
            Line::Error(error) => answer.error = Some(error),
            Line::Log(Log { level, message }) => {
                logs += 1;
                match logs.cmp(&MOST_LOGS) {
                    std::cmp::Ordering::Less => context.log(level, &message).await,
                    std::cmp::Ordering::Equal => {
                        let message = "the program writes more log lines than are kept";
                        context.log(LogLevel::Warning, message).await;
                    }
                    std::cmp::Ordering::Greater => {}
                }
            }
        }
    }
    answer
}

/// Text as it comes: shown at once, and given as the output up to a limit.
async fn read_text(stdout: impl AsyncRead + Unpin, context: &StepContext) -> Answer {
    let (mut text, mut dropped) = (String::new(), 0_usize);
    let mut chunks = line::Text::new(stdout);
    while let Some(chunk) = chunks.next().await {
        if text.len() + chunk.len() > MOST_TEXT {
            dropped += chunk.len();
            continue;
        }
        context.emit_token(&chunk).await;
        text.push_str(&chunk);
    }
    if dropped > 0 {
        let message = format!("{dropped} bytes of output beyond the first {MOST_TEXT} are dropped");
        context.log(LogLevel::Warning, &message).await;
    }
    Answer {
        output: Some(json!({"text": text})),
        error: None,
    }
}

/// The line that the program is given.
fn given(context: &StepContext) -> String {
    let mut line = json!({
        "data": context.data().to_map(),
        "inputs": context.inputs(),
        "parameters": context.parameters(),
        "config": context.config(),
        "step_id": context.step_id(),
        "iteration": context.iteration(),
        "attempt": context.attempt(),
    });
    if let (Some(trace), Some(line)) = (context.trace(), line.as_object_mut()) {
        line.insert("trace".into(), json!(trace));
    }
    format!("{line}\n")
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Log lines of one attempt that become events.
const MOST_LOGS: usize = 10_000;

/// Bytes of text that become output.
const MOST_TEXT: usize = 4 << 20;
