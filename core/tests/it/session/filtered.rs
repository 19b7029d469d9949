//! Filters: what they hold back is no loss, and moves the place from which a client comes back.

use std::time::Duration;

use stepcast_core::filter::Filter;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::Rig;

fn even() -> Filter {
    Filter {
        steps: vec!["even".into()],
        ..Filter::default()
    }
}

const HEARTBEAT: Duration = Duration::from_secs(15);

#[test]
fn a_place_is_told_with_the_ping_where_events_were_held_back() {
    let mut rig = Rig::new(|_| {});
    rig.subscribe('a', "", even());
    rig.opened('a', 1, 3);
    assert_eq!(rig.page('a', 1..=3), ["a2"]);
    rig.written();
    assert_eq!(rig.pass(HEARTBEAT), ["place a 1.3", "ping"]);
    assert_eq!(rig.pass(HEARTBEAT), ["ping"], "once");
    assert_eq!(rig.grown('a', 4), ["read a 3 3"]);
    assert_eq!(rig.page('a', 4..=4), ["a4"]);
    rig.written();
    assert_eq!(rig.pass(HEARTBEAT), ["ping"], "an event is a place");
}

#[test]
fn who_begins_at_a_place_is_not_told_of_it() {
    let mut rig = Rig::new(|_| {});
    rig.subscribe('a', "1.3", even());
    rig.opened('a', 1, 3);
    rig.page('a', []);
    assert_eq!(rig.pass(HEARTBEAT), ["ping"]);
    let (mut rig, _) = Rig::following("", 1, 3);
    rig.page('a', 1..=3);
    rig.written();
    assert_eq!(
        rig.pass(HEARTBEAT),
        ["ping"],
        "without a filter, every event is a place"
    );
}

#[test]
fn a_place_is_told_and_written_after_so_many_events_that_were_held_back() {
    let mut rig = Rig::new(|config| config.page = 600);
    let filter = Filter {
        steps: vec!["never".into()],
        ..Filter::default()
    };
    rig.subscribe('a', "", filter);
    rig.opened('a', 1, 5000);
    assert_eq!(rig.page('a', 1..=600), ["read a 600 600"]);
    assert_eq!(
        rig.page('a', 601..=1200),
        ["place a 1.1200"],
        "nothing more is read before the client has taken it"
    );
    assert_eq!(rig.written(), ["read a 1200 600"]);
    assert_eq!(rig.page('a', 1201..=1800), ["read a 1800 600"]);
}
