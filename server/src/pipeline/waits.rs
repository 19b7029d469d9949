//! The questions of the steps under way: which are open, which are answered, and what is kept of them for a restart.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::desk::Wait;
use crate::clock::unix_millis;
use crate::step::{Answer, Ask, Question, StepError};

/// A question, as a checkpoint keeps it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Kept {
    pub(super) execution: u32,
    /// Which question of the execution, from 1.
    pub(super) number: u32,
    pub(super) attempt: u32,
    worked_ms: u64,
    pub(super) wait: Arc<Wait>,
    /// The rest of the output that asks. None where the step's own code waits, which begins anew after a restart.
    pub(super) output: Option<Map<String, Value>>,
    pub(super) answer: Option<Answer>,
    /// Nobody answered in time, and there is no default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    expired: bool,
}

/// Where an execution goes on that waited when the server stopped.
#[derive(Debug)]
pub(super) struct Resumption {
    pub(super) number: u32,
    pub(super) attempt: u32,
    pub(super) worked: Duration,
    pub(super) question: Question,
    pub(super) output: Map<String, Value>,
}

/// What an answer means to the step that asked.
pub(super) type Verdict = Result<Answer, StepError>;

/// Names a question of a run.
pub(super) type Key = (u32, u32);

/// A question while its step is under way.
#[derive(Debug)]
struct Entry {
    kept: Kept,
    due: Option<Instant>,
    reply: Option<oneshot::Sender<Verdict>>,
}

/// The questions of a run.
#[derive(Debug, Default)]
pub(super) struct Waits {
    entries: BTreeMap<Key, Entry>,
    /// By execution, the last number that was given in the history that the run goes on from.
    given: BTreeMap<u32, u32>,
}

/// What becomes of a question that is asked.
#[derive(Debug)]
pub(super) enum Asked {
    /// It is to be told: it is new, or of a step that has begun again.
    Untold(Key),
    /// It has been open since before a restart.
    Told,
    /// It was answered before a restart.
    Answered,
}

impl Waits {
    /// The questions of a checkpoint.
    pub(super) fn restored(kept: Vec<Kept>) -> Self {
        let entries = kept.into_iter().map(|kept| {
            let left = kept
                .wait
                .expires_at
                .map(|at| at.saturating_sub(unix_millis()));
            let entry = Entry {
                due: left.and_then(|ms| Instant::now().checked_add(Duration::from_millis(ms))),
                reply: None,
                kept,
            };
            ((entry.kept.execution, entry.kept.number), entry)
        });
        Self {
            entries: entries.collect(),
            given: BTreeMap::new(),
        }
    }

    /// The questions of a history, which are asked anew: under other ids.
    pub(super) fn anew(history: &[Kept]) -> Self {
        let mut given = BTreeMap::new();
        for kept in history {
            let last = given.entry(kept.execution).or_insert(kept.number);
            *last = kept.number.max(*last);
        }
        Self {
            entries: BTreeMap::new(),
            given,
        }
    }

    /// Takes a question. One that is as it was before a restart keeps its id, its deadline and its answer.
    pub(super) fn ask(&mut self, ask: Ask, step_id: &str, iteration: u32) -> Asked {
        let key = self.former(&ask);
        if let Some(entry) = self.entries.get_mut(&key)
            && entry.kept.wait.question == ask.question
        {
            entry.reply = Some(ask.reply);
            if entry.is_open() {
                let begun_again = entry.kept.output.is_none();
                return if begun_again {
                    Asked::Untold(key)
                } else {
                    Asked::Told
                };
            }
            self.deliver(key);
            return Asked::Answered;
        }
        let last = self
            .of(ask.execution)
            .last()
            .map_or(0, |((_, number), _)| *number);
        let given = self.given.get(&ask.execution).copied().unwrap_or_default();
        let number = ask.number.max(last + 1).max(given + 1);
        let asked_at = unix_millis();
        let limit = ask.question.timeout;
        let ms = limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX));
        let wait_id = match number {
            1 => format!("{step_id}.{iteration}"),
            number => format!("{step_id}.{iteration}-{number}"),
        };
        let wait = Arc::new(Wait {
            wait_id,
            step_id: step_id.to_owned(),
            question: ask.question,
            asked_at,
            expires_at: ms.map(|ms| asked_at.saturating_add(ms)),
        });
        let key = (ask.execution, number);
        let kept = Kept {
            execution: ask.execution,
            number,
            attempt: ask.attempt,
            worked_ms: u64::try_from(ask.worked.as_millis()).unwrap_or(u64::MAX),
            wait,
            output: ask.output,
            answer: None,
            expired: false,
        };
        let entry = Entry {
            kept,
            due: limit.and_then(|limit| Instant::now().checked_add(limit)),
            reply: Some(ask.reply),
        };
        self.entries.insert(key, entry);
        Asked::Untold(key)
    }

    /// What this question was before a restart, if it was: a step that begins again asks in the same order.
    fn former(&self, ask: &Ask) -> Key {
        if ask.output.is_some() {
            return (ask.execution, ask.number);
        }
        let mut entries = self.of(ask.execution);
        let at = usize::try_from(ask.number.saturating_sub(1)).unwrap_or(usize::MAX);
        let number = entries
            .nth(at)
            .map_or(ask.number, |((_, number), _)| *number);
        (ask.execution, number)
    }

    fn of(&self, execution: u32) -> Range<'_, Key, Entry> {
        self.entries.range((execution, 0)..=(execution, u32::MAX))
    }

    pub(super) fn wait(&self, key: Key) -> Option<&Arc<Wait>> {
        self.entries.get(&key).map(|entry| &entry.kept.wait)
    }

    pub(super) fn named(&self, wait_id: &str) -> Option<Key> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(_, entry)| entry.kept.wait.wait_id == wait_id);
        found.map(|(key, _)| *key)
    }

    pub(super) fn answer_of(&self, key: Key) -> Option<&Answer> {
        self.entries.get(&key)?.kept.answer.as_ref()
    }

    pub(super) fn set_answer(&mut self, key: Key, answer: Option<Answer>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.kept.answer = answer;
        }
    }

    /// Nobody has answered in time.
    pub(super) fn set_expired(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.kept.expired = true;
        }
    }

    pub(super) fn is_expired(&self, key: Key) -> bool {
        self.entries
            .get(&key)
            .is_some_and(|entry| entry.kept.expired)
    }

    /// Gives a step the answer to its question.
    pub(super) fn deliver(&mut self, key: Key) {
        if let Some(entry) = self.entries.get_mut(&key)
            && let Some(reply) = entry.reply.take()
        {
            let verdict = match &entry.kept.answer {
                Some(answer) => Ok(answer.clone()),
                None => Err(unanswered(&entry.kept.wait)),
            };
            // the step may be gone
            drop(reply.send(verdict));
        }
    }

    /// When the next question runs out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let open = self.entries.values().filter(|entry| entry.is_open());
        open.filter_map(|entry| entry.due).min()
    }

    /// The questions that have run out.
    pub(super) fn run_out(&self) -> Vec<Key> {
        let now = Instant::now();
        let due = |entry: &Entry| entry.is_open() && entry.due.is_some_and(|due| due <= now);
        let out = self.entries.iter().filter(|(_, entry)| due(entry));
        out.map(|(key, _)| *key).collect()
    }

    /// Whether an execution does nothing but wait.
    pub(super) fn is_waiting(&self, execution: u32) -> bool {
        let mut entries = self.of(execution);
        entries.any(|(_, entry)| entry.is_open() && (entry.reply.is_some() || entry.kept.goes_on()))
    }

    /// The open questions.
    pub(super) fn open(&self) -> Vec<Arc<Wait>> {
        let open = self.entries.values().filter(|entry| entry.is_open());
        open.map(|entry| Arc::clone(&entry.kept.wait)).collect()
    }

    /// Whether every open question is kept with all that its step needs to go on.
    pub(super) fn all_kept(&self) -> bool {
        let mut open = self.entries.values().filter(|entry| entry.is_open());
        open.all(|entry| entry.kept.is_parkable())
    }

    /// The open questions of steps that go on waiting after a restart.
    pub(super) fn still_open(&self) -> Vec<Arc<Wait>> {
        let entries = self.entries.values();
        let still = entries.filter(|entry| entry.is_open() && entry.kept.output.is_some());
        still.map(|entry| Arc::clone(&entry.kept.wait)).collect()
    }

    /// What a checkpoint keeps.
    pub(super) fn kept(&self) -> Vec<Kept> {
        self.entries
            .values()
            .map(|entry| entry.kept.clone())
            .collect()
    }

    /// Where an execution goes on whose step had nothing left to do but to wait.
    pub(super) fn resumption(&self, execution: u32) -> Option<Resumption> {
        let mut entries = self.of(execution);
        // an earlier question was of an earlier attempt
        let (_, entry) = entries.next_back()?;
        let kept = Some(&entry.kept).filter(|kept| kept.goes_on())?;
        Some(Resumption {
            number: kept.number,
            attempt: kept.attempt,
            worked: Duration::from_millis(kept.worked_ms),
            question: kept.wait.question.clone(),
            output: kept.output.clone()?,
        })
    }

    /// The execution has ended; whether it had asked.
    pub(super) fn forget(&mut self, execution: u32) -> bool {
        let before = self.entries.len();
        self.entries.retain(|(of, _), _| *of != execution);
        self.entries.len() < before
    }
}

/// The newest question of an execution: those before it were of earlier attempts, or are answered.
pub(super) fn last_of(questions: &[Kept], execution: u32) -> Option<&Kept> {
    let of_it = questions.iter().filter(|it| it.execution == execution);
    of_it.max_by_key(|question| question.number)
}

/// What is asked and not answered.
pub(super) fn open_of(questions: &[Kept]) -> Vec<Arc<Wait>> {
    let open = questions.iter().filter(|kept| kept.is_open());
    open.map(|kept| Arc::clone(&kept.wait)).collect()
}

impl Kept {
    /// Whether its step does nothing but wait, and goes on from what is kept.
    pub(super) fn is_parkable(&self) -> bool {
        self.is_open() && self.output.is_some()
    }

    fn is_open(&self) -> bool {
        self.answer.is_none() && !self.expired
    }

    /// Whether its step goes on after a restart without being executed again: it waits, or its answer is here.
    pub(super) fn goes_on(&self) -> bool {
        !self.expired && self.output.is_some()
    }

    /// Whether its step waited when this was kept.
    pub(super) fn waits(&self) -> bool {
        self.is_open() || self.goes_on()
    }
}

impl Entry {
    fn is_open(&self) -> bool {
        self.kept.is_open()
    }
}

fn unanswered(wait: &Wait) -> StepError {
    let seconds = wait.question.timeout.unwrap_or_default().as_secs_f64();
    let message = format!("nobody answered within {seconds} s, and there is no default");
    StepError::new(crate::step::Category::Timeout, message)
}
