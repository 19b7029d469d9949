//! How much a subscriber is told, in virtual time: what is left out is no loss, and no cursor means another place by it.

use std::time::Duration;

use serde_json::json;
use stepcast_core::control::EndReason;
use stepcast_core::fidelity::{Manner, WhenSlow};
use stepcast_core::filter::Filter;
use stepcast_core::id::{Cursor, Seq};
use stepcast_core::session::{Input, Session, SessionConfig};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, Stored, id};

fn manner(fidelity: &str, when_slow: WhenSlow) -> Manner {
    Manner {
        fidelity: fidelity.parse().unwrap(),
        when_slow,
    }
}

/// A session that follows run `a`, whose log holds so many events.
fn told(fidelity: &str, when_slow: WhenSlow, after: &str, last_seq: Seq) -> (Rig, Vec<String>) {
    let mut rig = Rig::new(|config| config.page = 2000);
    rig.feed(Input::Subscribe {
        execution_id: id('a'),
        after: after.parse().unwrap(),
        filter: Filter::default(),
        pace: None,
        manner: manner(fidelity, when_slow),
    });
    let said = rig.opened('a', 1, last_seq);
    (rig, said)
}

fn typed(rig: &mut Rig, first: Seq, types: &[&'static str]) -> Vec<String> {
    let records = (first..).zip(types);
    rig.feed(Input::Page {
        execution_id: id('a'),
        records: records.map(|(seq, it)| Stored('a', seq, it)).collect(),
        gap: None,
        ended: None,
    })
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn tokens_gather_until_their_time_has_come_and_are_read_again_then() {
    let (mut rig, _) = told("coalesced", WhenSlow::Lag, "", 0);
    rig.page('a', []);
    let none: [&str; 0] = [];
    assert_eq!(rig.grown('a', 2), ["read a 0 2000"]);
    assert_eq!(rig.page('a', 1..=2), none, "more may come");
    assert_eq!(rig.pass(SECOND / 2), none);
    assert_eq!(rig.grown('a', 5), ["read a 0 2000"]);
    assert_eq!(rig.page('a', 1..=5), none);
    assert_eq!(
        rig.pass(SECOND / 2),
        ["read a 0 2000"],
        "a second since the first"
    );
    assert_eq!(rig.page('a', 1..=5), ["a5 from 1"]);
    rig.written();
    assert!(rig.session.rest().is_some(), "nothing is held");
    assert_eq!(rig.grown('a', 6), ["read a 5 2000"]);
    assert_eq!(rig.page('a', 6..=6), none);
    assert!(rig.session.rest().is_none(), "an event waits");
}

#[test]
fn what_is_no_token_comes_at_once_with_what_was_gathered() {
    let (mut rig, _) = told("coalesced:60000", WhenSlow::Lag, "", 0);
    rig.page('a', []);
    rig.grown('a', 2);
    rig.page('a', 1..=2);
    rig.grown('a', 3);
    let types = ["step_progress", "step_progress", "step_output"];
    assert_eq!(typed(&mut rig, 1, &types), ["a2 from 1", "a3"]);
    rig.written();
    // a page that is not the last one waits for nothing
    rig.grown('a', 9);
    assert_eq!(rig.page('a', 4..=6), ["a6 from 4"]);
    rig.written();
    // nor does the last one of a run
    rig.page('a', 7..=9);
    rig.grown('a', 10);
    let ended = rig.feed(Input::Page {
        execution_id: id('a'),
        records: (7..=9)
            .map(|seq| Stored('a', seq, "step_progress"))
            .chain([Stored('a', 10, "pipeline_error")])
            .collect(),
        gap: None,
        ended: Some((10, EndReason::Failed)),
    });
    assert_eq!(
        ended,
        [
            "a9 from 7",
            "a10",
            "closed a 10 failed",
            "drop a",
            "close Done"
        ]
    );
}

#[test]
fn a_step_that_begins_and_ends_is_all_that_steps_tell() {
    let (mut rig, said) = told("steps", WhenSlow::Lag, "1.1", 6);
    assert_eq!(said.last().unwrap(), "read a 1 2000");
    let types = [
        "step_start",
        "step_progress",
        "step_output",
        "checkpoint_saved",
        "later",
    ];
    assert_eq!(typed(&mut rig, 2, &types), ["a2 abridged true"]);
    rig.written();
    let rest = rig.session.rest().map(|(_, seq, manner)| (seq, manner));
    assert_eq!(rest, Some((6, manner("steps", WhenSlow::Lag))));
    assert_eq!(rig.pass(15 * SECOND), ["place a 1.6", "ping"]);
    rig.grown('a', 8);
    let types = ["step_error", "step_complete"];
    assert_eq!(
        typed(&mut rig, 7, &types),
        ["a7 abridged true", "a8 abridged true"]
    );
}

#[test]
fn a_snapshot_stands_for_the_past_and_what_follows_comes_one_by_one() {
    let (mut rig, said) = told("snapshot", WhenSlow::Lag, "", 4);
    assert_eq!(said, ["hello a 4 1", "view a"]);
    let viewed = |seq| Input::Viewed {
        execution_id: id('a'),
        seq,
        view: json!({"status": "running"}),
    };
    // the view may go further than the log did when it was opened
    assert_eq!(rig.feed(viewed(5)), ["snapshot a 1.5"]);
    assert_eq!(rig.feed(viewed(5)), [""; 0], "once");
    assert_eq!(rig.written(), ["read a 5 2000"]);
    assert_eq!(rig.page('a', 6..=7), ["a6", "a7"]);
    rig.written();
    rig.page('a', []);
    let rest = rig.session.rest().map(|(_, seq, manner)| (seq, manner));
    assert_eq!(
        rest,
        Some((7, Manner::default())),
        "like any other from now on"
    );
    // who comes back has the past already
    let (_, said) = told("snapshot", WhenSlow::Lag, "1.3", 4);
    assert_eq!(said, ["hello a 4 1", "read a 3 2000"]);
    let (_, said) = told("snapshot", WhenSlow::Lag, "now", 4);
    assert_eq!(said, ["hello a 4 1", "read a 4 2000"]);
    // whose log is gone has none
    let (_, said) = told("snapshot", WhenSlow::Lag, "0.3", 4);
    assert_eq!(said, ["hello a 4 1", "gap a 1 3 epoch 1", "view a"]);
}

#[test]
fn who_is_slow_is_told_less_until_it_has_caught_up() {
    let (mut rig, _) = told("full", WhenSlow::Degrade, "", 1500);
    // the past is no reason to tell less of it
    assert_eq!(rig.page('a', 1..=1500).len(), 1500);
    rig.grown('a', 1510);
    assert_eq!(rig.written(), ["read a 1500 2000"]);
    assert_eq!(rig.page('a', 1501..=1510).len(), 10);
    // a socket that has not taken that, while the run goes far ahead
    rig.grown('a', 3000);
    assert_eq!(rig.written(), ["read a 1510 2000"]);
    let types = ["step_progress", "step_start", "step_progress"];
    let said = typed(&mut rig, 1511, &types);
    assert_eq!(said, ["fidelity a 1.1510 steps", "a1512 abridged true"]);
    assert_eq!(rig.written(), ["read a 1513 2000"]);
    assert!(rig.session.rest().is_none());
    let said = rig.page('a', 1514..=3000);
    assert_eq!(said, ["fidelity a 1.3000 full"], "it has caught up");
    rig.written();
    assert!(rig.session.rest().is_some());
    rig.grown('a', 3001);
    assert_eq!(rig.page('a', 3001..=3001), ["a3001"]);
}

#[test]
fn who_has_not_chosen_so_lags_and_gets_everything() {
    let (mut rig, _) = told("full", WhenSlow::Lag, "", 1);
    rig.page('a', 1..=1);
    rig.grown('a', 1600);
    rig.written();
    assert_eq!(rig.page('a', 2..=1600).len(), 1599);
}

#[test]
fn who_was_put_away_and_is_far_behind_when_it_is_taken_up_is_slow() {
    for (last_seq, first) in [(1002, "fidelity a 1.1 steps"), (1001, "a2")] {
        let mut rig = Rig::new(|_| {});
        let config = SessionConfig {
            single: true,
            ..SessionConfig::default()
        };
        let goes_on = (manner("full", WhenSlow::Degrade), last_seq);
        let cursor = Cursor { epoch: 1, seq: 1 };
        rig.session = Session::resumed(config, rig.now, id('a'), cursor, goes_on);
        assert_eq!(rig.said(), ["read a 1 1024"]);
        assert_eq!(rig.page('a', 2..=3).first().unwrap(), first);
    }
}

#[test]
fn on_a_shared_connection_each_has_its_own() {
    let mut rig = Rig::new(|config| config.single = false);
    let frame = json!({"action": "subscribe", "execution_id": "a", "fidelity": "steps"});
    assert_eq!(rig.text(&frame), ["open a"]);
    rig.opened('a', 1, 1);
    assert_eq!(rig.page('a', 1..=1), [""; 0]);
    rig.text(&json!({"action": "subscribe", "execution_id": "b"}));
    rig.opened('b', 1, 1);
    assert_eq!(rig.page('b', 1..=1), ["b1"]);
    let frame = json!({"action": "subscribe", "execution_id": "c", "fidelity": "some"});
    assert!(rig.text(&frame).concat().starts_with("error 400"));
}
