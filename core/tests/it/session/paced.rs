//! A subscription with a pace, in virtual time. Events happened one second apart.

use std::time::Duration;

use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
use stepcast_core::filter::Filter;
use stepcast_core::session::Input;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, Stored, id, unsubscribe};

impl Rig {
    /// Winds the clock to when the session wants to be called, and tells how long that took.
    fn ring(&mut self) -> (u128, Vec<String>) {
        let span = self.due.unwrap().since(self.now);
        let said = self.pass(span);
        (span.as_millis(), said)
    }

    /// The rest of what a page held, each with the time that passed before it.
    fn play(&mut self) -> Vec<(u128, Vec<String>)> {
        let mut played = Vec::new();
        while self.written().is_empty() && played.len() < 10 {
            played.push(self.ring());
        }
        played
    }

    fn page_of(&mut self, records: &[(u64, &'static str)]) -> Vec<String> {
        let records = records.iter().map(|&(seq, kind)| Stored('a', seq, kind));
        self.feed(Input::Page {
            execution_id: id('a'),
            records: records.collect(),
            gap: None,
            ended: None,
        })
    }
}

#[test]
fn events_come_as_far_apart_as_they_happened_divided_by_the_pace() {
    for (pace, gap) in [("1", 1000), ("0.5", 2000), ("2.5", 400), ("100", 10)] {
        let mut rig = Rig::paced(pace, "", 9, Filter::default());
        assert_eq!(rig.page('a', 1..=3), ["a1"], "the first one at once");
        assert_eq!(rig.written(), [""; 0], "no page while one is held");
        assert_eq!(rig.ring(), (gap, vec!["a2".to_owned()]), "{pace}");
        rig.written();
        assert_eq!(rig.ring(), (gap, vec!["a3".to_owned()]), "{pace}");
        assert_eq!(rig.written(), ["read a 3 3"]);
        assert_eq!(rig.page('a', 4..=6), [""; 0], "and so from page to page");
        assert_eq!(rig.ring(), (gap, vec!["a4".to_owned()]), "{pace}");
    }
}

#[test]
fn what_came_due_while_the_socket_was_busy_follows_at_once() {
    let mut rig = Rig::paced("1", "", 9, Filter::default());
    rig.page('a', 1..=3);
    assert_eq!(rig.pass(Duration::from_millis(2_500)), [""; 0], "busy");
    assert_eq!(rig.written(), ["a2", "a3"], "the schedule stays");
    assert_eq!(rig.written(), ["read a 3 3"]);
    rig.page('a', 4..=6);
    assert_eq!(rig.ring().0, 500);
}

#[test]
fn pings_go_on_while_an_event_waits_for_its_time() {
    let mut rig = Rig::paced("1", "", 99, Filter::default());
    rig.page_of(&[(1, "x"), (41, "x")]);
    rig.written();
    let ping = || vec!["ping".to_owned()];
    assert_eq!(
        [rig.ring(), rig.ring()],
        [(15_000, ping()), (15_000, ping())]
    );
    let said = rig.ring();
    assert_eq!((said.0, said.1.last().unwrap().as_str()), (10_000, "a41"));
}

#[test]
fn a_paced_viewer_that_has_seen_all_there_is_goes_on_live() {
    let mut rig = Rig::paced("2", "", 2, Filter::default());
    assert_eq!(rig.page('a', 1..=2), ["a1"]);
    rig.written();
    assert_eq!(rig.grown('a', 3), [""; 0]);
    assert_eq!(rig.ring(), (500, vec!["a2".to_owned()]));
    assert_eq!(rig.written(), ["read a 2 3"], "three is past by now");
    assert_eq!(rig.page('a', [3]), [""; 0]);
    assert_eq!(rig.ring(), (500, vec!["a3".to_owned()]));
    assert_eq!(rig.written(), [""; 0], "the tail");
    assert_eq!(rig.grown('a', 5), ["read a 3 3"]);
    assert_eq!(rig.page('a', 4..=5), ["a4", "a5"], "live");
}

#[test]
fn who_begins_at_the_tail_is_live_from_the_start() {
    for (after, last_seq) in [("now", 7), ("1.7", 7), ("", 0)] {
        let mut rig = Rig::paced("0.5", after, last_seq, Filter::default());
        assert_eq!(rig.page('a', []), [""; 0]);
        rig.grown('a', last_seq + 2);
        let said = rig.page('a', last_seq + 1..=last_seq + 2);
        assert_eq!(said.len(), 2, "{said:?}");
    }
}

#[test]
fn a_cursor_starts_the_clock_anew() {
    let mut rig = Rig::paced("1", "1.5", 9, Filter::default());
    assert_eq!(
        rig.page('a', 6..=8),
        ["a6"],
        "at once, and not after five seconds"
    );
    assert_eq!(rig.play()[0], (1000, vec!["a7".to_owned()]));
}

#[test]
fn the_end_comes_when_its_event_has_come() {
    let mut rig = Rig::paced("1", "", 3, Filter::default());
    let said = rig.feed(Input::Page {
        execution_id: id('a'),
        records: vec![Stored('a', 2, "x"), Stored('a', 3, "pipeline_complete")],
        gap: Some((1, 1)),
        ended: Some((3, EndReason::Complete)),
    });
    assert_eq!(said, ["gap a 1 1 retention", "a2"]);
    rig.written();
    let end = ["a3", "closed a 3 complete", "drop a", "close Done"];
    assert_eq!(rig.ring(), (1000, end.map(str::to_owned).into()));
    assert_eq!((rig.pass(Duration::from_secs(60)), rig.due), (vec![], None));
}

#[test]
fn what_the_filter_holds_back_is_not_waited_for_and_its_time_passes() {
    let filter = Filter {
        types: vec![EventType::StepProgress],
        steps: vec!["even".into()],
        ..Filter::default()
    };
    let mut rig = Rig::paced("1", "", 9, filter);
    assert_eq!(rig.page('a', [1]), ["read a 1 3"], "no wait for nothing");
    assert_eq!(rig.page('a', 2..=3), [""; 0]);
    assert_eq!(rig.ring(), (1000, vec!["a2".to_owned()]));
    assert_eq!(rig.written(), ["read a 3 3"]);
    assert_eq!(rig.page('a', 4..=5), [""; 0]);
    assert_eq!(rig.ring(), (2000, vec!["a4".to_owned()]));
}

#[test]
fn a_clock_that_was_set_back_or_is_missing_stands_for_no_time() {
    let mut rig = Rig::paced("1", "", 99, Filter::default());
    assert_eq!(
        rig.page_of(&[
            (9, "x"),
            (10, "timeless"),
            (11, "clock set back"),
            (12, "x")
        ])[1..],
        ["a9", "a10", "a11"].map(String::from)[..]
    );
    rig.written();
    assert_eq!(rig.ring().0, 12_000, "from where the clock stood then");
    let mut rig = Rig::paced("1", "", 99, Filter::default());
    assert_eq!(rig.page_of(&[(1, "timeless"), (2, "timeless")]).len(), 2);
}

#[test]
fn leaving_a_paced_run_leaves_nothing_behind() {
    let mut rig = Rig::paced("1", "", 9, Filter::default());
    rig.page('a', 1..=3);
    rig.written();
    assert_eq!(rig.text(&unsubscribe('a')), ["drop a", "close Done"]);
    assert_eq!(rig.pass(Duration::from_secs(9)), [""; 0]);
    let mut rig = Rig::paced("1", "", 9, Filter::default());
    rig.page('a', 1..=3);
    rig.written();
    let said = rig.feed(Input::GoingAway { retry_ms: 700 });
    assert_eq!(said, ["goaway restart", "drop a", "close GoingAway"]);
}
