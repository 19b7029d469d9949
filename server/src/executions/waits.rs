//! Questions to people, from outside: which there are, and the answers to them.
//!
//! A run knows the questions of its steps under way. All others are found in its log.

use std::collections::HashSet;
use std::sync::Arc;

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::ExecutionId;
use stepcast_core::time::Timestamp;

use super::Executions;
use super::prepare::flaws;
use crate::error::Problem;
use crate::log::{ExecutionRow, ExecutionStatus, ListQuery, Reader, StoreError, Stream};
use crate::pipeline::{Desk, Refused, Wait};
use crate::redaction::Redaction;
use crate::step::{Answer, AnswerSource};

/// Where a question stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Somebody may answer it.
    Waiting,
    /// It is answered.
    Answered,
    /// It ended without an answer.
    Closed,
}

/// A question as the API shows it: the members of the `waiting` event, and what became of it.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct WaitRecord {
    /// Of which execution.
    pub execution_id: ExecutionId,
    /// The step that asks.
    pub step_id: String,
    /// Where it stands.
    pub status: Standing,
    /// Since when.
    pub asked_at: Timestamp,
    /// What the event told.
    #[serde(flatten)]
    pub question: Map<String, Value>,
    /// The answer.
    #[serde(flatten)]
    pub answer: Option<Answer>,
    /// When it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered_at: Option<Timestamp>,
}

impl Executions {
    /// Answers a question. The answer is kept when this returns.
    ///
    /// # Errors
    /// 404 for an unknown execution or question, 409 where another answer came first or the run has ended, 410 where
    /// the deadline has passed, 422 where the answer does not fit the form.
    pub async fn answer(
        &self,
        id: &ExecutionId,
        wait_id: &str,
        values: Map<String, Value>,
        by: Option<String>,
    ) -> Result<Answer, Problem> {
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        let stream = self.0.log.open(id)?;
        let stream = stream.ok_or_else(Problem::unknown_execution)?;
        let mut told = false;
        loop {
            let refused = match self.hand_in(id, wait_id, &values, by.clone()).await? {
                Ok(answer) => {
                    stream.settled(stream.last_given()).await?;
                    return Ok(answer);
                }
                Err(refused @ (Refused::Unknown | Refused::Ended)) => refused,
                Err(refused) => return Err(refusal(refused, stream.redaction()?)),
            };
            // an answer that the run has taken may not be readable yet
            stream.settled(stream.last_given()).await?;
            let found = self.waits_in(&row, &stream).await?;
            let Some(found) = found.into_iter().find(|it| it.wait_id() == wait_id) else {
                return Err(unknown());
            };
            if row.lease_ms.is_some() && found.status == Standing::Waiting {
                return Err(elsewhere());
            }
            match (found.answer, refused) {
                (Some(first), _) => return found_again(first, &values, stream.redaction()?),
                // it may have been asked since the run was; of one that was told before, the run knows, or the log
                (None, _) if !std::mem::replace(&mut told, true) => {}
                (None, Refused::Ended) => return Err(plain(Refused::Ended)),
                (None, _) => return Err(plain(Refused::Late)),
            }
        }
    }

    /// Every question of an execution, in the order in which they were asked. Where retention has taken events away,
    /// those are missing that are not open any more.
    ///
    /// # Errors
    /// 404 where there is no such execution.
    pub async fn waits(&self, id: &ExecutionId) -> Result<Vec<WaitRecord>, Problem> {
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        let stream = self.0.log.open(id)?;
        let stream = stream.ok_or_else(Problem::unknown_execution)?;
        // what is asked or answered while the log is read is open before or after
        let before = self.open_of(id);
        let mut waits = self.waits_in(&row, &stream).await?;
        let open = self.open_of(id);
        for wait in &mut waits {
            let is_open = open
                .iter()
                .chain(&before)
                .any(|it| it.wait_id == wait.wait_id());
            if wait.status == Standing::Waiting && !is_open && row.lease_ms.is_none() {
                wait.status = Standing::Closed;
            }
        }
        for wait in open {
            if !waits.iter().any(|it| it.wait_id() == wait.wait_id) {
                waits.push(WaitRecord::open(id, &wait, stream.redaction()?));
            }
        }
        Ok(waits)
    }

    /// What this process waits for people to answer, the oldest first, so many of them; and how many there are. Of the
    /// executions of one owner, or of all.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn open_waits(
        &self,
        limit: usize,
        owner: Option<String>,
    ) -> Result<(Vec<WaitRecord>, usize), StoreError> {
        let own = owner.map(|owner| self.under_way_of(owner)).transpose()?;
        let is_shown = |id: &ExecutionId| own.as_ref().is_none_or(|own| own.contains(id));
        let runs = self.runs();
        let mut open: Vec<(ExecutionId, Arc<Wait>)> = Vec::new();
        let mut take = |id: &ExecutionId, waits: &[Arc<Wait>]| {
            open.extend(waits.iter().map(|wait| (id.clone(), Arc::clone(wait))));
        };
        for (id, running) in runs.iter().filter(|(id, _)| is_shown(id)) {
            take(id, &running.desk.open());
        }
        for (id, waits) in self.0.parked.lock().iter().filter(|(id, _)| is_shown(id)) {
            take(id, waits);
        }
        drop(runs);
        open.sort_by(|(one, a), (other, b)| (a.asked_at, one).cmp(&(b.asked_at, other)));
        let mut records = Vec::new();
        for (id, wait) in open.iter().take(limit) {
            // it may be gone by now
            if let Some(stream) = self.0.log.open(id)? {
                records.push(WaitRecord::open(id, wait, stream.redaction()?));
            }
        }
        Ok((records, open.len()))
    }

    /// The executions of one owner that may wait for people.
    fn under_way_of(&self, owner: String) -> Result<HashSet<ExecutionId>, StoreError> {
        let rows = self.list(&ListQuery {
            limit: usize::MAX,
            before: None,
            statuses: vec![ExecutionStatus::Running, ExecutionStatus::Waiting],
            owner: Some(owner),
            ..ListQuery::default()
        })?;
        Ok(rows.into_iter().map(|row| row.id).collect())
    }

    /// Hands an answer in at the run's desk. A run that is put away comes back for it.
    async fn hand_in(
        &self,
        id: &ExecutionId,
        wait_id: &str,
        values: &Map<String, Value>,
        by: Option<String>,
    ) -> Result<Result<Answer, Refused>, Problem> {
        // it may be put away while this waits before its desk, and be back for somebody else when this comes again
        for _ in 0..TRIES {
            let desk = match self.desk(id) {
                Some(desk) => Some(desk),
                None => self.unpark(id)?.or_else(|| self.desk(id)),
            };
            let Some(desk) = desk else { break };
            let answer = desk.answer(wait_id, values.clone(), by.clone()).await;
            if answer != Err(Refused::Ended) {
                return Ok(answer);
            }
        }
        Ok(Err(Refused::Ended))
    }

    fn desk(&self, id: &ExecutionId) -> Option<Arc<Desk>> {
        self.runs().get(id).map(|running| Arc::clone(&running.desk))
    }

    fn open_of(&self, id: &ExecutionId) -> Vec<Arc<Wait>> {
        let runs = self.runs();
        match runs.get(id) {
            Some(running) => running.desk.open(),
            None => self.0.parked.lock().get(id).cloned().unwrap_or_default(),
        }
    }

    /// The questions that a log tells of.
    async fn waits_in(
        &self,
        row: &ExecutionRow,
        stream: &Arc<Stream>,
    ) -> Result<Vec<WaitRecord>, Problem> {
        let mut reader = Reader::new(Arc::clone(stream), 0);
        let mut waits: Vec<WaitRecord> = Vec::new();
        loop {
            let page = reader.read(PAGE).await?;
            // most events are tokens, and not worth to be taken apart
            let candidates = page.records.iter().filter(|record| {
                let json = record.json();
                json.contains("\"kind\":\"waiting\"") || json.contains("\"kind\":\"answered\"")
            });
            for event in candidates.filter_map(|record| record.parse().ok()) {
                take(&mut waits, &row.id, event);
            }
            if page.records.is_empty() && page.gap.is_none() {
                break;
            }
            tokio::task::yield_now().await;
        }
        if row.status.end().is_some() {
            for wait in &mut waits {
                if wait.status == Standing::Waiting {
                    wait.status = Standing::Closed;
                }
            }
        }
        Ok(waits)
    }
}

impl WaitRecord {
    /// Its id.
    pub fn wait_id(&self) -> &str {
        let id = self.question.get("wait_id").and_then(Value::as_str);
        id.unwrap_or_default()
    }

    fn open(id: &ExecutionId, wait: &Wait, redaction: &Redaction) -> Self {
        let expires_at = wait.expires_at.map(Timestamp::from_unix_millis);
        let expires_at = expires_at.as_ref().map(Timestamp::as_str);
        let mut told = wait.question.told(&wait.wait_id, expires_at);
        redaction.apply(&["data"], &mut told);
        let mut question = told.as_object().cloned().unwrap_or_default();
        question.shift_remove("kind");
        Self {
            execution_id: id.clone(),
            step_id: wait.step_id.clone(),
            status: Standing::Waiting,
            asked_at: Timestamp::from_unix_millis(wait.asked_at),
            question,
            answer: None,
            answered_at: None,
        }
    }
}

/// Takes an event that tells a question, which may be told twice, or an answer.
fn take(waits: &mut Vec<WaitRecord>, id: &ExecutionId, event: StreamEvent) {
    if event.event_type != EventType::StepProgress {
        return;
    }
    let (Some(step), Value::Object(mut data)) = (event.step_id, event.data) else {
        return;
    };
    let kind = data.shift_remove("kind");
    let known = {
        let wait_id = data.get("wait_id").and_then(Value::as_str);
        let mut waits = waits.iter_mut();
        waits.find(|it| Some(it.wait_id()) == wait_id)
    };
    match (kind.as_ref().and_then(Value::as_str), known) {
        // told again after a restart
        (Some("waiting"), Some(_)) => {}
        (Some("waiting"), None) => waits.push(WaitRecord {
            execution_id: id.clone(),
            step_id: step.to_string(),
            status: Standing::Waiting,
            asked_at: event.timestamp,
            question: data,
            answer: None,
            answered_at: None,
        }),
        (Some("answered"), Some(wait)) => {
            wait.status = Standing::Answered;
            wait.answer = serde_json::from_value(data.into()).ok();
            wait.answered_at = Some(event.timestamp);
        }
        _ => {}
    }
}

/// An answer to a question that was answered before.
fn found_again(
    first: Answer,
    values: &Map<String, Value>,
    redaction: &Redaction,
) -> Result<Answer, Problem> {
    if first.source == AnswerSource::Default {
        return Err(plain(Refused::Late));
    }
    let values = shown(values, redaction);
    // the first was filled up with what its form adds
    let given = first.values.iter().all(|(name, value)| {
        let same = values.get(name);
        same == Some(value) || same.is_none()
    });
    if given && values.keys().all(|name| first.values.contains_key(name)) {
        return Ok(first);
    }
    Err(plain(Refused::Answered(first)))
}

/// The values of an answer as the log tells them.
fn shown(values: &Map<String, Value>, redaction: &Redaction) -> Map<String, Value> {
    let mut values = Value::Object(values.clone());
    redaction.apply(&["data", "answer"], &mut values);
    values.as_object().cloned().unwrap_or_default()
}

fn unknown() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "The execution has asked no question of this id. GET /api/executions/{id}/waits lists those there are.",
    )
}

fn elsewhere() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "A producer elsewhere runs this execution, and takes the answers to its questions itself.",
    )
}

/// A refusal that tells of another answer only what the log does.
fn refusal(refused: Refused, redaction: &Redaction) -> Problem {
    let Refused::Answered(mut first) = refused else {
        return plain(refused);
    };
    first.values = shown(&first.values, redaction);
    plain(Refused::Answered(first))
}

fn plain(refused: Refused) -> Problem {
    match refused {
        Refused::Unknown => unknown(),
        Refused::Invalid(problems) => {
            Problem::invalid("The answer does not fit the form.", flaws(problems))
        }
        Refused::Answered(first) => Problem::new(
            StatusCode::CONFLICT,
            "The question has been answered otherwise. `answered` is the answer that counts.",
        )
        .with("answered", json!(first)),
        Refused::Late => Problem::new(
            StatusCode::GONE,
            "The time to answer has passed: the run has gone on without.",
        ),
        Refused::Ended => Problem::new(
            StatusCode::CONFLICT,
            "The run has ended: nothing waits for this answer any more.",
        ),
        Refused::Log(error) => error.into(),
    }
}

/// Events looked at between two chances for other tasks.
const PAGE: usize = 1000;

/// How often an answer is handed in to a run that is just being put away, or has just ended.
const TRIES: usize = 8;
