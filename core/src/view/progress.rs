//! What a step says while it is under way: `step_progress` in all its shapes.

use serde_json::Value;

use super::artifact::ArtifactView;
use super::circuit::CircuitView;
use super::model::{MAX_MODELS, ModelView};
use super::read::{count_of, delay_of, str_of, text_of};
use super::status::StepStatus;
use super::step::StepView;
use super::text::{self, LogView, MAX_LOGS};
use super::wait::{self, WaitView};
use crate::event::StreamEvent;

impl StepView {
    /// Takes what the step says while it is under way; false where nothing could be made of it.
    pub(super) fn advance(&mut self, event: &StreamEvent, at: Option<u64>, unseen: bool) -> bool {
        let data = &event.data;
        let kind = str_of(data, "kind");
        // what is said between two attempts does not begin the next one
        let between = self.status == StepStatus::Retrying && kind == Some("circuit");
        if !between {
            self.resume(unseen);
        }
        match kind {
            None if data.get("kind").is_none() => self.report(data),
            Some("token") => self.stream(data),
            Some("llm") => {
                self.spent = self.usage;
                self.add_model(ModelView::read(data));
                true
            }
            Some("tool_call") => {
                str_of(data, "call_id").is_some()
                    && self.model().is_some_and(|model| model.take_call(data))
            }
            Some("usage") => {
                let spent = self.spent;
                let usage = self.model().map(|model| {
                    model.take_usage(data);
                    model.usage
                });
                self.usage = spent.plus(&usage.unwrap_or_default());
                true
            }
            Some("log") => {
                let line = LogView::read(event.seq, data);
                text::push(&mut self.logs, &mut self.logs_dropped, MAX_LOGS, line);
                true
            }
            Some("retry") => {
                self.retry(data, at);
                true
            }
            Some("fallback") => {
                self.fallback = true;
                self.blame(data);
                true
            }
            Some("circuit") => {
                let told = CircuitView::read(data, at);
                let known = told.is_some();
                self.circuit = told.or(self.circuit.take());
                known
            }
            Some("waiting") => self.ask(data, at),
            Some("answered") => self.answer(data, at),
            Some("artifact") => ArtifactView::read(event.seq, data)
                .map(|made| made.join(&mut self.artifacts, &mut self.artifacts_dropped))
                .is_some(),
            Some("custom") => {
                self.custom = Some(data.clone());
                true
            }
            // of these, metrics are made
            Some("compensated" | "mode" | "explanation" | "replay") => true,
            Some(_) | None => false,
        }
    }

    /// Takes a fraction and a message.
    fn report(&mut self, data: &Value) -> bool {
        if let Some(progress) = data.get("progress").and_then(Value::as_f64) {
            self.progress = Some(progress.clamp(0.0, 1.0));
        }
        if let Some(message) = text_of(data, "message") {
            self.message = Some(message);
        }
        data.is_object()
    }

    /// Takes streamed text. Of a channel that is not known nothing is shown.
    fn stream(&mut self, data: &Value) -> bool {
        let Some(more) = str_of(data, "text") else {
            return false;
        };
        match data.get("channel") {
            None | Some(Value::Null) => text::append(&mut self.text, &mut self.text_dropped, more),
            Some(channel) if channel == "reasoning" => {
                text::append(&mut self.reasoning, &mut self.reasoning_dropped, more);
            }
            Some(_) => return false,
        }
        true
    }

    /// The answer that is under way; one of an unknown model where nobody was asked.
    fn model(&mut self) -> Option<&mut ModelView> {
        if self.models.is_empty() {
            self.add_model(ModelView::default());
        }
        self.models.last_mut()
    }

    fn add_model(&mut self, model: ModelView) {
        text::push(
            &mut self.models,
            &mut self.models_dropped,
            MAX_MODELS,
            model,
        );
    }

    fn ask(&mut self, data: &Value, at: Option<u64>) -> bool {
        let Some(wait) = WaitView::read(data, self.iteration, at) else {
            return false;
        };
        wait.join(&mut self.waits, &mut self.waits_dropped);
        if self.status.is_ended() {
            wait::close(&mut self.waits);
        } else {
            self.status = StepStatus::Waiting;
        }
        true
    }

    fn answer(&mut self, data: &Value, at: Option<u64>) -> bool {
        let Some(id) = str_of(data, "wait_id") else {
            return false;
        };
        if !self.waits.iter().any(|wait| wait.wait_id == id)
            // what was asked is among the events that are missing
            && let Some(wait) = WaitView::read(data, self.iteration, None)
        {
            wait.join(&mut self.waits, &mut self.waits_dropped);
        }
        if let Some(wait) = self.waits.iter_mut().find(|wait| wait.wait_id == id) {
            wait.answer(data, at);
        }
        if self.status == StepStatus::Waiting && !wait::any_pending(&self.waits) {
            self.status = StepStatus::Running;
        }
        true
    }

    fn retry(&mut self, data: &Value, at: Option<u64>) {
        self.retries = self.retries.saturating_add(1);
        self.attempt = count_of(data, "attempt").unwrap_or(self.attempt.saturating_add(1));
        self.max_attempts = count_of(data, "max_attempts");
        self.blame(data);
        let delay = delay_of(data, "delay_ms").unwrap_or(0);
        self.retry_at = at.map(|at| at.saturating_add(delay));
        wait::close(&mut self.waits);
        self.status = StepStatus::Retrying;
    }
}
