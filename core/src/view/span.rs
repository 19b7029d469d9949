//! When a step was under way: one span for each attempt, so that a timeline and a history of attempts can be
//! drawn.

use serde_json::Value;

use super::error::ErrorView;
use super::read::str_of;
use super::status::StepStatus;
use super::step::StepView;
use super::text::push;
use crate::event::{EventType, StreamEvent};

/// One attempt of a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanView {
    /// Which time through a loop.
    pub iteration: u64,
    /// Which try.
    pub attempt: u64,
    /// Milliseconds since 1970; none where its beginning is among the events that are missing.
    pub started_at: Option<u64>,
    /// Milliseconds since 1970; none while it is under way, and where nobody knows.
    pub ended_at: Option<u64>,
    /// What came of it.
    pub outcome: SpanOutcome,
    /// What went wrong, where something did.
    pub error: Option<ErrorView>,
    /// Characters that it streamed, reasoning included.
    pub streamed: u64,
    /// Tokens that language models gave, where a provider told.
    pub tokens: Option<u64>,
    /// When the first text came, and when the newest, in milliseconds since 1970.
    pub streamed_at: Option<(u64, u64)>,
    /// The tokens that the step had taken before.
    before: u64,
    /// When it was heard of last.
    heard_at: Option<u64>,
}

/// What came of an attempt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SpanOutcome {
    /// It is under way.
    #[default]
    Open,
    /// It ended well.
    Completed,
    /// It failed, and was the last.
    Failed,
    /// It failed, and another follows.
    Retried,
    /// The run stopped while it was under way.
    CutOff,
    /// How it ended is among the events that are missing.
    Unknown,
}

/// How fast text came.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rate {
    /// Tokens a second, as the provider counted them.
    Tokens(f64),
    /// Characters a second, where nobody counted tokens.
    Characters(f64),
}

/// The most spans kept for a step.
pub const MAX_SPANS: usize = 200;

/// Text that came within less is no measure.
const SHORTEST_STREAM_MS: u64 = 250;

impl SpanView {
    /// How fast its text came, from the first piece to the newest.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
    pub fn rate(&self) -> Option<Rate> {
        let (first, last) = self.streamed_at?;
        let ms = last.saturating_sub(first);
        if ms < SHORTEST_STREAM_MS {
            return None;
        }
        let each_second = |count: u64| count as f64 * 1000.0 / ms as f64;
        Some(match self.tokens {
            Some(tokens) => Rate::Tokens(each_second(tokens)),
            None => Rate::Characters(each_second(self.streamed)),
        })
    }

    fn end(&mut self, outcome: SpanOutcome, at: Option<u64>) {
        self.outcome = outcome;
        self.ended_at = at;
    }
}

impl StepView {
    /// The attempt that is under way.
    pub fn open_span(&self) -> Option<&SpanView> {
        let last = self.spans.last();
        last.filter(|span| span.outcome == SpanOutcome::Open)
    }

    /// Brings the spans up to where the step stands after an event of it.
    pub(super) fn keep_span(&mut self, event: &StreamEvent, at: Option<u64>) {
        let outcome = outcome(self.status);
        if self.another_attempt(outcome) {
            if let Some(open) = self.open_mut() {
                let heard_at = open.heard_at;
                open.end(SpanOutcome::Unknown, heard_at);
            }
            let span = SpanView {
                iteration: self.iteration,
                attempt: self.attempt,
                started_at: if event.event_type == EventType::StepStart {
                    at
                } else {
                    None
                },
                before: self.usage.output_tokens.unwrap_or(0),
                ..SpanView::default()
            };
            push(&mut self.spans, &mut self.spans_dropped, MAX_SPANS, span);
        }
        let tokens = self.usage.output_tokens;
        let failed = !matches!(outcome, SpanOutcome::Open | SpanOutcome::Completed);
        let error = self.error.as_ref().filter(|_| failed).cloned();
        let Some(open) = self.open_mut() else { return };
        open.heard_at = at.or(open.heard_at);
        open.tokens = tokens
            .and_then(|all| all.checked_sub(open.before))
            .filter(|&n| n > 0);
        if let Some(text) = streamed(event) {
            open.streamed = open.streamed.saturating_add(text.chars().count() as u64);
            open.streamed_at = at.map(|at| (open.streamed_at.map_or(at, |(first, _)| first), at));
        }
        if outcome != SpanOutcome::Open {
            open.end(outcome, at);
            open.error = error;
        }
    }

    /// Ends the span that is under way, where the step ended with the run or was cut off.
    pub(super) fn end_span(&mut self, outcome: SpanOutcome, at: Option<u64>) {
        let error = self.error.clone();
        if let Some(open) = self.open_mut() {
            let at = at.or(open.heard_at);
            open.end(outcome, at);
            open.error = error;
        }
    }

    /// Whether what the step says belongs to an attempt that has no span yet.
    fn another_attempt(&self, outcome: SpanOutcome) -> bool {
        match (self.open_span(), outcome) {
            // the number is that of the try to come
            (Some(_), SpanOutcome::Retried) => false,
            (Some(open), _) => (open.iteration, open.attempt) != (self.iteration, self.attempt),
            (None, SpanOutcome::Open) => true,
            (None, _) => {
                let last = self.spans.last();
                last.is_none_or(|last| last.iteration != self.iteration)
            }
        }
    }

    fn open_mut(&mut self) -> Option<&mut SpanView> {
        let last = self.spans.last_mut();
        last.filter(|span| span.outcome == SpanOutcome::Open)
    }
}

/// What came of the attempt of a step that stands there.
pub(super) const fn outcome(status: StepStatus) -> SpanOutcome {
    match status {
        StepStatus::Pending | StepStatus::Running | StepStatus::Waiting => SpanOutcome::Open,
        StepStatus::Retrying => SpanOutcome::Retried,
        StepStatus::Completed => SpanOutcome::Completed,
        StepStatus::FailedContinued | StepStatus::Failed => SpanOutcome::Failed,
        StepStatus::Skipped | StepStatus::Unknown => SpanOutcome::Unknown,
    }
}

/// The text that an event brings.
fn streamed(event: &StreamEvent) -> Option<&str> {
    let is_token = event.data.get("kind").and_then(Value::as_str) == Some("token");
    let said = event.event_type == EventType::StepProgress && is_token;
    said.then(|| str_of(&event.data, "text")).flatten()
}
