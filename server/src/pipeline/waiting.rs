//! What a run does with questions: it tells them, keeps them in its checkpoint, takes answers, and sees to deadlines.
//!
//! The event that tells a question or its answer and the checkpoint that holds it are one transaction. All of it
//! happens in the run's one loop, so of several answers one is the first.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::StepId;
use stepcast_core::time::Timestamp;
use tokio::time::Instant;

use super::definition::Place;
use super::desk::{HandedIn, Refused, Wait};
use super::runner::Run;
use super::waits::{Asked, Key};
use crate::context::Draft;
use crate::log::{Along, ExecutionStatus};
use crate::step::{Answer, AnswerSource, Ask, nobody};

impl Run {
    /// Takes a question of a step.
    pub(super) async fn asked(&mut self, ask: Ask) {
        let Some((step, iteration, _)) = self.under_way.get(&ask.execution) else {
            return;
        };
        if self.desk.is_none() {
            drop(ask.reply.send(Err(nobody())));
            return;
        }
        let step = self.pipeline.steps().get(*step);
        let step_id = step.map_or("", |step| step.id.as_str());
        let asked = self.waits.ask(ask, step_id, *iteration);
        // who sees the question told finds it on the desk
        self.show_questions();
        match asked {
            Asked::Untold(key) => self.tell_question(key).await,
            Asked::Told | Asked::Answered => {}
        }
    }

    /// Takes an answer, or says why not.
    pub(super) async fn answered(&mut self, handed_in: HandedIn) {
        self.expire().await;
        let HandedIn {
            wait_id,
            values,
            by,
            reply,
        } = handed_in;
        let result = match self.waits.named(&wait_id) {
            Some(key) => self.take_answer(key, values, by).await,
            None => Err(Refused::Unknown),
        };
        // whoever asked may be gone; the answer stays
        drop(reply.send(result));
    }

    async fn take_answer(
        &mut self,
        key: Key,
        values: Map<String, Value>,
        by: Option<String>,
    ) -> Result<Answer, Refused> {
        let wait = self.waits.wait(key).ok_or(Refused::Unknown)?;
        let place = Place::root().key("answer");
        let values = wait.question.form.check(&values, &place);
        if let Some(first) = self.waits.answer_of(key) {
            return judge(first, values.ok().as_ref());
        }
        if self.ended.is_some() {
            return Err(Refused::Ended);
        }
        if self.waits.is_expired(key) {
            return Err(Refused::Late);
        }
        let answer = Answer {
            values: values.map_err(Refused::Invalid)?,
            by,
            source: AnswerSource::Person,
        };
        let wait = Arc::clone(wait);
        self.waits.set_answer(key, Some(answer.clone()));
        self.show_questions();
        let (draft, along) = (answer_told(&wait, &answer), self.along());
        if let Err(error) = self.environment.emitter.try_emit_all(&[draft], along).await {
            self.waits.set_answer(key, None);
            self.show_questions();
            self.told_status = None;
            return Err(Refused::Log(error));
        }
        self.answers.push(key);
        Ok(answer)
    }

    /// Ends the questions whose time has run out: with their default, or with none.
    pub(super) async fn expire(&mut self) {
        for key in self.waits.run_out() {
            let Some(wait) = self.waits.wait(key).map(Arc::clone) else {
                continue;
            };
            let draft = match wait.question.default.clone() {
                Some(values) => {
                    let answer = Answer {
                        values,
                        by: None,
                        source: AnswerSource::Default,
                    };
                    let draft = answer_told(&wait, &answer);
                    self.waits.set_answer(key, Some(answer));
                    draft
                }
                None => {
                    self.waits.set_expired(key);
                    let message = format!("nobody answered `{}` in time", wait.wait_id);
                    let data = json!({"kind": "log", "level": "warning", "message": message});
                    told(&wait, data)
                }
            };
            self.show_questions();
            let along = self.along();
            self.environment.emitter.emit_all(&[draft], along).await;
            self.answers.push(key);
        }
    }

    /// Gives the steps their answers, once the run has its place again.
    pub(super) fn deliver(&mut self) {
        if self.slot.is_held() {
            for key in self.answers.drain(..) {
                self.waits.deliver(key);
            }
        }
    }

    /// When the next question runs out.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.waits.next_due()
    }

    /// Tells again what is still asked after a restart that others did not survive.
    pub(super) async fn tell_still_open(&self) {
        for wait in self.waits.still_open() {
            let draft = question_told(&wait);
            let emitter = &self.environment.emitter;
            emitter.emit_all(&[draft], Along::default()).await;
        }
    }

    async fn tell_question(&mut self, key: Key) {
        let Some(wait) = self.waits.wait(key).map(Arc::clone) else {
            return;
        };
        let along = self.along();
        let draft = question_told(&wait);
        self.environment.emitter.emit_all(&[draft], along).await;
    }

    pub(super) fn show_questions(&self) {
        if let Some(desk) = &self.desk {
            desk.show(self.waits.open());
        }
    }

    /// Whether everything under way waits for people.
    pub(super) fn all_wait(&self) -> bool {
        let mut executions = self.under_way.keys();
        !self.under_way.is_empty() && executions.all(|it| self.waits.is_waiting(*it))
    }

    /// What comes along with an event after which no other step has ended.
    fn along(&mut self) -> Along {
        let keeps = self.environment.emitter.keeps_checkpoints() && !self.scheduler.is_halted();
        let state = keeps
            .then(|| {
                let kept = self.waits.kept();
                self.journal.rewrite(&self.scheduler, kept, self.now_ms())
            })
            .flatten();
        Along {
            checkpoint: state.map(|state| (state, Vec::new())),
            status: self.news_of_status(self.all_wait()),
            ..Along::default()
        }
    }

    /// The run's status, where it is another than it was told last.
    pub(super) fn news_of_status(&mut self, waits: bool) -> Option<ExecutionStatus> {
        let status = if waits {
            ExecutionStatus::Waiting
        } else {
            ExecutionStatus::Running
        };
        let former = self.told_status.replace(status);
        (former != Some(status)).then_some(status)
    }
}

/// The same answer once more is no other answer.
fn judge(first: &Answer, values: Option<&Map<String, Value>>) -> Result<Answer, Refused> {
    if first.source == AnswerSource::Default {
        return Err(Refused::Late);
    }
    if values == Some(&first.values) {
        return Ok(first.clone());
    }
    Err(Refused::Answered(first.clone()))
}

fn question_told(wait: &Wait) -> Draft {
    let expires_at = wait.expires_at.map(Timestamp::from_unix_millis);
    let expires_at = expires_at.as_ref().map(Timestamp::as_str);
    told(wait, wait.question.told(&wait.wait_id, expires_at))
}

fn answer_told(wait: &Wait, answer: &Answer) -> Draft {
    let mut data = Map::new();
    data.insert("kind".into(), "answered".into());
    data.insert("wait_id".into(), wait.wait_id.as_str().into());
    data.insert("answer".into(), answer.values.clone().into());
    if let Some(by) = &answer.by {
        data.insert("by".into(), by.as_str().into());
    }
    data.insert("source".into(), json!(answer.source));
    told(wait, data.into())
}

fn told(wait: &Wait, data: Value) -> Draft {
    Draft {
        event_type: EventType::StepProgress,
        step_id: Some(StepId::from(wait.step_id.as_str())),
        data,
        metadata: None,
    }
}
