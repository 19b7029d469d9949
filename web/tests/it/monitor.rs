//! The monitor over a store that a test fills.

use std::fs;
use std::path::Path;

use leptos::prelude::*;
use serde_json::{Value, json};
use stepcast_core::client::{State, Transport, WaitReason};
use stepcast_core::control::{ControlFrame, EndReason, GapReason};
use stepcast_core::time::Time;
use stepcast_core::wire::frame::ServerFrame;
use stepcast_web::driver::Notice;
use stepcast_web::monitor::MonitorView;
use stepcast_web::monitor::actions::Actions;
use stepcast_web::store::{Now, Store};

const LIVE: State = State::Live {
    transport: Transport::WebSocket,
};

/// 2025-10-22T10:30:00Z
const BEGAN: u64 = 1_761_129_000_000;

fn notice(frame: &Value) -> Notice {
    match ServerFrame::parse(&frame.to_string()).unwrap() {
        ServerFrame::Event(event) => Notice::Event(event),
        ServerFrame::Control(ControlFrame::Gap {
            reason: GapReason::Epoch,
            epoch,
            ..
        }) => Notice::Reset {
            epoch: epoch.unwrap_or_default(),
        },
        ServerFrame::Control(ControlFrame::Gap {
            from, to, reason, ..
        }) => Notice::Gap { from, to, reason },
        other => panic!("no notice: {other:?}"),
    }
}

fn actions() -> Actions {
    let nothing = Callback::new(|_| ());
    Actions::new("/files/".to_owned(), nothing, Callback::new(|_| ()))
}

/// The page after these notices, with its scaffolding comments left out.
fn page(notices: impl IntoIterator<Item = Notice>, monotonic: Time) -> String {
    page_of(notices, monotonic, |_| ())
}

/// The page after these notices, and what else a store is told.
pub(crate) fn page_of(
    notices: impl IntoIterator<Item = Notice>,
    monotonic: Time,
    tell: impl FnOnce(Store),
) -> String {
    Owner::new().with(|| {
        let store = Store::new();
        store.set_now(Now {
            monotonic,
            unix_ms: BEGAN + 65_000,
        });
        for notice in notices {
            store.take(notice, BEGAN + 65_000);
        }
        store.flush();
        tell(store);
        let html = view! {
            <MonitorView
                store title="run_1".to_owned() earlier="/earlier".to_owned() actions=actions()
                on_retry=Callback::new(|()| ()) on_cancel=Some(Callback::new(|()| ()))
            />
        }
        .to_html();
        html.replace("<!>", "").replace("<!--<() />-->", "")
    })
}

pub(crate) fn vector(name: &str) -> Vec<Notice> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/vectors/view");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    let vector: Value = serde_json::from_str(&text).unwrap();
    let frames = vector["frames"].as_array().unwrap();
    frames.iter().map(notice).collect()
}

pub(crate) fn event(seq: u64, kind: &str, step: Option<&str>, data: &Value) -> Notice {
    let mut event = json!({"event_type": kind, "execution_id": "run_1", "seq": seq,
        "timestamp": "2025-10-22T10:30:00.000Z", "data": data});
    if let Some(step) = step {
        event["step_id"] = json!(step);
    }
    notice(&event)
}

pub(crate) fn has(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "no {part:?} in\n{html}");
    }
}

pub(crate) fn lacks(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(!html.contains(part), "{part:?} in\n{html}");
    }
}

#[test]
fn a_run_that_has_not_begun_has_a_page() {
    let html = page([], Time::ZERO);
    has(
        &html,
        &[
            "run_1",
            "Not connected",
            "Not started",
            "No step has begun",
            "0 %",
        ],
    );
    lacks(&html, &["data-testid=\"ending\"", "data-testid=\"step\""]);
}

#[test]
fn a_running_step_shows_its_text_its_log_and_how_long_it_has_taken() {
    let mut notices = vector("tokens.json");
    notices.insert(0, Notice::State(LIVE));
    let html = page(notices, Time::ZERO);
    has(
        &html,
        &[
            "data-state=\"live\"",
            "data-step-id=\"ask\"",
            "data-status=\"running\"",
            "data-testid=\"step-text\"",
            "Hello",
            "Cancel run",
        ],
    );
    lacks(&html, &["data-testid=\"ending\""]);
}

#[test]
fn every_end_is_told() {
    for (name, status, words) in [
        ("complete.json", "completed", "Completed"),
        ("failed.json", "failed", "Failed"),
        ("cancelled.json", "cancelled", "Cancelled"),
        ("timeout.json", "timeout", "Stopped: it ran longer"),
        (
            "interrupted.json",
            "interrupted",
            "Interrupted: the server stopped",
        ),
        (
            "producer_lost.json",
            "producer_lost",
            "its producer fell silent",
        ),
    ] {
        let html = page(vector(name), Time::ZERO);
        let status = format!("data-status=\"{status}\"");
        has(&html, &["data-testid=\"ending\"", &status, words]);
    }
}

#[test]
fn a_failure_names_its_step_and_says_why() {
    let html = page(vector("failed.json"), Time::ZERO);
    has(&html, &["data-testid=\"error\"", "data-retried=\"false\""]);
}

#[test]
fn a_retry_is_no_failure() {
    let html = page(vector("retrying.json"), Time::ZERO);
    has(
        &html,
        &[
            "data-status=\"retrying\"",
            "An earlier attempt failed",
            "data-retried=\"true\"",
        ],
    );
}

#[test]
fn what_is_missing_is_named() {
    let gap = Notice::Gap {
        from: 2,
        to: 41,
        reason: GapReason::Retention,
    };
    let html = page(
        [
            event(1, "pipeline_start", None, &json!({})),
            gap,
            event(42, "step_start", Some("a"), &json!({"kind": "llm"})),
        ],
        Time::ZERO,
    );
    has(
        &html,
        &[
            "data-testid=\"gap\"",
            "40 events are missing",
            "no longer keeps them",
            "40 missing before",
        ],
    );
}

#[test]
fn the_connection_says_when_it_comes_back() {
    let waiting = Notice::State(State::Waiting {
        until: Time::from_millis(9000),
        attempt: 3,
        reason: WaitReason::ServerRestart,
    });
    let html = page([waiting], Time::from_millis(5000));
    has(
        &html,
        &[
            "Reconnecting in 4 s",
            "the server restarts, try 3",
            "Try now",
            "data-state=\"waiting\"",
        ],
    );
}

#[test]
fn the_connection_says_how_old_its_last_word_is() {
    let transport = Transport::WebSocket;
    let told = |heard: Option<Time>| {
        let live = Notice::State(State::Live { transport });
        page_of([live], Time::from_millis(20_000), |store| {
            store.set_heard(heard)
        })
    };
    has(
        &told(Some(Time::from_millis(8_000))),
        &["last word 12 s ago"],
    );
    lacks(&told(None), &["last word"]);
}

#[test]
fn a_stream_that_stops_before_the_end_does_not_pretend() {
    let begun = || event(1, "pipeline_start", None, &json!({}));
    let html = page(
        [begun(), Notice::State(State::Refused { status: 410 })],
        Time::ZERO,
    );
    has(&html, &["Not known how it ended", "Try again"]);
    let reason = EndReason::Complete;
    let html = page(
        [begun(), Notice::State(State::Ended { reason })],
        Time::ZERO,
    );
    has(&html, &["Ended without its last event"]);
}

#[test]
fn what_a_run_says_is_text_and_never_markup() {
    let bad = "<img src=x onerror=alert(1)>";
    let html = page(
        [
            event(
                1,
                "pipeline_start",
                None,
                &json!({"pipeline": {"name": bad, "steps": [{"id": bad, "kind": bad}]}, "input": {bad: bad}}),
            ),
            event(2, "step_start", Some(bad), &json!({"kind": bad})),
            event(
                3,
                "step_progress",
                Some(bad),
                &json!({"kind": "token", "text": bad}),
            ),
            event(4, "step_progress", Some(bad), &json!({"message": bad})),
            event(5, "step_output", Some(bad), &json!({"output": {bad: bad}})),
            event(
                6,
                "step_error",
                Some(bad),
                &json!({"error": {"message": bad, "category": bad}}),
            ),
        ],
        Time::ZERO,
    );
    lacks(&html, &["<img"]);
    has(&html, &["&lt;img"]);
}

#[test]
fn a_recreated_log_begins_anew() {
    let html = page(
        [
            event(1, "step_start", Some("old"), &json!({})),
            Notice::Reset { epoch: 2 },
            event(1, "step_start", Some("new"), &json!({})),
        ],
        Time::ZERO,
    );
    has(&html, &["data-step-id=\"new\""]);
    lacks(&html, &["data-step-id=\"old\""]);
}

#[test]
fn a_hundred_thousand_events_draw_a_screenful() {
    let begun = event(1, "step_start", Some("a"), &json!({}));
    let rest =
        (2..=100_000).map(|seq| event(seq, "step_progress", Some("a"), &json!({"progress": 0.5})));
    let html = page(std::iter::once(begun).chain(rest), Time::ZERO);
    has(&html, &["data-count=\"100000\"", "aria-setsize=\"100000\""]);
    let rows = html.matches("role=\"option\"").count();
    assert!((20..60).contains(&rows), "{rows} rows");
}

#[test]
fn a_screen_reader_hears_states_and_quarters() {
    let progress =
        |seq, part: f64| event(seq, "step_progress", Some("a"), &json!({"progress": part}));
    let begun = || {
        event(
            1,
            "pipeline_start",
            None,
            &json!({"pipeline": {"name": "P", "steps": [{"id": "a"}]}}),
        )
    };
    let said = |part| page([begun(), progress(2, part)], Time::ZERO);
    has(
        &said(0.30),
        &["role=\"status\"", "Run running, 25 percent."],
    );
    has(&said(0.45), &["Run running, 25 percent."]);
    has(
        &said(0.55),
        &["Run running, 50 percent.", "aria-valuenow=\"55\""],
    );
}
