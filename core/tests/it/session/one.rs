//! A connection for one execution.

use std::time::Duration;

use serde_json::json;
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::fidelity::Manner;
use stepcast_core::filter::Filter;
use stepcast_core::id::Cursor;
use stepcast_core::session::{Input, Session, SessionConfig};
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, Stored, id, subscribe, unsubscribe};

#[test]
fn the_hello_comes_first_and_then_the_log_page_by_page() {
    let (mut rig, said) = Rig::following("", 1, 5);
    assert_eq!(said, ["hello a 5 1", "read a 0 3"]);
    assert_eq!(rig.session.epoch(&id('a')), Some(1));
    assert_eq!(rig.page('a', 1..=3), ["a1", "a2", "a3"]);
    assert_eq!(rig.written(), ["read a 3 3"]);
    assert_eq!(rig.page('a', 4..=5), ["a4", "a5"]);
    assert_eq!(
        rig.written(),
        [""; 0],
        "at the tail there is nothing to read"
    );
    assert_eq!(rig.grown('a', 6), ["read a 5 3"]);
}

#[test]
fn a_session_that_has_said_all_is_a_cursor_and_nothing_else_is() {
    let (mut rig, _) = Rig::following("", 1, 2);
    assert_eq!(rig.session.rest(), None, "a read is under way");
    rig.page('a', 1..=2);
    assert_eq!(rig.session.rest(), None, "the socket has not taken it");
    rig.written();
    assert_eq!(rig.session.rest(), Some((&id('a'), 2, Manner::default())));
    let config = SessionConfig {
        page: 3,
        single: true,
        ..SessionConfig::default()
    };
    let cursor = Cursor { epoch: 1, seq: 2 };
    rig.session = Session::resumed(config, rig.now, id('a'), cursor, (Manner::default(), 2));
    assert_eq!(rig.said(), ["read a 2 3"], "no second hello");
    assert_eq!(rig.session.rest(), None);
    assert_eq!(rig.page('a', 3..=3), ["a3"]);
    assert_eq!(rig.written(), [""; 0]);
    assert_eq!(rig.session.rest(), Some((&id('a'), 3, Manner::default())));
    assert_eq!(rig.text(&json!({"action": "ping"})), ["pong"]);
    assert_eq!(rig.grown('a', 4), ["read a 3 3"]);
    assert_eq!(
        rig.last_page('a', 4),
        ["a4", "closed a 4 complete", "drop a", "close Done"]
    );
    assert_eq!(rig.session.rest(), None);

    let mut rig = Rig::new(|_| {});
    let steps = Filter {
        steps: vec!["even".into()],
        ..Filter::default()
    };
    rig.subscribe('a', "", steps);
    rig.opened('a', 1, 1);
    rig.page('a', 1..=1);
    rig.written();
    assert_eq!(rig.session.rest(), None, "a filter is more than a cursor");
}

#[test]
fn no_page_is_read_before_the_last_one_is_written() {
    let (mut rig, _) = Rig::following("", 1, 9);
    assert_eq!(rig.page('a', 1..=3).len(), 3);
    for last in 10..20 {
        assert_eq!(rig.grown('a', last), [""; 0]);
    }
    assert_eq!(rig.written(), ["read a 3 3"]);
    assert_eq!(rig.written(), [""; 0], "nor two at a time");
}

#[test]
fn what_grows_while_a_page_is_read_is_not_forgotten() {
    let (mut rig, _) = Rig::following("", 1, 0);
    assert_eq!(rig.grown('a', 1), [""; 0], "the read under way may see it");
    assert_eq!(
        rig.page('a', []),
        ["read a 0 3"],
        "and where it did not, the next does"
    );
    assert_eq!(rig.page('a', [1]), ["a1"]);
    assert_eq!(rig.written(), [""; 0]);
}

#[test]
fn an_end_that_comes_after_the_last_event_is_looked_for() {
    let (mut rig, _) = Rig::following("1.4", 1, 4);
    assert_eq!(rig.page('a', []), [""; 0]);
    assert_eq!(rig.grown('a', 4), ["read a 4 3"]);
    let said = rig.feed(Input::Page {
        execution_id: id('a'),
        records: Vec::new(),
        gap: None,
        ended: Some((4, EndReason::Interrupted)),
    });
    assert_eq!(said, ["closed a 4 interrupted", "drop a", "close Done"]);
}

#[test]
fn the_end_is_said_once_and_closes_the_connection() {
    let (mut rig, _) = Rig::following("", 1, 1);
    rig.session.handle(
        rig.now,
        Input::Page {
            execution_id: id('a'),
            records: vec![Stored('a', 1, "pipeline_complete")],
            gap: None,
            ended: Some((1, EndReason::Complete)),
        },
    );
    assert_eq!(
        rig.session.epoch(&id('a')),
        Some(1),
        "for the last event's id"
    );
    assert_eq!(
        rig.written(),
        ["a1", "closed a 1 complete", "drop a", "close Done"]
    );
    assert_eq!(rig.session.epoch(&id('a')), None);
    assert_eq!(rig.grown('a', 2), [""; 0]);
    assert_eq!((rig.pass(Duration::from_secs(60)), rig.due), (vec![], None));
}

#[test]
fn a_subscription_begins_where_it_asks() {
    assert_eq!(Rig::following("1.3", 1, 5).1[1], "read a 3 3");
    assert_eq!(Rig::following("earliest", 1, 5).1[1], "read a 0 3");
    assert_eq!(Rig::following("now", 1, 5).1[1], "read a 5 3");
}

#[test]
fn a_cursor_of_another_epoch_is_told_and_begins_anew() {
    let (_, said) = Rig::following("7.3", 1, 5);
    assert_eq!(said, ["hello a 5 1", "gap a 1 3 epoch 1", "read a 0 3"]);
    let (_, said) = Rig::following("7.900", 1, 5);
    assert_eq!(
        said[1], "gap a 1 900 epoch 1",
        "past the end of the new log, too"
    );
}

#[test]
fn a_cursor_past_the_end_is_refused() {
    let (_, said) = Rig::following("1.6", 1, 5);
    assert_eq!(said, ["error a 400", "drop a", "close InvalidCursor"]);
}

#[test]
fn an_execution_that_is_not_there_is_refused() {
    for (status, code) in [
        (404, "NotFound"),
        (403, "Policy"),
        (503, "TryLater"),
        (500, "Error"),
    ] {
        let mut rig = Rig::new(|_| {});
        rig.subscribe('a', "", Filter::default());
        assert_eq!(
            rig.refused('a', status),
            [format!("error a {status}"), format!("close {code}")]
        );
    }
    let (mut rig, _) = Rig::following("", 1, 5);
    assert_eq!(
        rig.refused('a', 500),
        ["error a 500", "drop a", "close Error"],
        "nor one that goes away"
    );
}

#[test]
fn what_retention_dropped_is_announced_before_what_is_left() {
    let (mut rig, _) = Rig::following("1.2", 5, 6);
    let said = rig.feed(Input::Page {
        execution_id: id('a'),
        records: vec![Stored('a', 5, "x"), Stored('a', 6, "x")],
        gap: Some((3, 4)),
        ended: None,
    });
    assert_eq!(said, ["gap a 3 4 retention", "a5", "a6"]);
}

#[test]
fn a_page_with_a_hole_in_it_is_never_silent() {
    let (mut rig, _) = Rig::following("", 1, 9);
    let said = rig.page('a', [2, 2, 1, 4]);
    assert_eq!(
        said,
        ["gap a 1 1 retention", "a2", "gap a 3 3 retention", "a4"]
    );
    rig.written();
    let said = rig.feed(Input::Page {
        execution_id: id('a'),
        records: Vec::new(),
        gap: None,
        ended: Some((9, EndReason::Complete)),
    });
    assert_eq!(said[..2], ["gap a 5 9 retention", "closed a 9 complete"]);
}

#[test]
fn what_the_filter_holds_back_is_no_gap_and_waits_for_nobody() {
    let mut rig = Rig::new(|_| {});
    let filter = Filter {
        types: vec![EventType::StepProgress],
        steps: vec!["even".into()],
        ..Filter::default()
    };
    rig.subscribe('a', "", filter);
    rig.opened('a', 1, 9);
    assert_eq!(
        rig.page('a', [1]),
        ["read a 1 3"],
        "nothing is sent, so nothing is to be written"
    );
    assert_eq!(rig.page('a', 2..=4), ["a2", "a4"]);
    rig.written();
    assert_eq!(
        rig.last_page('a', 9)[1..3],
        ["a9", "closed a 9 complete"],
        "the end always passes"
    );
}

#[test]
fn a_ping_goes_out_only_where_nothing_else_does() {
    let heartbeat = Duration::from_secs(15);
    let (mut rig, _) = Rig::following("", 1, 3);
    assert_eq!(rig.due, Some(rig.now + heartbeat));
    rig.pass(Duration::from_secs(10));
    rig.page('a', 1..=3);
    assert_eq!(
        rig.due,
        Some(rig.now + heartbeat),
        "an event is a sign of life"
    );
    assert_eq!(
        rig.pass(heartbeat),
        [""; 0],
        "and so is a socket that is still at it"
    );
    rig.written();
    for _ in 0..3 {
        assert_eq!(rig.pass(Duration::from_millis(14_999)), [""; 0]);
        assert_eq!(rig.pass(Duration::from_millis(1)), ["ping"]);
    }
    assert_eq!(rig.text(&json!({"action": "ping"})), ["pong"]);
    assert_eq!(rig.due, Some(rig.now + heartbeat));
}

#[test]
fn a_server_that_goes_says_so_and_closes() {
    let (mut rig, _) = Rig::following("", 1, 3);
    let said = rig.feed(Input::GoingAway { retry_ms: 700 });
    assert_eq!(said, ["goaway restart", "drop a", "close GoingAway"]);
    assert_eq!(rig.page('a', 1..=3), [""; 0]);
}

#[test]
fn a_connection_for_one_takes_no_other() {
    let (mut rig, _) = Rig::following("", 1, 0);
    assert_eq!(rig.text(&subscribe('b')), ["error b 400"]);
    assert_eq!(rig.text(&unsubscribe('b')), ["error b 404"]);
    rig.page('a', []);
    assert_eq!(rig.text(&unsubscribe('a')), ["drop a", "close Done"]);
}
