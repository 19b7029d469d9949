//! The value of every metric by hand, of several runs added up.

use serde_json::json;
use stepcast_core::metrics::{Counts, Metric};

use crate::metrics::{BEGIN, DONE, END, FAILED, SAYS, START, fold, run, took};

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn values_by_hand_of_several_runs_together() {
    let a = Some("a");
    let explained = |ms: f64| {
        let data = json!({ "kind": "explanation", "succeeded": true, "duration_ms": ms });
        (SAYS, None, data)
    };
    let retried = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "retry", "attempt": 2 })),
        (SAYS, a, json!({ "kind": "retry", "attempt": 3 })),
        (FAILED, a, took(10.0)),
        explained(100.0),
        explained(200.0),
        ("pipeline_error", None, took(10.0)),
    ]);
    let undone = run(&[
        (START, None, json!({})),
        (BEGIN, a, json!({})),
        (SAYS, a, json!({ "kind": "compensated" })),
        (
            SAYS,
            a,
            json!({ "kind": "mode", "declared": "plan", "actual": "act" }),
        ),
        (DONE, a, took(30.0)),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "1", "duration_ms": 50 }),
        ),
        explained(400.0),
        (SAYS, None, json!({ "kind": "replay", "succeeded": true })),
        (END, None, took(20.0)),
    ]);
    let asked = run(&[
        (START, None, json!({})),
        (SAYS, a, json!({ "kind": "waiting", "wait_id": "a.1" })),
        (DONE, a, took(20.0)),
        (
            SAYS,
            a,
            json!({ "kind": "tool_call", "call_id": "1", "duration_ms": 100 }),
        ),
        (SAYS, None, json!({ "kind": "replay", "succeeded": false })),
        (END, None, took(50.0)),
    ]);
    let mut counts = Counts::default();
    for events in [&retried, &undone, &asked] {
        counts.merge(&fold(events).total);
    }
    use Metric::{Cr, Hir, Ma, Mtte, Pc, Rsr, Svr, Tcl, Wct};
    for (metric, expected) in [
        (Svr, 2.0 / 3.0),
        (Cr, 1.0 / 3.0),
        (Pc, 2.0 / 3.0),
        (Hir, 1.0 / 3.0),
        (Ma, 1.0 - 1.0 / 3.0),
        (Tcl, 75.0),
        (Wct, 35.0),
        // of 100, 200 and 400 the one at place ⌊3 · 0.95⌋, within one per cent
        (Mtte, 400.0),
        (Rsr, 0.5),
    ] {
        let found = metric.value(&counts).unwrap();
        let near = if metric == Mtte { 4.0 } else { 1e-9 };
        assert!(
            (found - expected).abs() <= near,
            "{}: {found}",
            metric.as_str()
        );
    }
    let step = counts.step_ms.quantiles().unwrap();
    assert_eq!(
        (step.count, step.mean, step.min, step.max),
        (3, 20.0, 10.0, 30.0)
    );
}
