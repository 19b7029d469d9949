//! The spans of a step: its attempts, when they were, and what came of them.

use serde_json::{Value, json};
use stepcast_core::event::StreamEvent;
use stepcast_core::view::{MAX_SPANS, Rate, RunView, SpanOutcome, SpanView, StepView};

/// 2025-10-22T10:30:00Z
const BEGAN: u64 = 1_761_129_000_000;

/// Round, try, from, to, what came of it.
type Span = (u64, u64, Option<u64>, Option<u64>, SpanOutcome);

struct Told {
    view: RunView,
    seq: u64,
}

impl Told {
    fn new() -> Self {
        Self {
            view: RunView::default(),
            seq: 0,
        }
    }

    fn event(&mut self, second: u64, kind: &str, step: Option<&str>, data: &Value) -> &mut Self {
        self.seq += 1;
        let mut event = json!({"event_type": kind, "execution_id": "e", "seq": self.seq,
            "timestamp": format!("2025-10-22T10:30:{second:02}.000Z"), "data": data});
        if let Some(step) = step {
            event["step_id"] = json!(step);
        }
        let event: StreamEvent = serde_json::from_value(event).unwrap();
        self.view.apply(&event);
        self
    }

    fn of(&mut self, second: u64, kind: &str, data: &Value) -> &mut Self {
        self.event(second, kind, Some("s"), data)
    }

    fn step(&self) -> &StepView {
        self.view.step("s").unwrap()
    }

    fn spans(&self) -> Vec<Span> {
        let second = |at: Option<u64>| at.map(|at| (at - BEGAN) / 1000);
        let tell = |it: &SpanView| {
            (
                it.iteration,
                it.attempt,
                second(it.started_at),
                second(it.ended_at),
                it.outcome,
            )
        };
        self.step().spans.iter().map(tell).collect()
    }
}

#[test]
fn each_attempt_and_each_round_is_a_span() {
    let mut told = Told::new();
    told.of(0, "step_start", &json!({"iteration": 1, "attempt": 1}))
        .of(
            2,
            "step_progress",
            &json!({"kind": "retry", "attempt": 2, "delay_ms": 1000, "error": {"message": "dead"}}),
        )
        .of(3, "step_start", &json!({"iteration": 1, "attempt": 2}))
        .of(4, "step_complete", &json!({"iteration": 1, "attempt": 2}))
        .of(6, "step_start", &json!({"iteration": 2, "attempt": 1}));
    use SpanOutcome::{Completed, Failed, Open, Retried};
    let first = [
        (1, 1, Some(0), Some(2), Retried),
        (1, 2, Some(3), Some(4), Completed),
    ];
    assert_eq!(told.spans()[..2], first);
    assert_eq!(told.spans()[2..], [(2, 1, Some(6), None, Open)]);
    assert_eq!(told.step().open_span().unwrap().iteration, 2);
    let error = told.step().spans[0].error.clone().unwrap();
    assert_eq!(error.message, "dead");
    told.of(
        7,
        "step_error",
        &json!({"iteration": 2, "error": {"message": "no"}}),
    );
    assert_eq!(told.spans()[2], (2, 1, Some(6), Some(7), Failed));
    assert_eq!(told.step().open_span(), None);
}

#[test]
fn what_nobody_saw_begin_has_no_beginning() {
    let mut told = Told::new();
    told.of(3, "step_progress", &json!({"progress": 0.5}))
        .of(5, "step_complete", &json!({}));
    assert_eq!(
        told.spans(),
        [(1, 1, None, Some(5), SpanOutcome::Completed)]
    );
    let mut told = Told::new();
    told.of(5, "step_complete", &json!({}));
    assert_eq!(
        told.spans(),
        [(1, 1, None, Some(5), SpanOutcome::Completed)]
    );
}

#[test]
fn a_span_ends_with_its_run_or_where_the_run_stopped() {
    let mut told = Told::new();
    told.of(0, "step_start", &json!({}))
        .of(1, "step_progress", &json!({"progress": 0.5}))
        .event(9, "step_progress", None, &json!({"kind": "resumed"}))
        .of(10, "step_start", &json!({}))
        .event(
            12,
            "pipeline_error",
            None,
            &json!({"error": {"message": "x"}}),
        );
    use SpanOutcome::{CutOff, Failed};
    assert_eq!(
        told.spans(),
        [
            (1, 1, Some(0), Some(1), CutOff),
            (1, 1, Some(10), Some(12), Failed)
        ]
    );
}

#[test]
fn the_rate_is_of_tokens_where_they_were_counted() {
    let token = |text: &str| json!({"kind": "token", "text": text});
    let mut told = Told::new();
    told.of(0, "step_start", &json!({}))
        .of(1, "step_progress", &token("äö"));
    assert_eq!(told.step().spans[0].rate(), None);
    told.of(3, "step_progress", &token("uvwxyz"));
    assert_eq!(told.step().spans[0].rate(), Some(Rate::Characters(4.0)));
    told.of(
        3,
        "step_progress",
        &json!({"kind": "usage", "output_tokens": 30}),
    )
    .of(4, "step_complete", &json!({}));
    assert_eq!(told.step().spans[0].rate(), Some(Rate::Tokens(15.0)));
    // a second round counts its own tokens only
    told.of(5, "step_start", &json!({"iteration": 2}))
        .of(5, "step_progress", &json!({"kind": "llm"}))
        .of(6, "step_progress", &token("a"))
        .of(8, "step_progress", &token("b"))
        .of(
            8,
            "step_progress",
            &json!({"kind": "usage", "output_tokens": 8}),
        );
    assert_eq!(told.step().spans[1].rate(), Some(Rate::Tokens(4.0)));
}

#[test]
fn a_loop_without_end_keeps_the_newest_spans() {
    let mut told = Told::new();
    for iteration in 1..=500 {
        told.of(1, "step_start", &json!({"iteration": iteration}))
            .of(1, "step_complete", &json!({"iteration": iteration}));
    }
    let step = told.step();
    assert!(step.spans.len() <= MAX_SPANS);
    assert_eq!(step.spans.len() as u64 + step.spans_dropped, 500);
    assert_eq!(step.spans.last().unwrap().iteration, 500);
}
