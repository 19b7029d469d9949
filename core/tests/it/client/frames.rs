//! What frames do to the cursor, and what is given out.

use serde_json::json;
use stepcast_core::client::{Generation, Input, Output, State, Transport, WaitReason};
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::id::{Cursor, Position};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::dialling::wait_reason;
use super::{Rig, closed, event, gap, hello, secs};

fn at(epoch: u64, seq: u64) -> Position {
    Position::After(Cursor { epoch, seq })
}

#[test]
fn the_state_goes_from_connecting_over_catching_up_to_live() {
    let transport = Transport::WebSocket;
    let mut rig = Rig::dialled(|_| {});
    rig.hello(1, 2);
    rig.event(1);
    rig.event(2);
    rig.event(3);
    let states = rig.states();
    let catching_up = State::CatchingUp {
        transport,
        until: 2,
    };
    let connecting = State::Connecting {
        transport,
        attempt: 1,
    };
    assert_eq!(states, [connecting, catching_up, State::Live { transport }]);
}

#[test]
fn duplicates_are_dropped_and_counted() {
    let mut rig = Rig::open(|_| {});
    for seq in [1, 1, 2, 1, 2, 3] {
        rig.event(seq);
    }
    assert_eq!(rig.delivered(), "1, 2, 3");
    assert_eq!(rig.client.counters().duplicates, 3);
}

#[test]
fn a_hidden_hole_is_fetched_once_more_before_it_is_a_gap() {
    let mut rig = Rig::open(|_| {});
    rig.event(1);
    rig.event(4);
    assert_eq!(rig.delivered(), "1");
    assert!(rig.said.contains(&Output::Hangup(Generation(1))));
    rig.redial();
    assert_eq!(rig.dials()[0].after, at(1, 1));
    rig.hello(1, 5);
    rig.event(2);
    rig.event(3);
    rig.event(4);
    assert_eq!(
        rig.delivered(),
        "1, 2, 3, 4",
        "it was the connection's fault"
    );
    rig.event(6);
    rig.redial();
    rig.hello(1, 7);
    rig.event(6);
    rig.event(7);
    assert_eq!(rig.delivered(), "1, 2, 3, 4, 5-5 Transport, 6, 7");
    assert_eq!(
        (rig.client.counters().gaps, rig.client.counters().lost),
        (1, 1)
    );
}

#[test]
fn a_hole_at_the_very_end_is_noticed_too() {
    let mut rig = Rig::open(|_| {});
    rig.event(1);
    rig.text(&closed(3));
    assert!(matches!(
        rig.client.state(),
        State::Waiting {
            reason: WaitReason::Broken,
            ..
        }
    ));
    rig.redial();
    rig.hello(1, 3);
    rig.text(&closed(3));
    assert_eq!(rig.delivered(), "1, 2-3 Transport");
    assert_eq!(
        rig.client.state(),
        State::Ended {
            reason: EndReason::Complete
        }
    );
}

#[test]
fn an_announced_gap_moves_the_cursor() {
    let mut rig = Rig::open(|_| {});
    rig.text(&gap(1, 4));
    rig.event(5);
    rig.text(&gap(3, 5));
    rig.text(&gap(5, 8));
    rig.text(&gap(12, 11));
    rig.event(9);
    assert_eq!(rig.delivered(), "1-4 Retention, 5, 6-8 Retention, 9");
    assert_eq!(
        (rig.client.counters().lost, rig.client.cursor()),
        (7, at(1, 9))
    );
}

#[test]
fn a_log_that_was_recreated_begins_anew() {
    let mut rig = Rig::open(|_| {});
    rig.event(1);
    rig.event(2);
    rig.broken();
    rig.redial();
    rig.hello(9, 1);
    rig.text(&json!({"control": "gap", "execution_id": "run_1", "from": 1, "to": 2, "reason": "epoch", "epoch": 9}));
    rig.event(1);
    assert_eq!(
        rig.delivered(),
        "1, 2, reset 9, 1",
        "once, though told twice"
    );
    assert_eq!(
        (rig.client.counters().resets, rig.client.cursor()),
        (1, at(9, 1))
    );
}

#[test]
fn a_hello_of_another_epoch_is_enough_to_begin_anew() {
    let mut rig = Rig::open(|config| config.after = at(1, 0));
    rig.event(1);
    rig.broken();
    rig.redial();
    rig.hello(2, 1);
    rig.event(1);
    assert_eq!(rig.delivered(), "1, reset 2, 1");
}

#[test]
fn what_a_connection_that_was_given_up_says_is_ignored() {
    let mut rig = Rig::open(|_| {});
    let old = rig.generation;
    rig.broken();
    rig.redial();
    rig.said.clear();
    rig.feed(Input::Text(old, &hello(1, 9).to_string()));
    rig.feed(Input::Text(old, &event(1).to_string()));
    rig.feed(Input::Bytes(old, b"data: nonsense\n\n"));
    rig.feed(Input::Closed(
        old,
        stepcast_core::client::ConnectionEnd::Broken,
    ));
    assert_eq!(rig.take(), []);
    assert!(matches!(rig.client.state(), State::Connecting { .. }));
    rig.hello(1, 1);
    rig.event(1);
    assert_eq!(rig.delivered(), "1");
}

#[test]
fn a_damaged_frame_is_fetched_again_and_passed_over_when_it_stays_damaged() {
    let mut rig = Rig::open(|_| {});
    rig.event(1);
    rig.feed(Input::Text(rig.generation, "{\"event_type\":"));
    rig.redial();
    assert_eq!(rig.dials()[0].after, at(1, 1));
    rig.hello(1, 3);
    rig.feed(Input::Text(rig.generation, "{\"event_type\":"));
    rig.event(3);
    assert_eq!(rig.delivered(), "1, 2-2 Transport, 3");
    assert_eq!(rig.client.counters().corrupt, 2);
}

#[test]
fn before_the_hello_no_event_has_a_place() {
    for frame in [event(1), gap(1, 2), closed(0)] {
        let mut rig = Rig::dialled(|_| {});
        rig.text(&frame);
        assert_eq!(rig.delivered(), "");
        assert!(matches!(
            rig.client.state(),
            State::Waiting {
                reason: WaitReason::Broken,
                ..
            }
        ));
    }
}

#[test]
fn frames_of_other_executions_and_of_later_versions_are_ignored() {
    let mut rig = Rig::open(|_| {});
    let mut other = event(1);
    other["execution_id"] = "run_2".into();
    rig.text(&other);
    let mut other = closed(0);
    other["execution_id"] = "run_2".into();
    rig.text(&other);
    rig.text(&json!({"control": "later", "execution_id": "run_1"}));
    rig.text(&json!({"control": "error", "status": 400, "message": "what?"}));
    assert_eq!(rig.take(), []);
    let mut later = event(1);
    later["event_type"] = "step_dreamt".into();
    rig.text(&later);
    let Some(Output::Event(event)) = rig.said.first() else {
        panic!("{:?}", rig.said);
    };
    assert_eq!(event.event_type, EventType::Unknown("step_dreamt".into()));
    rig.text(&json!({"control": "closed", "execution_id": "run_1", "last_seq": 1, "reason": "evaporated"}));
    assert_eq!(
        rig.client.state(),
        State::Ended {
            reason: EndReason::Unknown
        }
    );
}

#[test]
fn with_a_filter_a_hole_is_no_loss() {
    let mut rig = Rig::open(|config| config.filter.types = vec![EventType::StepProgress]);
    assert_eq!(
        rig.client.state(),
        State::Live {
            transport: Transport::WebSocket
        }
    );
    rig.broken();
    rig.redial();
    rig.hello(1, 9);
    rig.event(3);
    rig.event(7);
    assert!(matches!(
        rig.client.state(),
        State::CatchingUp { until: 9, .. }
    ));
    rig.text(&json!({"control": "ping"}));
    assert!(
        matches!(rig.client.state(), State::Live { .. }),
        "silence means the tail"
    );
    rig.text(&closed(20));
    assert_eq!(rig.delivered(), "3, 7");
    assert_eq!(
        rig.client.state(),
        State::Ended {
            reason: EndReason::Complete
        }
    );
}

#[test]
fn from_now_on_begins_behind_the_hello() {
    let mut rig = Rig::dialled(|config| config.after = Position::Now);
    rig.hello(1, 41);
    assert_eq!(rig.client.cursor(), at(1, 41));
    rig.event(42);
    assert_eq!(rig.delivered(), "42");
}

#[test]
fn an_sse_id_of_another_epoch_is_no_event_of_this_log() {
    let mut rig = Rig::dialled(|config| config.transports = vec![Transport::Sse]);
    let mut body = format!("event: control\ndata: {}\n\n", hello(1, 1));
    body.push_str(&format!("data: {}\nid: 1.1\n\n", event(1)));
    body.push_str(&format!("data: {}\nid: 2.2\n\n", event(2)));
    for piece in body.as_bytes().chunks(7) {
        rig.feed(Input::Bytes(rig.generation, piece));
    }
    assert_eq!(
        (rig.delivered().as_str(), rig.client.counters().corrupt),
        ("1", 1)
    );
}

#[test]
fn a_silent_server_is_stale_after_two_and_a_half_heartbeats() {
    for heartbeat_ms in [15_000, 4_000] {
        let mut rig = Rig::dialled(|_| {});
        let mut frame = hello(1, 0);
        frame["heartbeat_ms"] = heartbeat_ms.into();
        rig.text(&frame);
        for _ in 0..10 {
            rig.pass(std::time::Duration::from_millis(heartbeat_ms * 5 / 2 - 1));
            assert!(matches!(rig.client.state(), State::Live { .. }));
            rig.text(&json!({"control": "ping"}));
        }
        rig.pass(std::time::Duration::from_millis(heartbeat_ms * 5 / 2));
        assert!(matches!(
            rig.client.state(),
            State::Waiting {
                reason: WaitReason::Stale,
                ..
            }
        ));
        assert!(rig.said.contains(&Output::Hangup(Generation(1))));
    }
    let mut rig = Rig::dialled(|_| {});
    let mut frame = hello(1, 0);
    frame["heartbeat_ms"] = 0.into();
    rig.text(&frame);
    rig.pass(std::time::Duration::from_millis(249));
    assert!(
        matches!(rig.client.state(), State::Live { .. }),
        "no heartbeat is none at all"
    );
    rig.pass(secs(1));
}

#[test]
fn goaway_says_why() {
    for (reason, read) in [
        ("restart", WaitReason::ServerRestart),
        ("busy", WaitReason::Busy),
        ("expired", WaitReason::Expired),
        ("full moon", WaitReason::ServerRestart),
    ] {
        let mut rig = Rig::open(|_| {});
        rig.text(&json!({"control": "goaway", "retry_ms": 2345, "reason": reason}));
        assert_eq!(wait_reason(&rig), read, "{reason}");
    }
}
