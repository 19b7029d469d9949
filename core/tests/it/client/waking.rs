//! Tabs that are hidden and shown, networks that go and come.

use std::time::Duration;

use serde_json::json;
use stepcast_core::client::{Generation, Input, Output, State, Transport, WaitReason};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, hello, secs};

#[test]
fn offline_hangs_up_and_dials_nothing_until_woken() {
    let mut rig = Rig::open(|_| {});
    rig.event(1);
    rig.feed(Input::Offline);
    assert_eq!((rig.client.state(), rig.due), (State::Offline, None));
    assert!(rig.said.contains(&Output::Hangup(Generation(1))));
    rig.pass(secs(3600));
    assert_eq!(rig.dials().len(), 0);
    rig.feed(Input::Woken);
    assert_eq!(rig.dials().len(), 1);
    assert_eq!(rig.dials()[0].after.to_string(), "1.1");
}

#[test]
fn waking_cuts_a_wait_short_but_not_again_and_again() {
    let mut rig = Rig::dialled(|config| config.transports = vec![Transport::WebSocket]);
    for _ in 0..8 {
        rig.broken();
        rig.redial();
    }
    rig.pass(secs(2));
    rig.broken();
    rig.said.clear();
    for _ in 0..100 {
        rig.feed(Input::Woken);
        rig.broken();
        rig.pass(Duration::from_millis(100));
    }
    let dials = rig.dials().len();
    assert!((8..=11).contains(&dials), "{dials} in ten seconds");
}

#[test]
fn waking_probes_a_web_socket_once() {
    let mut rig = Rig::open(|_| {});
    rig.feed(Input::Woken);
    let [Output::Send(generation, text)] = &rig.take()[..] else {
        panic!("no ping");
    };
    assert_eq!(
        (*generation, text.as_str()),
        (Generation(1), r#"{"action":"ping"}"#)
    );
    rig.text(&json!({"control": "pong"}));
    rig.pass(secs(10));
    assert!(matches!(rig.client.state(), State::Live { .. }));
    rig.feed(Input::Woken);
    rig.pass(secs(3));
    assert!(matches!(
        rig.client.state(),
        State::Waiting {
            reason: WaitReason::Stale,
            ..
        }
    ));
}

#[test]
fn a_web_socket_that_slept_past_its_heartbeats_is_replaced_at_once() {
    let mut rig = Rig::open(|_| {});
    rig.now = rig.now + secs(3600);
    rig.feed(Input::Woken);
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn waking_replaces_sse_that_was_silent_for_a_heartbeat() {
    let mut rig = Rig::dialled(|config| config.transports = vec![Transport::Sse]);
    rig.feed(Input::Bytes(
        rig.generation,
        format!("data: {}\n\n", hello(1, 0)).as_bytes(),
    ));
    rig.pass(secs(14));
    rig.feed(Input::Woken);
    assert_eq!(rig.dials().len(), 1, "it may well live");
    rig.pass(secs(2));
    rig.feed(Input::Woken);
    assert_eq!(rig.dials().len(), 2);
    assert_eq!(
        rig.client.state(),
        State::Connecting {
            transport: Transport::Sse,
            attempt: 2
        }
    );
}
