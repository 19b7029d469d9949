//! Processes that apply expressions, one for each step that runs: what an expression takes, it takes from its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::frame::{Answer, Task, frame};
use crate::step::command::{Group, tail};
use crate::step::{Category, StepError, StepSettings};

/// Starts the processes, and bounds how many there are.
#[derive(Debug)]
pub(crate) struct Evaluator {
    program: PathBuf,
    memory_bytes: u64,
    cpu_seconds: u64,
    busy: Arc<Semaphore>,
}

/// One of them; dropping it kills it.
pub(super) struct Running {
    group: Group,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    printed: Option<ChildStderr>,
    _busy: OwnedSemaphorePermit,
}

impl Evaluator {
    /// With the program that the settings name; none where they name none.
    pub(crate) fn of(settings: &StepSettings) -> Option<Arc<Self>> {
        let program = settings.evaluator.clone()?;
        let most = settings
            .transform_processes
            .clamp(1, Semaphore::MAX_PERMITS);
        Some(Arc::new(Self {
            program,
            memory_bytes: settings.transform_memory_bytes,
            cpu_seconds: settings.transform_cpu_seconds,
            busy: Arc::new(Semaphore::new(most)),
        }))
    }

    /// A process for this expression; waits where there are as many as there may be.
    pub(super) async fn start(
        &self,
        expression: &str,
        parameters: &Map<String, Value>,
        directory: &Path,
    ) -> Result<Running, StepError> {
        let busy = Arc::clone(&self.busy).acquire_owned().await;
        let busy = busy.map_err(|_closed| StepError::stopped("stopped"))?;
        let argv = [self.program.to_string_lossy().into_owned(), WORD.to_owned()];
        // what an allocator reserves at the start counts against the bound, used or not
        let reserves = ("MIMALLOC_ARENA_RESERVE".to_owned(), "0".to_owned());
        let mut group = Group::spawn(&argv, directory, vec![reserves])?;
        let (requests, answers, printed) = group.pipes()?;
        let mut running = Running {
            group,
            requests,
            answers: BufReader::new(answers),
            printed: Some(printed),
            _busy: busy,
        };
        let task = Task {
            expression: expression.to_owned(),
            parameters: parameters.clone(),
            memory_bytes: self.memory_bytes,
            cpu_seconds: self.cpu_seconds,
        };
        let task = frame(&task).map_err(|error| unsent(&error))?;
        // that it is gone is seen when it does not answer
        drop(running.requests.write_all(&task).await);
        Ok(running)
    }
}

impl Running {
    /// What the expression gives for these values.
    ///
    /// # Errors
    /// Where the process has ended.
    pub(super) async fn apply(&mut self, subjects: &[Value]) -> Result<Answer, StepError> {
        let asked = frame(&subjects).map_err(|error| unsent(&error))?;
        drop(self.requests.write_all(&asked).await);
        match self.answer().await {
            Some(answer) => Ok(answer),
            None => Err(self.gone().await),
        }
    }

    async fn answer(&mut self) -> Option<Answer> {
        let length = self.answers.read_u32().await.ok()?;
        let mut body = Vec::new();
        let mut part = (&mut self.answers).take(u64::from(length));
        part.read_to_end(&mut body).await.ok()?;
        serde_json::from_slice(&body).ok()
    }

    /// Why it has ended, in words for the pipeline's author.
    async fn gone(&mut self) -> StepError {
        let said = async {
            match self.printed.take() {
                Some(printed) => tail(printed).await,
                None => String::new(),
            }
        };
        let said = tokio::time::timeout(LITTLE, said).await.unwrap_or_default();
        let ended = tokio::time::timeout(LITTLE, self.group.ended()).await;
        let ended = ended.ok().flatten().map(|status| status.to_string());
        let ended = ended.unwrap_or_else(|| "it does not answer".to_owned());
        let why = if said.contains("overflowed its stack") {
            "it recurses too deeply".to_owned()
        } else if said.contains("memory allocation of") {
            "it needs more memory than it may have; the setting is steps.transform_memory_bytes"
                .to_owned()
        } else if ended.contains("SIGXCPU") || ended.contains("SIGKILL") {
            "it computes for longer than it may; the setting is steps.transform_cpu_seconds"
                .to_owned()
        } else {
            format!("{ended} {said}").trim().to_owned()
        };
        let message = format!("the process of the expression ended: {why}");
        StepError::new(Category::Resource, message)
    }
}

fn unsent(error: &std::io::Error) -> StepError {
    let message = format!("the values cannot be given to the expression: {error}");
    StepError::new(Category::Resource, message)
}

/// The command by which the program is asked for this.
pub(crate) const WORD: &str = "evaluate";

/// How long a process may take to end that answers no more: there may be much memory to give back.
const LITTLE: Duration = Duration::from_secs(10);
