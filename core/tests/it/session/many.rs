//! Many executions on one connection.

use serde_json::json;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, subscribe, unsubscribe};

fn many() -> Rig {
    Rig::new(|config| {
        config.single = false;
        config.max_subscriptions = 3;
    })
}

/// A connection that follows runs, whose logs have so many events.
fn following(runs: &[(char, u64)]) -> Rig {
    let mut rig = many();
    for &(run, last_seq) in runs {
        assert_eq!(rig.text(&subscribe(run)), [format!("open {run}")]);
        let said = rig.opened(run, 1, last_seq);
        assert_eq!(said[1], format!("read {run} 0 3"));
    }
    rig
}

#[test]
fn each_subscription_is_served_on_its_own() {
    let mut rig = following(&[('a', 3), ('b', 1)]);
    assert_eq!(rig.page('a', 1..=3), ["a1", "a2", "a3"]);
    assert_eq!(
        rig.last_page('b', 1),
        ["b1", "closed b 1 complete", "drop b"]
    );
    rig.written();
    assert_eq!(rig.grown('b', 2), [""; 0]);
    assert_eq!(rig.grown('a', 4), ["read a 3 3"]);
    assert_eq!(
        rig.text(&subscribe('b')),
        ["open b"],
        "and may be followed again"
    );
}

#[test]
fn a_busy_run_does_not_starve_a_quiet_one() {
    let mut rig = following(&[('a', 1_000_000), ('b', 0), ('c', 1_000_000)]);
    assert_eq!(rig.page('b', []), [""; 0]);
    let (mut a, mut c) = (0, 0);
    let mut first = Vec::new();
    for round in 0..100 {
        rig.page('a', a + 1..=a + 3);
        rig.page('c', c + 1..=c + 3);
        (a, c) = (a + 3, c + 3);
        if round == 50 {
            assert_eq!(
                rig.grown('b', 1),
                ["read b 0 3"],
                "at once, whatever the others do"
            );
            assert_eq!(rig.page('b', [1]), ["b1"]);
        }
        let said = rig.written();
        assert_eq!(said.len(), 2, "one page of each: {said:?}");
        first.push(said[0].as_bytes()[5]);
    }
    for pair in first.windows(2) {
        assert_ne!(pair[0], pair[1], "and they take turns at being first");
    }
}

#[test]
fn a_refusal_ends_its_subscription_only() {
    let mut rig = following(&[('a', 0)]);
    assert_eq!(rig.text(&subscribe('b')), ["open b"]);
    assert_eq!(rig.refused('b', 404), ["error b 404"]);
    let mut frame = subscribe('c');
    frame["after"] = "1.9".into();
    assert_eq!(rig.text(&frame), ["open c"]);
    assert_eq!(rig.opened('c', 1, 5), ["error c 400", "drop c"]);
    assert_eq!(rig.page('a', []), [""; 0]);
    assert_eq!(rig.grown('a', 1), ["read a 0 3"]);
}

#[test]
fn there_is_a_limit_and_nothing_is_followed_twice() {
    let mut rig = following(&[('a', 0), ('b', 0)]);
    assert_eq!(rig.text(&subscribe('a')), ["error a 409"]);
    assert_eq!(rig.text(&subscribe('c')), ["open c"]);
    assert_eq!(rig.text(&subscribe('d')), ["error d 429"]);
    rig.page('a', []);
    assert_eq!(rig.text(&unsubscribe('a')), ["drop a"]);
    assert_eq!(rig.text(&unsubscribe('a')), ["error a 404"]);
    assert_eq!(rig.text(&subscribe('d')), ["open d"]);
}

#[test]
fn an_answer_to_a_subscription_that_left_meets_no_later_one() {
    let mut rig = following(&[('a', 3)]);
    assert_eq!(rig.text(&unsubscribe('a')), [""; 0], "a read is under way");
    let mut frame = subscribe('a');
    frame["after"] = "1.2".into();
    assert_eq!(rig.text(&frame), [""; 0]);
    assert_eq!(rig.text(&frame), ["error a 409"]);
    assert_eq!(rig.page('a', 1..=3), ["drop a", "open a"]);
    assert_eq!(rig.opened('a', 1, 3)[1], "read a 2 3");
    assert_eq!(rig.page('a', [3]), ["a3"]);

    let mut rig = many();
    rig.text(&subscribe('a'));
    rig.text(&unsubscribe('a'));
    assert_eq!(rig.opened('a', 1, 3), ["drop a"]);
    rig.text(&subscribe('b'));
    rig.text(&unsubscribe('b'));
    assert_eq!(rig.refused('b', 404), [""; 0]);
    assert_eq!(rig.text(&subscribe('b')), ["open b"]);
}

#[test]
fn a_frame_that_is_none_is_answered_and_harms_nothing() {
    let mut rig = following(&[('a', 1)]);
    for text in [
        "",
        "{",
        "null",
        "{\"action\":\"fly\"}",
        "{\"action\":\"subscribe\"}",
        "{\"action\":\"subscribe\",\"execution_id\":\"a b\"}",
        "{\"action\":\"subscribe\",\"execution_id\":\"x\",\"after\":\"-1\"}",
    ] {
        assert_eq!(
            rig.feed(stepcast_core::session::Input::Text(text)),
            ["error 400"],
            "{text}"
        );
    }
    assert_eq!(rig.text(&json!({"action": "ping", "later": 1})), ["pong"]);
    assert_eq!(rig.page('a', [1]), ["a1"]);
}

#[test]
fn files_are_for_the_shell_and_harm_no_stream() {
    let mut rig = following(&[('a', 1)]);
    let fetch =
        json!({ "action": "fetch", "fetch": "f", "execution_id": "a", "sha256": "0", "offset": 7 });
    let unfetch = json!({ "action": "unfetch", "fetch": "f" });
    for frame in [fetch, unfetch] {
        assert_eq!(rig.text(&frame), [format!("asked {frame}")]);
    }
    assert_eq!(rig.page('a', [1]), ["a1"]);
}
