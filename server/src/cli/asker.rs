//! Asks whoever sits at the terminal what a run asks.

use std::collections::VecDeque;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Arc;

use serde_json::Value;
use stepcast_core::event::StreamEvent;
use tokio::sync::mpsc;

use super::CliError;
use super::dialog::Dialog;
use super::screen::Screen;
use super::words::clean;
use crate::pipeline::{Desk, Refused, Wait};

/// Where answers come from.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(super) enum Ask {
    /// From standard input, where it and standard error are a terminal.
    #[default]
    Auto,
    /// From standard input, one line a field.
    Always,
    /// From nobody.
    Never,
}

/// Asks one question after the other.
#[derive(Debug)]
pub(super) struct Asker {
    desk: Arc<Desk>,
    reads: bool,
    lines: Option<mpsc::Receiver<String>>,
    queue: VecDeque<Arc<Wait>>,
    dialog: Option<Dialog>,
}

impl Asker {
    pub(super) fn new(ask: Ask) -> Self {
        let terminal = || io::stdin().is_terminal() && io::stderr().is_terminal();
        Self {
            desk: Arc::new(Desk::default()),
            reads: ask == Ask::Always || (ask == Ask::Auto && terminal()),
            lines: None,
            queue: VecDeque::new(),
            dialog: None,
        }
    }

    /// Where the run's questions lie.
    pub(super) fn desk(&self) -> &Arc<Desk> {
        &self.desk
    }

    /// Takes an event of the run.
    ///
    /// # Errors
    /// Where it asks, and nobody can be asked here, and nothing will happen by itself.
    pub(super) fn event(&mut self, event: &StreamEvent, screen: &Screen) -> Result<(), CliError> {
        self.let_go(screen)?;
        let word = |key: &str| event.data.get(key).and_then(Value::as_str);
        if word("kind") != Some("waiting") {
            return Ok(());
        }
        let open = self.desk.open();
        let wait = open
            .into_iter()
            .find(|wait| Some(wait.wait_id.as_str()) == word("wait_id"));
        let Some(wait) = wait else {
            return Ok(());
        };
        if self.reads {
            self.queue.push_back(wait);
            return self.begin(screen).map_err(CliError::from);
        }
        if wait.expires_at.is_some() {
            return Ok(());
        }
        Err(CliError::NobodyToAsk(clean(&wait.step_id)))
    }

    /// The next line of whoever is asked; none where no more will come. Never ends while nobody is asked.
    pub(super) async fn line(&mut self) -> Option<String> {
        if self.dialog.is_none() {
            std::future::pending::<()>().await;
        }
        self.lines.get_or_insert_with(read_lines).recv().await
    }

    /// Takes a line.
    ///
    /// # Errors
    /// Where there was none: nobody is there any more.
    pub(super) async fn take(
        &mut self,
        line: Option<String>,
        screen: &Screen,
    ) -> Result<(), CliError> {
        let (Some(dialog), Some(wait)) = (&mut self.dialog, self.queue.front()) else {
            return Ok(());
        };
        let Some(line) = line else {
            return Err(CliError::NobodyToAsk(clean(&wait.step_id)));
        };
        if let Err(wrong) = dialog.take(&line) {
            screen.remark(&format!("  {wrong}"))?;
        }
        if let Some(next) = dialog.asks() {
            screen.remark(&next)?;
            return Ok(());
        }
        let wait_id = wait.wait_id.clone();
        let answer = self.dialog.take().map(Dialog::answer).unwrap_or_default();
        match self.desk.answer(&wait_id, answer, who()).await {
            Ok(_) | Err(Refused::Unknown | Refused::Answered(_) | Refused::Ended) => {}
            Err(Refused::Late) => screen.remark("  too late: the run has gone on without")?,
            Err(Refused::Log(error)) => screen.remark(&format!("  {error}"))?,
            Err(Refused::Invalid(problems)) => {
                for problem in problems {
                    screen.remark(&format!("  {}", clean(&problem.to_string())))?;
                }
                return self.begin(screen).map_err(CliError::from);
            }
        }
        self.queue.pop_front();
        self.begin(screen).map_err(CliError::from)
    }

    /// Asks the first of those that wait, where none is being asked.
    fn begin(&mut self, screen: &Screen) -> io::Result<()> {
        screen.rest(!self.queue.is_empty())?;
        let Some(wait) = self.queue.front().filter(|_| self.dialog.is_none()) else {
            return Ok(());
        };
        let question = &wait.question;
        screen.remark(&format!("? {}", clean(&question.prompt)))?;
        match &question.context {
            Some(Value::String(text)) => {
                for line in text.lines() {
                    screen.remark(&format!("  | {}", clean(line)))?;
                }
            }
            Some(context) => screen.remark(&format!("  | {}", clean(&context.to_string())))?,
            None => {}
        }
        for line in Dialog::opening(&question.form) {
            screen.remark(&line)?;
        }
        let dialog = Dialog::new(question.form.clone());
        if let Some(first) = dialog.asks() {
            screen.remark(&first)?;
        }
        self.dialog = Some(dialog);
        Ok(())
    }

    /// Questions that need no answer any more are asked no more.
    fn let_go(&mut self, screen: &Screen) -> io::Result<()> {
        let Some(first) = self.queue.front().cloned() else {
            return Ok(());
        };
        let open = self.desk.open();
        self.queue.retain(|wait| open.contains(wait));
        if self.queue.front() != Some(&first) {
            self.dialog = None;
        }
        self.begin(screen)
    }
}

/// Who sits here, as the system calls them.
pub(super) fn who() -> Option<String> {
    ["USER", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok())
        .filter(|name| !name.is_empty())
}

/// Standard input, line by line. Its thread may stay in a read that never ends; the process does not wait for it.
fn read_lines() -> mpsc::Receiver<String> {
    let (lines, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if lines.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}
