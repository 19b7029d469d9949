//! The metrics of a run, as the page counts them out of its events.

use leptos::prelude::*;
use serde_json::{Value, json};
use stepcast_core::client::{State, Transport};
use stepcast_core::control::GapReason;
use stepcast_core::metrics::{Bound, Target, Targets};
use stepcast_web::driver::Notice;
use stepcast_web::monitor::metrics::Metrics;
use stepcast_web::store::{Now, Store};

use crate::monitor::{event, has, lacks};

/// 2025-10-22T10:30:00Z, the time of every event.
const AT: u64 = 1_761_129_000_000;

/// The panel of a store that was told this.
fn panel(tell: impl FnOnce(Store)) -> String {
    Owner::new().with(|| {
        let store = Store::new();
        store.set_now(Now::default());
        tell(store);
        store.flush();
        let html = view! { <Metrics store/> }.to_html();
        html.replace("<!>", "").replace("<!--<() />-->", "")
    })
}

/// What the row of one metric says.
fn row<'a>(html: &'a str, metric: &str) -> &'a str {
    let from = html.find(&format!("data-metric=\"{metric}\"")).unwrap();
    let row = &html[from..];
    &row[..row.find("</details>").unwrap()]
}

fn step(seq: u64, kind: &str, data: &Value) -> Notice {
    event(seq, kind, Some("a"), data)
}

#[test]
fn no_data_is_said_so_and_is_never_well() {
    let html = panel(|_| ());
    lacks(&html, &["data-light=\"met\"", "100 %"]);
    for metric in ["svr", "cr", "pc", "hir", "ma", "tcl", "wct", "mtte", "rsr"] {
        has(row(&html, metric), &["data-light=\"no-data\"", "no data"]);
    }
    has(
        row(&html, "svr"),
        &[
            "Step Validity Rate",
            "above 95 %",
            "steps_completed / (steps_completed + steps_failed)",
            "no step has ended",
        ],
    );
    has(
        &html,
        &["the usual targets", "data-testid=\"lateness-none\""],
    );
}

#[test]
fn the_events_of_a_run_make_its_metrics_against_the_targets_of_its_server() {
    let html = panel(|store| {
        let told = [
            event(1, "pipeline_start", None, &json!({})),
            step(2, "step_start", &json!({})),
            step(3, "step_progress", &json!({"kind": "retry", "attempt": 2})),
            step(4, "step_progress", &json!({"kind": "token", "text": "x"})),
            step(5, "step_complete", &json!({"duration_ms": 10})),
            step(6, "step_start", &json!({})),
            step(7, "step_error", &json!({"duration_ms": 10})),
            event(8, "pipeline_complete", None, &json!({"duration_ms": 1500})),
        ];
        for notice in told {
            store.take(notice, AT);
        }
        let mut targets = Targets::default();
        targets.set(stepcast_core::metrics::Metric::Pc, None);
        let limit = 1000.0;
        let below = Some(Target {
            bound: Bound::Below,
            limit,
        });
        targets.set(stepcast_core::metrics::Metric::Wct, below);
        store.set_targets(targets);
    });
    has(
        row(&html, "svr"),
        &["data-light=\"missed\"", "50 %", "1 / (1 + 1) = 50 %"],
    );
    has(row(&html, "cr"), &["data-light=\"met\"", "0 %"]);
    has(
        row(&html, "pc"),
        &["data-light=\"informs\"", "1.00", "1 / 1"],
    );
    has(
        row(&html, "wct"),
        &["data-light=\"missed\"", "1.5 s", "below 1.0 s"],
    );
    has(&html, &["the server's targets"]);
    lacks(&html, &["the usual targets"]);
}

#[test]
fn what_is_missing_is_said_beside_the_numbers_and_a_recreated_log_counts_anew() {
    let hidden = "data-testid=\"metrics-incomplete\" class=\"metrics-note gone\"";
    let gap = || Notice::Gap {
        from: 2,
        to: 3,
        reason: GapReason::Retention,
    };
    let html = panel(|store| store.take(gap(), AT));
    lacks(&html, &[hidden]);
    let html = panel(|store| {
        store.take(step(1, "step_complete", &json!({})), AT);
        store.take(gap(), AT);
        store.take(Notice::Reset { epoch: 2 }, AT);
    });
    has(&html, &[hidden]);
    has(row(&html, "svr"), &["no data"]);
}

#[test]
fn only_what_comes_while_it_happens_tells_how_late_events_are() {
    let live = || {
        let transport = Transport::WebSocket;
        Notice::State(State::Live { transport })
    };
    let html = panel(|store| {
        store.take(step(1, "step_start", &json!({})), AT + 3_600_000);
        store.take(live(), AT);
        // this computer is behind: what came first came before it was sent
        for late in [0, 20, 20, 900] {
            let said = step(2, "step_progress", &json!({}));
            store.take(said, AT - 5_000 + late);
        }
    });
    has(
        &html,
        &[
            "+ 20 ms",
            "+ 900 ms",
            "4 events",
            "5.0 s before it was sent",
        ],
    );
}
