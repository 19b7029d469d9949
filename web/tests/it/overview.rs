//! The run at a glance: the graph's boxes and lines, and the history of attempts.

use serde_json::json;
use stepcast_core::time::Time;

use crate::monitor::{event, has, lacks, page_of};

#[test]
fn steps_are_boxes_and_paths_lines_that_tell_whether_they_were_taken() {
    let pipeline = json!({"pipeline": {"name": "P", "start_at": "a",
        "steps": [{"id": "a"}, {"id": "b"}, {"id": "c"}],
        "paths": [{"from": "a", "to": "b", "condition": "<ok>"}, {"from": "a", "to": "c"}, {"from": "b", "to": "end"}]}});
    let told = [
        event(1, "pipeline_start", None, &pipeline),
        event(2, "step_start", Some("a"), &json!({})),
        event(3, "step_complete", Some("a"), &json!({"next": ["b"]})),
        event(4, "step_start", Some("b"), &json!({})),
    ];
    let html = page_of(told, Time::ZERO, |_| ());
    has(
        &html,
        &[
            "data-testid=\"graph-step\"",
            "data-state=\"live\"",
            "data-state=\"idle\"",
            "&lt;ok&gt;",
            "ends here",
            "aria-selected=\"true\"",
        ],
    );
    lacks(
        &html,
        &["<ok>", "data-state=\"taken\"", "data-testid=\"attempts\""],
    );
}

#[test]
fn attempts_are_told_with_their_errors() {
    let retry = json!({"kind": "retry", "attempt": 2, "error": {"message": "the line is <dead>"}});
    let told = [
        event(1, "step_start", Some("a"), &json!({"attempt": 1})),
        event(2, "step_progress", Some("a"), &retry),
        event(3, "step_start", Some("a"), &json!({"attempt": 2})),
    ];
    let html = page_of(told, Time::ZERO, |_| ());
    has(
        &html,
        &[
            "2, 1 failed",
            "round 1, attempt 1: failed, tried again after 0 ms (the line is &lt;dead&gt;)",
            "round 1, attempt 2: under way",
        ],
    );
}
