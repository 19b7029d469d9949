//! A program in a process group of its own, none of which outlives the step.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessGroup};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::step::{Category, StepError};

/// The group; dropping it kills what is left of it.
#[derive(Debug)]
pub(in crate::step) struct Group {
    leader: Box<dyn ChildWrapper>,
}

impl Group {
    /// Starts a program. Of the server's environment it sees only what programs need to find their way.
    pub(in crate::step) fn spawn(
        argv: &[String],
        directory: &Path,
        env: Vec<(String, String)>,
    ) -> Result<Self, StepError> {
        let [program, arguments @ ..] = argv else {
            return Err(StepError::new(Category::Configuration, "`argv` is empty"));
        };
        let mut command = CommandWrap::with_new(program, |command| {
            command
                .args(arguments)
                .current_dir(directory)
                .env_clear()
                .envs(
                    INHERITED
                        .iter()
                        .filter_map(|key| Some((key, std::env::var_os(key)?))),
                )
                // lines come when they are written, not when a buffer is full
                .env("PYTHONUNBUFFERED", "1")
                .envs(env)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        });
        let leader = command.wrap(ProcessGroup::leader()).spawn();
        let leader = leader.map_err(|error| {
            let message = format!("`{program}` cannot be started: {error}");
            StepError::new(Category::Configuration, message)
        })?;
        Ok(Self { leader })
    }

    /// The program's standard input, output and error; once.
    pub(in crate::step) fn pipes(
        &mut self,
    ) -> Result<(ChildStdin, ChildStdout, ChildStderr), StepError> {
        let pipes = (
            self.leader.stdin().take(),
            self.leader.stdout().take(),
            self.leader.stderr().take(),
        );
        match pipes {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok((stdin, stdout, stderr)),
            _ => Err(StepError::new(
                Category::Unknown,
                "the program has no pipes",
            )),
        }
    }

    /// Whether the program has not ended.
    pub(in crate::step) fn is_alive(&mut self) -> bool {
        matches!(self.leader.try_wait(), Ok(None))
    }

    /// Waits for the program's end; none where that cannot be known.
    pub(in crate::step) async fn ended(&mut self) -> Option<ExitStatus> {
        self.leader.wait().await.ok()
    }

    /// Waits for the program. What it has left running is killed then, and so the pipes come to their ends.
    pub(super) async fn wait(mut self) -> Result<ExitStatus, StepError> {
        let status = self.leader.wait().await;
        status.map_err(|error| {
            let message = format!("the program cannot be waited for: {error}");
            StepError::new(Category::Unknown, message)
        })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // an error says that the group is empty already
        drop(self.leader.start_kill());
    }
}

/// Reads to the end and keeps the last [`TAIL`] bytes.
pub(in crate::step) async fn tail(mut from: impl AsyncRead + Unpin) -> String {
    let mut kept = VecDeque::with_capacity(TAIL);
    let mut part = [0; 4096];
    while let Ok(read) = from.read(&mut part).await {
        if read == 0 {
            break;
        }
        kept.extend(part.get(..read).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(TAIL));
    }
    let bytes: Vec<u8> = kept.into();
    String::from_utf8_lossy(&bytes).trim().to_owned()
}

/// What is passed on of the server's environment.
const INHERITED: [&str; 9] = [
    "HOME",
    "LANG",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SYSTEMROOT",
    "TMPDIR",
    "TZ",
    "USER",
];

/// Bytes of standard error that an error quotes.
const TAIL: usize = 2048;
