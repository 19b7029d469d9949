//! Long polls: one conversation over many requests.

use serde_json::{Value, json};
use stepcast_core::client::{Config, State, Transport, WaitReason};
use stepcast_core::control::EndReason;
use stepcast_core::event::EventType;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, event, secs};

fn polling(config: &mut Config) {
    config.transports = vec![Transport::LongPoll];
}

fn page(seqs: std::ops::RangeInclusive<u64>, next: u64, last_seq: u64) -> Value {
    let events: Vec<Value> = seqs.map(event).collect();
    json!({"execution_id": "run_1", "epoch": 1, "earliest": 1, "last_seq": last_seq,
        "events": events, "next": format!("1.{next}")})
}

#[expect(clippy::reversed_empty_ranges, reason = "no events")]
fn empty(last_seq: u64) -> Value {
    page(1..=0, last_seq, last_seq)
}

#[test]
fn each_answer_is_followed_by_the_next_request_at_once() {
    let mut rig = Rig::dialled(polling);
    let wait = |rig: &Rig| rig.dials().last().unwrap().wait;
    assert_eq!(
        wait(&rig),
        secs(0),
        "the first is answered at once, whatever there is"
    );
    rig.text(&page(1..=2, 2, 3));
    let transport = Transport::LongPoll;
    assert_eq!(
        rig.client.state(),
        State::CatchingUp {
            transport,
            until: 3
        }
    );
    assert_eq!((rig.dials().len(), wait(&rig)), (2, secs(25)));
    rig.text(&page(3..=3, 3, 3));
    assert_eq!(rig.client.state(), State::Live { transport });
    for _ in 0..10 {
        rig.pass(secs(25));
        rig.text(&empty(3));
    }
    assert_eq!((rig.dials().len(), rig.client.counters().resumes), (13, 0));
    assert_eq!(rig.delivered(), "1, 2, 3");
    let mut last = page(4..=4, 4, 4);
    last["closed"] = json!({"last_seq": 4, "reason": "failed"});
    rig.text(&last);
    assert_eq!(
        rig.client.state(),
        State::Ended {
            reason: EndReason::Failed
        }
    );
    assert_eq!(rig.dials().len(), 13);
}

#[test]
fn a_server_that_does_not_hold_its_answers_is_not_hammered() {
    let mut rig = Rig::dialled(polling);
    let end = rig.now + secs(60);
    while rig.now < end {
        let asked = rig.generation;
        rig.text(&empty(0));
        if rig.generation == asked {
            let due = rig.due.unwrap();
            rig.pass(due.since(rig.now));
        }
    }
    assert!(rig.dials().len() < 20, "{}", rig.dials().len());
    assert!(matches!(rig.client.state(), State::Live { .. }));
}

#[test]
fn an_answer_that_never_comes_is_stale_and_a_failure_is_waited_out() {
    let mut rig = Rig::dialled(polling);
    rig.text(&empty(0));
    rig.pass(secs(29));
    assert!(matches!(rig.client.state(), State::Live { .. }));
    rig.pass(secs(1));
    assert!(matches!(
        rig.client.state(),
        State::Waiting {
            reason: WaitReason::Stale,
            ..
        }
    ));
    rig.redial();
    assert_eq!(
        rig.dials().last().unwrap().wait,
        secs(0),
        "and the next is short again"
    );
    rig.http(500, None);
    assert!(matches!(
        rig.client.state(),
        State::Waiting {
            reason: WaitReason::Broken,
            ..
        }
    ));
}

#[test]
fn a_page_with_a_hole_is_fetched_again_and_then_given_up() {
    let mut rig = Rig::dialled(polling);
    let mut holed = page(1..=4, 4, 4);
    holed["events"].as_array_mut().unwrap().remove(2);
    rig.text(&holed);
    assert_eq!(rig.delivered(), "1, 2");
    rig.redial();
    holed["events"].as_array_mut().unwrap().drain(..2);
    rig.text(&holed);
    assert_eq!(rig.delivered(), "1, 2, 3-3 Transport, 4");
    rig.text(&page(5..=5, 7, 7));
    rig.redial();
    rig.text(&empty(7));
    assert_eq!(
        rig.delivered(),
        "1, 2, 3-3 Transport, 4, 5, 6-7 Transport",
        "`next` counts"
    );
}

#[test]
fn a_page_announces_what_retention_and_a_recreated_log_took() {
    let mut rig = Rig::dialled(polling);
    let mut late = page(5..=5, 5, 5);
    late["gap"] = json!({"from": 1, "to": 4, "reason": "retention"});
    rig.text(&late);
    let mut anew = page(1..=1, 1, 1);
    anew["epoch"] = 2.into();
    anew["next"] = "2.1".into();
    anew["gap"] = json!({"from": 1, "to": 5, "reason": "epoch", "epoch": 2});
    rig.text(&anew);
    assert_eq!(rig.delivered(), "1-4 Retention, 5, reset 2, 1");
}

#[test]
fn with_a_filter_the_page_says_how_far_it_went() {
    let mut rig = Rig::dialled(|config| {
        polling(config);
        config.filter.types = vec![EventType::StepProgress];
    });
    rig.text(&page(3..=3, 90, 90));
    assert!(matches!(rig.client.state(), State::Live { .. }));
    assert_eq!(
        rig.dials().last().unwrap().path(),
        "/api/executions/run_1/events?after=1.90&wait_ms=25000&type=step_progress"
    );
    assert_eq!(rig.delivered(), "3");
}

#[test]
fn what_is_no_page_is_asked_for_again() {
    let mut rig = Rig::dialled(polling);
    rig.text(&json!({"hello": "I am a proxy"}));
    assert!(matches!(
        rig.client.state(),
        State::Waiting {
            reason: WaitReason::Broken,
            ..
        }
    ));
    assert_eq!(rig.client.counters().corrupt, 1);
}
