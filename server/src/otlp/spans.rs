//! The spans of a run, folded out of its events: one for the run, below it one for each execution of a step, and below
//! that one for each attempt.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use serde_json::Value;
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::id::StepId;

use crate::trace::{RunTrace, SpanId};

/// The spans of one run, as far as its events have been taken.
#[derive(Debug)]
pub(super) struct Spans {
    trace: RunTrace,
    run: Span,
    open: BTreeMap<StepId, Step>,
    /// Of those that have ended.
    ended: Vec<Span>,
    /// The time of the last event, nanoseconds since 1970.
    now: u64,
}

/// A step execution that has not ended.
#[derive(Debug)]
struct Step {
    began: u64,
    kind: String,
    span: Span,
    attempt: Span,
}

impl Spans {
    /// Of a run of this pipeline, which was made known then, in milliseconds since 1970.
    pub(super) fn new(
        trace: RunTrace,
        execution_id: &str,
        pipeline: &str,
        created_at: u64,
    ) -> Self {
        let now = created_at.saturating_mul(1_000_000);
        let mut run = span(&trace, trace.run(), trace.parent, pipeline, now);
        let remote = SpanFlags::ContextHasIsRemoteMask as u32;
        run.flags |= remote;
        if trace.parent.is_some() {
            run.flags |= SpanFlags::ContextIsRemoteMask as u32;
        }
        text(&mut run, "stepcast.execution.id", execution_id);
        text(&mut run, "stepcast.pipeline.name", pipeline);
        Self {
            trace,
            run,
            open: BTreeMap::new(),
            ended: Vec::new(),
            now,
        }
    }

    /// Whether an event of this type, with this JSON, can change anything: most events of a run are tokens.
    pub(super) fn concerns(event_type: &str, json: &str) -> bool {
        let told = || {
            let kinds = [
                r#""kind":"retry""#,
                r#""kind":"resumed""#,
                r#""kind":"llm""#,
                r#""kind":"usage""#,
            ];
            kinds.iter().any(|kind| json.contains(kind))
        };
        match event_type {
            "step_progress" => told(),
            "pipeline_start" | "step_start" | "step_complete" | "step_error"
            | "pipeline_complete" | "pipeline_error" => true,
            _ => false,
        }
    }

    /// The spans that have ended since this was asked last.
    pub(super) fn take(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.ended)
    }

    /// Takes the next event.
    pub(super) fn apply(&mut self, event: &StreamEvent) {
        if let Some(at) = event.timestamp.unix_millis() {
            // a clock that goes backwards ends nothing before it began
            self.now = self.now.max(at.saturating_mul(1_000_000));
        }
        let step = event.step_id.as_ref();
        match (&event.event_type, step) {
            (EventType::PipelineStart, _) => self.run.start_time_unix_nano = self.now,
            (EventType::StepStart, Some(step)) => self.begin(step, event),
            (EventType::StepProgress, _) => self.progress(step, &event.data),
            (EventType::StepComplete, Some(step)) => self.end(step, None),
            (EventType::StepError, Some(step)) => self.end(step, Some(said(&event.data))),
            (EventType::PipelineComplete, _) => self.close("complete", None),
            (EventType::PipelineError, _) => {
                let reason = event.data.get("reason").and_then(Value::as_str);
                self.close(reason.unwrap_or("failed"), Some(said(&event.data)));
            }
            _ => {}
        }
    }

    fn begin(&mut self, step: &StepId, event: &StreamEvent) {
        self.end(step, Some(CUT_OFF.to_owned()));
        let data = &event.data;
        let word = |key: &str| data.get(key).and_then(Value::as_str);
        let kind = word("kind").unwrap_or_default().to_owned();
        let (now, id) = (self.now, self.trace.step(event.seq));
        let mut span = span(&self.trace, id, Some(self.trace.run()), step.as_str(), now);
        text(&mut span, "stepcast.step.id", step.as_str());
        if !kind.is_empty() {
            text(&mut span, "stepcast.step.kind", &kind);
        }
        if let Some(iteration) = data.get("iteration").and_then(Value::as_i64) {
            number(&mut span, "stepcast.step.iteration", iteration);
        }
        let attempt = self.attempt(event.seq, 1, step, &kind, now);
        let began = event.seq;
        let step_execution = Step {
            began,
            kind,
            span,
            attempt,
        };
        self.open.insert(step.clone(), step_execution);
    }

    fn attempt(&self, began: u64, attempt: u32, step: &StepId, kind: &str, at: u64) -> Span {
        let (id, parent) = (self.trace.attempt(began, attempt), self.trace.step(began));
        let name = format!("{step} attempt {attempt}");
        let mut span = span(&self.trace, id, Some(parent), &name, at);
        if ["http", "llm"].contains(&kind) {
            span.kind = SpanKind::Client as i32;
        }
        number(&mut span, "stepcast.attempt", attempt.into());
        span
    }

    fn progress(&mut self, step: Option<&StepId>, data: &Value) {
        let kind = data.get("kind").and_then(Value::as_str);
        match kind.unwrap_or_default() {
            "resumed" => self.resume(data),
            "retry" => self.retry(step, data),
            told @ ("llm" | "usage") => {
                let open = step.and_then(|step| self.open.get_mut(step));
                if let Some(open) = open {
                    tell_model(&mut open.attempt, told, data);
                }
            }
            _ => {}
        }
    }

    fn retry(&mut self, step: Option<&StepId>, data: &Value) {
        let attempt = data.get("attempt").and_then(Value::as_u64);
        let attempt = attempt.and_then(|attempt| u32::try_from(attempt).ok());
        let now = self.now;
        let Some((step, attempt)) = step.zip(attempt) else {
            return;
        };
        let Some(mut open) = self.open.remove(step) else {
            return;
        };
        let pause = data
            .get("delay_ms")
            .and_then(Value::as_f64)
            .unwrap_or_default();
        let pause = std::time::Duration::try_from_secs_f64(pause / 1e3).unwrap_or_default();
        let at = now.saturating_add(u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
        let next = self.attempt(open.began, attempt, step, &open.kind, at);
        let failed = std::mem::replace(&mut open.attempt, next);
        self.ended.push(finished(failed, now, Some(said(data))));
        self.open.insert(step.clone(), open);
    }

    /// The run goes on: after a restart what was cut off begins again; on request what came before is another run's.
    fn resume(&mut self, data: &Value) {
        if data.get("reason").is_some_and(|reason| reason == "request") {
            self.open.clear();
            self.ended.clear();
            self.run.start_time_unix_nano = self.now;
            if let Some(from) = data.get("resumed_from").and_then(Value::as_str) {
                text(&mut self.run, "stepcast.resumed_from", from);
            }
            return;
        }
        let steps = data.get("steps").and_then(Value::as_array);
        for step in steps.into_iter().flatten().filter_map(Value::as_str) {
            self.end(&StepId::from(step), Some(CUT_OFF.to_owned()));
        }
    }

    /// An execution of a step ends, where there is one; badly where it is said how.
    fn end(&mut self, step: &StepId, error: Option<String>) {
        if let Some(open) = self.open.remove(step) {
            let attempt = finished(open.attempt, self.now, error.clone());
            let span = finished(open.span, self.now, error);
            self.ended.extend([attempt, span]);
        }
    }

    fn close(&mut self, how: &str, error: Option<String>) {
        for step in self.open.keys().cloned().collect::<Vec<_>>() {
            self.end(&step, Some(CUT_OFF.to_owned()));
        }
        let mut run = self.run.clone();
        text(&mut run, "stepcast.status", how);
        self.ended.push(finished(run, self.now, error));
    }
}

fn span(trace: &RunTrace, id: SpanId, parent: Option<SpanId>, name: &str, at: u64) -> Span {
    Span {
        trace_id: trace.trace_id.into(),
        span_id: id.into(),
        parent_span_id: parent.map(Vec::from).unwrap_or_default(),
        trace_state: trace.state.clone().unwrap_or_default(),
        // sampled: no other is told of
        flags: 1,
        name: name.to_owned(),
        kind: SpanKind::Internal as i32,
        start_time_unix_nano: at,
        ..Span::default()
    }
}

fn finished(mut span: Span, at: u64, error: Option<String>) -> Span {
    span.end_time_unix_nano = at.max(span.start_time_unix_nano);
    if let Some(message) = error {
        span.status = Some(Status {
            message,
            code: StatusCode::Error as i32,
        });
    }
    span
}

/// What a model was asked and took, in the words that OpenTelemetry has for it.
fn tell_model(span: &mut Span, told: &str, data: &Value) {
    let (texts, numbers): (&[_], &[_]) = match told {
        "llm" => (
            &[
                ("provider", "gen_ai.provider.name"),
                ("model", "gen_ai.request.model"),
            ],
            &[],
        ),
        _ => (
            &[],
            &[
                ("input_tokens", "gen_ai.usage.input_tokens"),
                ("output_tokens", "gen_ai.usage.output_tokens"),
            ],
        ),
    };
    for (key, name) in texts {
        if let Some(value) = data.get(*key).and_then(Value::as_str) {
            text(span, name, value);
        }
    }
    for (key, name) in numbers {
        if let Some(value) = data.get(*key).and_then(Value::as_i64) {
            number(span, name, value);
        }
    }
}

/// What went wrong, in a sentence; what is secret is out of it, as it is out of the events.
fn said(data: &Value) -> String {
    let error = data.get("error");
    let message = error.and_then(|error| {
        error
            .get("message")
            .and_then(Value::as_str)
            .or(error.as_str())
    });
    message.unwrap_or_default().to_owned()
}

fn text(span: &mut Span, key: &str, value: &str) {
    set(span, key, Any::StringValue(value.to_owned()));
}

fn number(span: &mut Span, key: &str, value: i64) {
    set(span, key, Any::IntValue(value));
}

/// What is said again replaces what was said.
fn set(span: &mut Span, key: &str, value: Any) {
    span.attributes.retain(|it| it.key != key);
    span.attributes.push(attribute(key, value));
}

/// A name and its value.
pub(super) fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

const CUT_OFF: &str = "cut off";
