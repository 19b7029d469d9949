//! Runs that are picked up as they are made, and windows of what is on its way.

use serde_json::{Value, json};
use stepcast_core::fidelity::Manner;
use stepcast_core::filter::Filter;
use stepcast_core::id::Position;
use stepcast_core::session::Input;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, id, subscribe};

fn many() -> Rig {
    Rig::new(|config| {
        config.single = false;
        config.max_subscriptions = 3;
    })
}

fn watch(since: &str) -> Value {
    json!({"action": "watch", "watch": "w", "since": since})
}

/// A connection that watches from now on, where 7 runs were made before.
fn watching() -> Rig {
    let mut rig = many();
    assert_eq!(rig.text(&watch("now")), ["find w now 3"]);
    assert_eq!(rig.found(&[], 7, false), ["watching w m1.7"]);
    rig
}

#[test]
fn a_run_that_is_made_later_is_followed_from_its_first_event() {
    let mut rig = watching();
    assert_eq!(rig.created(), ["find w m1.7 3"]);
    assert_eq!(
        rig.found(&[(8, 'a')], 8, false),
        ["matched a w m1.8", "open a"]
    );
    assert_eq!(rig.opened('a', 1, 0), ["hello a 0 1", "read a 0 3"]);
    assert_eq!(rig.created(), ["find w m1.8 2"]);
    assert_eq!(rig.found(&[], 9, false), [""; 0], "one that does not match");
    assert_eq!(rig.created(), ["find w m1.9 2"]);
}

#[test]
fn a_watch_that_was_cut_off_goes_on_after_its_mark() {
    let mut rig = many();
    assert_eq!(rig.text(&watch("m1.5")), ["find w m1.5 3"]);
    assert_eq!(
        rig.found(&[(6, 'a'), (9, 'b')], 12, false),
        [
            "watching w m1.5",
            "matched a w m1.6",
            "open a",
            "matched b w m1.9",
            "open b"
        ]
    );
}

#[test]
fn what_is_under_way_is_looked_through_to_its_end_before_the_new_ones() {
    let mut rig = many();
    assert_eq!(rig.text(&watch("under_way")), ["find w m0.0 under way 3"]);
    let runs = [(2, 'a'), (4, 'b'), (5, 'c')];
    let said = rig.found(&runs, 5, true);
    assert_eq!(
        said.last().unwrap(),
        "open c",
        "and there is no room for more: {said:?}"
    );
    assert_eq!(rig.created(), [""; 0]);
    rig.opened('a', 1, 1);
    let said = rig.last_page('a', 1);
    assert_eq!(
        said,
        [
            "a1",
            "closed a 1 complete",
            "drop a",
            "find w m1.5 under way 1"
        ]
    );
    assert_eq!(
        rig.found(&[(7, 'd')], 7, false),
        ["matched d w m1.7", "open d"]
    );
    rig.refused('d', 404);
    assert_eq!(
        rig.created(),
        ["find w m1.7 1"],
        "now of those that have ended too"
    );
}

#[test]
fn a_run_that_is_followed_already_is_not_followed_twice() {
    let mut rig = watching();
    rig.text(&subscribe('a'));
    assert_eq!(rig.created(), ["find w m1.7 2"]);
    assert_eq!(rig.found(&[(8, 'a')], 8, false), [""; 0]);
}

#[test]
fn what_is_made_while_an_answer_is_on_its_way_is_looked_for_after_it() {
    let mut rig = watching();
    rig.created();
    assert_eq!(rig.created(), [""; 0]);
    assert_eq!(rig.found(&[], 8, false), ["find w m1.8 3"]);
}

#[test]
fn a_watch_ends_and_what_it_found_goes_on() {
    let mut rig = watching();
    rig.created();
    let unwatch = json!({"action": "unwatch", "watch": "w"});
    assert_eq!(rig.text(&unwatch), [""; 0]);
    assert_eq!(rig.text(&unwatch), ["error 404"]);
    assert_eq!(rig.found(&[(8, 'a')], 8, false), [""; 0]);
    assert_eq!(rig.created(), [""; 0]);
    assert_eq!(rig.text(&watch("now")), ["find w now 3"]);
}

#[test]
fn watches_have_names_and_a_limit() {
    let mut rig = watching();
    assert_eq!(rig.text(&watch("now")), ["error 409"]);
    for name in [String::new(), "w".repeat(65)] {
        let frame = json!({"action": "watch", "watch": name});
        assert_eq!(rig.text(&frame), ["error 400"]);
    }
    for n in 1..16 {
        let frame = json!({"action": "watch", "watch": format!("w{n}")});
        assert!(!rig.text(&frame).contains(&"error 429".to_owned()));
    }
    let frame = json!({"action": "watch", "watch": "one more"});
    assert_eq!(rig.text(&frame), ["error 429"]);
}

#[test]
fn a_finite_connection_closes_when_nothing_is_left_to_follow() {
    let mut rig = Rig::new(|config| {
        config.single = false;
        config.finite = true;
    });
    let chosen = |watch| Input::Choose {
        manner: Manner::default(),
        executions: vec![(id('a'), Position::Earliest), (id('b'), Position::Earliest)],
        watch,
        filter: Filter::default(),
    };
    assert_eq!(rig.feed(chosen(None)), ["open a", "open b"]);
    rig.opened('a', 1, 1);
    assert_eq!(rig.last_page('a', 1).last().unwrap(), "drop a");
    assert_eq!(rig.refused('b', 404), ["error b 404", "close Done"]);
}

fn windowed(events: u64) -> Value {
    let mut frame = subscribe('a');
    frame["window"] = events.into();
    frame
}

fn ack(seq: u64) -> Value {
    json!({"action": "ack", "execution_id": "a", "seq": seq})
}

#[test]
fn no_more_is_sent_than_the_window_has_room_for() {
    let mut rig = many();
    rig.text(&windowed(2));
    assert_eq!(rig.opened('a', 1, 9)[1], "read a 0 2");
    assert_eq!(rig.page('a', 1..=2), ["a1", "a2"]);
    assert_eq!(rig.written(), [""; 0]);
    assert_eq!(rig.grown('a', 10), [""; 0]);
    assert_eq!(rig.text(&ack(1)), ["read a 2 1"]);
    assert_eq!(rig.page('a', [3]), ["a3"]);
    rig.written();
    assert_eq!(rig.text(&ack(3)), ["read a 3 2"]);
    assert_eq!(rig.page('a', 4..=5), ["a4", "a5"]);
    rig.written();
    assert_eq!(rig.text(&ack(3)), [""; 0], "said before");
}

#[test]
fn a_window_of_one_run_holds_no_other_up() {
    let mut rig = many();
    rig.text(&windowed(1));
    rig.text(&subscribe('b'));
    rig.opened('a', 1, 9);
    rig.opened('b', 1, 4);
    rig.page('a', [1]);
    assert_eq!(rig.page('b', 1..=3), ["b1", "b2", "b3"]);
    assert_eq!(rig.written(), ["read b 3 3"]);
}

#[test]
fn a_window_that_is_none_is_refused() {
    let mut rig = many();
    for events in [0, 100_001] {
        assert_eq!(rig.text(&windowed(events)), ["error 400"]);
    }
    assert_eq!(rig.text(&ack(1)), ["error a 404"]);
}
