//! Where the open questions of a run lie, for whoever answers them from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::{mpsc, oneshot};

use super::definition::Problem;
use crate::context::EmitError;
use crate::step::{Answer, Question};

/// A question that waits for its answer.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Wait {
    /// Unique in the execution.
    pub wait_id: String,
    /// The step that asks.
    pub step_id: String,
    /// What it asks.
    pub question: Question,
    /// Since when, in milliseconds since 1970.
    pub asked_at: u64,
    /// Until when.
    pub expires_at: Option<u64>,
}

/// Why an answer was not taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Refused {
    /// No question of the steps under way has this id.
    Unknown,
    /// It does not fit the form.
    Invalid(Vec<Problem>),
    /// Another answer came first: this one.
    Answered(Answer),
    /// The deadline has passed.
    Late,
    /// The run has ended.
    Ended,
    /// It cannot be kept; the question stays open.
    Log(EmitError),
}

/// The desk of one run: questions lie on it, answers are handed in.
#[derive(Debug)]
pub struct Desk {
    answers: mpsc::Sender<HandedIn>,
    inbox: Mutex<Option<mpsc::Receiver<HandedIn>>>,
    open: Mutex<Vec<Arc<Wait>>>,
}

/// An answer that somebody hands in.
#[derive(Debug)]
pub(super) struct HandedIn {
    pub(super) wait_id: String,
    pub(super) values: Map<String, Value>,
    pub(super) by: Option<String>,
    pub(super) reply: oneshot::Sender<Result<Answer, Refused>>,
}

impl Default for Desk {
    fn default() -> Self {
        let (answers, inbox) = mpsc::channel(INBOX);
        Self {
            answers,
            inbox: Mutex::new(Some(inbox)),
            open: Mutex::default(),
        }
    }
}

impl Desk {
    /// The open questions, the oldest first.
    pub fn open(&self) -> Vec<Arc<Wait>> {
        lock(&self.open).clone()
    }

    /// Hands in an answer. Of several, the first is taken; the same once more gives the first again. It is in the
    /// log's order then, and kept once the log has settled.
    ///
    /// # Errors
    /// Where it is not taken.
    pub async fn answer(
        &self,
        wait_id: &str,
        values: Map<String, Value>,
        by: Option<String>,
    ) -> Result<Answer, Refused> {
        let (reply, result) = oneshot::channel();
        let answer = HandedIn {
            wait_id: wait_id.to_owned(),
            values,
            by,
            reply,
        };
        let handed_in = self.answers.send(answer).await;
        handed_in.map_err(|_closed| Refused::Ended)?;
        tokio::select! {
            biased;
            result = result => result.unwrap_or(Err(Refused::Ended)),
            // what is handed in while the run leaves its desk lies there for ever
            () = self.answers.closed() => Err(Refused::Ended),
        }
    }

    /// What is handed in; for the run alone, which takes it once.
    pub(super) fn inbox(&self) -> Option<mpsc::Receiver<HandedIn>> {
        lock(&self.inbox).take()
    }

    /// Nobody will take what is handed in, unless somebody does already.
    pub(crate) fn close(&self) {
        drop(self.inbox());
    }

    /// These are open now.
    pub(crate) fn show(&self, open: Vec<Arc<Wait>>) {
        *lock(&self.open) = open;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Answers that are handed in and not looked at yet; more wait before the desk.
const INBOX: usize = 16;
