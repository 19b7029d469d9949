//! The metrics: values by hand for runs of every kind.

use serde_json::{Value, json};
use stepcast_core::event::{EventType, StreamEvent};
use stepcast_core::metrics::{Bound, Counts, Metric, Numbers, RunMetrics, Target, Targets};
use stepcast_core::time::Timestamp;

use crate::any::event;

/// Some events, told in a line each: what happens, to which step, with what.
pub(crate) fn run(lines: &[(&str, Option<&str>, Value)]) -> Vec<StreamEvent> {
    let line = |(n, (what, step, data)): (usize, &(&str, Option<&str>, Value))| {
        event(n as u64 + 1, EventType::from(*what), *step, data.clone())
    };
    lines.iter().enumerate().map(line).collect()
}

pub(crate) fn fold(events: &[StreamEvent]) -> RunMetrics {
    let mut metrics = RunMetrics::default();
    events.iter().for_each(|event| metrics.apply(event));
    metrics
}

pub(crate) fn value(metric: Metric, counts: &Counts) -> Option<f64> {
    // to six places: a sketch is exact in its mean only to rounding
    metric
        .value(counts)
        .map(|value| (value * 1e6).round() / 1e6)
}

pub(crate) const START: &str = "pipeline_start";
pub(crate) const BEGIN: &str = "step_start";
pub(crate) const SAYS: &str = "step_progress";
pub(crate) const DONE: &str = "step_complete";
pub(crate) const FAILED: &str = "step_error";
pub(crate) const END: &str = "pipeline_complete";

pub(crate) fn took(ms: f64) -> Value {
    json!({ "duration_ms": ms })
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_by_hand() {
    let a = Some("a");
    let nothing: Vec<StreamEvent> = Vec::new();
    let no_steps = run(&[(START, None, json!({})), (END, None, took(40.0))]);
    let mixed = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "retry", "attempt": 2 })),
        (SAYS, a, json!({ "kind": "retry", "attempt": 3 })),
        (DONE, a, took(10.0)),
        (BEGIN, Some("b"), json!({})),
        (
            FAILED,
            Some("b"),
            json!({ "duration_ms": 30.0, "continued": true }),
        ),
        (BEGIN, a, json!({})),
        (DONE, a, took(20.0)),
        (BEGIN, Some("c"), json!({})),
        (DONE, Some("c"), took(20.0)),
        (END, None, took(100.0)),
    ]);
    let compensated = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (
            SAYS,
            a,
            json!({ "kind": "compensated", "reason": "the flight was full" }),
        ),
        (
            SAYS,
            a,
            json!({ "kind": "compensated", "reason": "said twice" }),
        ),
        (DONE, a, took(1.0)),
        (END, None, took(5.0)),
    ]);
    let asked = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "waiting", "wait_id": "a.1" })),
        (SAYS, a, json!({ "kind": "answered", "wait_id": "a.1" })),
        (SAYS, a, json!({ "kind": "waiting", "wait_id": "a.2" })),
        (DONE, a, took(1.0)),
        (END, None, took(5.0)),
    ]);
    let strayed = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (
            SAYS,
            a,
            json!({ "kind": "mode", "declared": "plan", "actual": "act" }),
        ),
        (
            SAYS,
            a,
            json!({ "kind": "mode", "declared": "plan", "actual": "act" }),
        ),
        (DONE, a, took(1.0)),
        (BEGIN, a, json!({})),
        (
            SAYS,
            a,
            json!({ "kind": "mode", "declared": "plan", "actual": "plan" }),
        ),
        (SAYS, a, json!({ "kind": "mode", "declared": "plan" })),
        (DONE, a, took(1.0)),
    ]);
    let tools = run(&[
        (START, None, json!({})),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "1", "done": true, "duration_ms": 100 }),
        ),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "2", "done": true, "duration_ms": 300 }),
        ),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "3", "done": true }),
        ),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "4", "duration_ms": -1 }),
        ),
    ]);
    let judged = run(&[
        (START, None, json!({})),
        (
            SAYS,
            None,
            json!({ "kind": "replay", "mode": "strict", "succeeded": true }),
        ),
        (
            SAYS,
            None,
            json!({ "kind": "replay", "mode": "strict", "succeeded": true }),
        ),
        (
            SAYS,
            None,
            json!({ "kind": "replay", "mode": "simulated", "succeeded": false }),
        ),
        (
            SAYS,
            None,
            json!({ "kind": "explanation", "succeeded": false, "duration_ms": 1 }),
        ),
    ]);
    let cancelled = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (
            "pipeline_error",
            None,
            json!({ "reason": "cancelled", "duration_ms": 7.0 }),
        ),
    ]);
    use Metric::{Cr, Hir, Ma, Mtte, Pc, Rsr, Svr, Tcl, Wct};
    for (name, events, values) in [
        (
            "nothing",
            &nothing,
            vec![
                (Svr, None),
                (Cr, None),
                (Pc, None),
                (Hir, None),
                (Ma, None),
                (Tcl, None),
                (Wct, None),
                (Mtte, None),
                (Rsr, None),
            ],
        ),
        (
            "no steps",
            &no_steps,
            vec![
                (Svr, None),
                (Cr, None),
                (Ma, None),
                (Pc, Some(0.0)),
                (Hir, Some(0.0)),
                (Wct, Some(40.0)),
            ],
        ),
        (
            "mixed",
            &mixed,
            vec![
                (Svr, Some(0.75)),
                (Cr, Some(0.0)),
                (Pc, Some(2.0)),
                (Ma, Some(1.0)),
                (Wct, Some(100.0)),
                (Tcl, None),
            ],
        ),
        (
            "all compensated",
            &compensated,
            vec![(Svr, Some(1.0)), (Cr, Some(1.0))],
        ),
        ("asked twice", &asked, vec![(Hir, Some(1.0))]),
        (
            "strayed once of two",
            &strayed,
            vec![(Ma, Some(0.5)), (Wct, None)],
        ),
        ("tools", &tools, vec![(Tcl, Some(200.0)), (Svr, None)]),
        (
            "judged",
            &judged,
            vec![(Rsr, Some(0.666_667)), (Mtte, None)],
        ),
        (
            "cancelled",
            &cancelled,
            vec![(Svr, None), (Wct, None), (Pc, Some(0.0))],
        ),
    ] {
        let counts = fold(events).total;
        for (metric, expected) in values {
            assert_eq!(
                value(metric, &counts),
                expected,
                "{name}: {}",
                metric.as_str()
            );
        }
    }
    let steps = fold(&mixed).steps;
    assert_eq!(value(Svr, &steps[&"a".into()]), Some(1.0));
    assert_eq!(value(Svr, &steps[&"b".into()]), Some(0.0));
    assert_eq!(steps[&"a".into()].step_ms.quantiles().unwrap().mean, 15.0);
}

#[test]
fn a_clock_that_goes_backwards_gives_no_time_and_the_runs_own_clock_counts_first() {
    let mut events = run(&[(START, None, json!({})), (END, None, json!({}))]);
    assert_eq!(value(Metric::Wct, &fold(&events).total), Some(10.0));
    events[1].timestamp = Timestamp::from_unix_millis(1);
    assert_eq!(value(Metric::Wct, &fold(&events).total), None);
    events[1].data = took(3.5);
    assert_eq!(value(Metric::Wct, &fold(&events).total), Some(3.5));
}

#[test]
fn what_an_execution_tells_of_another_ones_history_is_not_counted_again() {
    let a = Some("a");
    let history = [
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "waiting", "wait_id": "a.1" })),
        (DONE, a, took(10.0)),
        (BEGIN, Some("b"), json!({})),
    ];
    let rest = [
        (BEGIN, Some("b"), json!({})),
        (FAILED, Some("b"), took(4.0)),
        (END, None, json!({})),
    ];
    let with = |reason: &str| {
        let resumed = json!({ "kind": "resumed", "reason": reason, "steps": ["b"] });
        let mut lines = history.to_vec();
        lines.push((SAYS, None, resumed));
        lines.extend(rest.clone());
        fold(&run(&lines)).total
    };
    let by_hand = with("request");
    assert_eq!(
        (by_hand.runs, by_hand.steps(), by_hand.runs_with_person),
        (1, 1, 0)
    );
    assert_eq!(value(Metric::Svr, &by_hand), Some(0.0));
    assert_eq!(
        value(Metric::Wct, &by_hand),
        Some(20.0 + 10.0),
        "since it was resumed"
    );
    let restarted = with("restart");
    assert_eq!(
        (
            restarted.runs,
            restarted.steps(),
            restarted.runs_with_person
        ),
        (1, 2, 1)
    );
    assert_eq!(value(Metric::Svr, &restarted), Some(0.5));
}

#[test]
fn usage_said_again_replaces_and_another_answer_adds() {
    let a = Some("a");
    let usage = |input: u64, output: u64| json!({ "kind": "usage", "input_tokens": input, "output_tokens": output });
    let counts = fold(&run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "llm", "model": "m" })),
        (SAYS, a, usage(10, 1)),
        (SAYS, a, usage(10, 5)),
        (SAYS, a, json!({ "kind": "llm", "model": "m" })),
        (SAYS, a, usage(20, 7)),
        (DONE, a, took(1.0)),
    ]))
    .total;
    assert_eq!((counts.input_tokens, counts.output_tokens), (30, 12));
}

#[test]
fn at_its_limit_a_metric_is_where_ia_modules_has_it() {
    let targets = Targets::default();
    for (metric, limit, met) in [
        (Metric::Svr, 0.95, false),
        (Metric::Cr, 0.10, false),
        (Metric::Pc, 2.0, false),
        (Metric::Hir, 0.05, false),
        (Metric::Ma, 0.90, false),
        (Metric::Mtte, 300_000.0, true),
        (Metric::Rsr, 0.99, true),
    ] {
        let target = targets.of(metric).unwrap();
        assert_eq!(
            (target.limit, target.is_met(limit)),
            (limit, met),
            "{}",
            metric.as_str()
        );
    }
    assert!(targets.of(Metric::Wct).is_none() && targets.of(Metric::Tcl).is_none());
    let target = Target {
        bound: Bound::AtMost,
        limit: 5.0,
    };
    assert!(target.is_met(5.0) && !target.is_met(5.1));
}

#[test]
fn numbers_are_the_counts_as_they_are_told_and_read_again() {
    let metrics = fold(&run(&[
        (START, None, json!({})),
        (BEGIN, Some("a"), json!({})),
        (DONE, Some("a"), took(8.0)),
        (END, None, took(10.0)),
    ]));
    let numbers = Numbers::from(&metrics.total);
    assert_eq!((numbers.runs, numbers.steps_completed), (1, 1));
    assert_eq!(numbers.tool_ms, None, "no data is no number");
    assert_eq!(numbers.run_ms.unwrap().max, 10.0);
    let told = serde_json::to_string(&numbers).unwrap();
    assert_eq!(serde_json::from_str::<Numbers>(&told).unwrap(), numbers);
}

#[test]
fn each_target_is_set_where_it_is_read() {
    let target = Target {
        bound: Bound::AtMost,
        limit: 7.0,
    };
    for metric in Metric::ALL {
        let mut targets = Targets::default();
        targets.set(metric, Some(target));
        assert_eq!(targets.of(metric), Some(target));
        let others = Metric::ALL.into_iter().filter(|other| *other != metric);
        for other in others {
            assert_eq!(targets.of(other), Targets::default().of(other));
        }
        targets.set(metric, None);
        assert_eq!(targets.of(metric), None);
    }
}
