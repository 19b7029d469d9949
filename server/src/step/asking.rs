//! The way of a step's question to whoever runs the pipeline, and of the answer back.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::question::{Answer, Question};
use super::{Category, StepError};

/// A question on its way.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The execution that asks.
    pub(crate) execution: u32,
    /// Which of its questions this is, from 1.
    pub(crate) number: u32,
    pub(crate) attempt: u32,
    /// How long the step has worked until now.
    pub(crate) worked: Duration,
    pub(crate) question: Question,
    /// The rest of the output that asks; none where the step's own code waits.
    pub(crate) output: Option<Map<String, Value>>,
    pub(crate) reply: oneshot::Sender<Result<Answer, StepError>>,
}

/// Asks on behalf of one execution of a step, and knows how long it has waited.
#[derive(Debug)]
pub(crate) struct Asking {
    execution: u32,
    asks: mpsc::Sender<Ask>,
    asked: AtomicU32,
    begun: Instant,
    /// Work of this execution before a restart.
    before: Duration,
    waited: watch::Sender<Waited>,
}

/// How long an execution has waited for people.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Waited {
    open: u32,
    since: Option<Instant>,
    total: Duration,
}

impl Waited {
    /// Whether it waits now.
    pub(crate) fn is_open(self) -> bool {
        self.open > 0
    }

    fn total(self) -> Duration {
        self.total + self.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

impl Asking {
    pub(crate) fn new(execution: u32, asks: mpsc::Sender<Ask>, before: Duration) -> Self {
        Self {
            execution,
            asks,
            asked: AtomicU32::new(0),
            begun: Instant::now(),
            before,
            waited: watch::Sender::default(),
        }
    }

    /// Asks, and waits for the answer however long it takes.
    pub(crate) async fn ask(
        &self,
        attempt: u32,
        question: Question,
        output: Option<Map<String, Value>>,
    ) -> Result<Answer, StepError> {
        if let Some(wrong) = question.wrong() {
            return Err(wrong);
        }
        let number = self.asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.ask_as(number, attempt, question, output).await
    }

    /// Asks what was asked before the server stopped, under its number.
    pub(crate) async fn ask_again(
        &self,
        number: u32,
        attempt: u32,
        question: Question,
        output: Map<String, Value>,
    ) -> Result<Answer, StepError> {
        self.asked.store(number, Ordering::Relaxed);
        self.ask_as(number, attempt, question, Some(output)).await
    }

    async fn ask_as(
        &self,
        number: u32,
        attempt: u32,
        question: Question,
        output: Option<Map<String, Value>>,
    ) -> Result<Answer, StepError> {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            execution: self.execution,
            number,
            attempt,
            worked: self.worked(),
            question,
            output,
            reply,
        };
        let gone = || StepError::stopped("stopped: the run ended before the question was answered");
        let _waits = Waits::begin(&self.waited);
        self.asks.send(ask).await.map_err(|_closed| gone())?;
        answer.await.unwrap_or_else(|_closed| Err(gone()))
    }

    /// How long the execution has worked; waiting for people is no work.
    pub(crate) fn worked(&self) -> Duration {
        let waited = self.waited.borrow().total();
        self.before + self.begun.elapsed().saturating_sub(waited)
    }

    /// Whether it waits, to be watched.
    pub(crate) fn waited(&self) -> watch::Receiver<Waited> {
        self.waited.subscribe()
    }
}

/// Why nobody can be asked in a run that nobody can reach.
pub(crate) fn nobody() -> StepError {
    let message = "the step asks a person, and nobody can answer here: run the pipeline on a server, in a mode other than `blocking`";
    StepError::new(Category::Configuration, message)
}

struct Waits<'a>(&'a watch::Sender<Waited>);

impl<'a> Waits<'a> {
    fn begin(waited: &'a watch::Sender<Waited>) -> Self {
        waited.send_modify(|waited| {
            waited.open += 1;
            waited.since.get_or_insert_with(Instant::now);
        });
        Self(waited)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|waited| {
            waited.open = waited.open.saturating_sub(1);
            if waited.open == 0 {
                let since = waited.since.take();
                waited.total += since.map_or(Duration::ZERO, |since| since.elapsed());
            }
        });
    }
}
