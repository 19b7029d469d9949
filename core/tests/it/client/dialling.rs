//! When the machine dials, by what, and when it stops.

use std::time::Duration;

use stepcast_core::client::{
    Config, ConnectionEnd, Generation, Input, Output, State, Transport, WaitReason,
};
use stepcast_core::control::EndReason;
use stepcast_core::id::{Cursor, Position};
use stepcast_core::time::Time;
use stepcast_core::wire::close;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use super::{Rig, closed, secs};
use crate::sim::link::Weather;
use crate::sim::{Happening, World};

fn pinned(config: &mut Config) {
    config.transports = vec![Transport::WebSocket];
}

pub(super) fn wait_reason(rig: &Rig) -> WaitReason {
    let State::Waiting { reason, .. } = rig.client.state() else {
        panic!("{:?}", rig.client.state());
    };
    reason
}

#[test]
fn back_off_is_reset_by_an_event_and_not_by_an_open_connection() {
    let mut longest = Duration::ZERO;
    for seed in 0..50 {
        let mut rig = Rig::dialled(|config| {
            pinned(config);
            config.seed = seed;
        });
        for _ in 0..8 {
            rig.hello(1, 0);
            rig.broken();
            longest = rig.redial().max(longest);
        }
        assert!(matches!(
            rig.client.state(),
            State::Connecting { attempt: 9, .. }
        ));
        rig.hello(1, 1);
        rig.event(1);
        rig.broken();
        assert!(rig.redial() <= Duration::from_millis(500));
        assert!(matches!(
            rig.client.state(),
            State::Connecting { attempt: 1, .. }
        ));
    }
    assert!(longest > secs(15) && longest <= secs(20), "{longest:?}");
}

#[test]
fn a_server_that_accepts_and_closes_is_not_hammered() {
    let (mut first_minute, mut next_ten) = (0, 0);
    for seed in 0..20 {
        let mut rig = Rig::dialled(|config| {
            config.transports = vec![Transport::WebSocket];
            config.seed = seed;
        });
        while rig.now <= Time::from_millis(11 * 60_000) {
            rig.hello(1, 0);
            rig.broken();
            rig.redial();
            if rig.now <= Time::from_millis(61_000) {
                first_minute += 1;
            } else {
                next_ten += 1;
            }
        }
    }
    assert!(
        first_minute / 20 <= 12,
        "{} in the first minute",
        first_minute / 20
    );
    assert!(next_ten / 20 / 10 <= 8, "{} a minute later", next_ten / 200);
}

#[test]
fn a_quiet_connection_that_was_healthy_is_replaced_at_once() {
    let mut rig = Rig::dialled(pinned);
    for _ in 0..6 {
        rig.hello(1, 0);
        rig.broken();
        rig.redial();
    }
    rig.hello(1, 0);
    rig.pass(secs(16));
    rig.broken();
    assert!(rig.redial() <= Duration::from_millis(500));
}

#[test]
fn no_first_byte_leads_down_the_ladder_and_says_so() {
    let mut rig = Rig::dialled(|_| {});
    assert_eq!(rig.transport(), Transport::WebSocket);
    rig.pass(Duration::from_millis(4_999));
    assert_eq!(
        rig.client.state(),
        State::Connecting {
            transport: Transport::WebSocket,
            attempt: 1
        }
    );
    rig.pass(Duration::from_millis(1));
    assert!(rig.said.contains(&Output::Hangup(Generation(1))));
    assert_eq!(wait_reason(&rig), WaitReason::Blocked);
    assert!(rig.redial() <= Duration::from_millis(500));
    assert_eq!(rig.transport(), Transport::Sse);
    rig.pass(secs(5));
    rig.redial();
    assert_eq!(rig.transport(), Transport::LongPoll);
    rig.pass(secs(5));
    rig.redial();
    assert_eq!(rig.transport(), Transport::WebSocket, "and round again");
}

#[test]
fn a_web_socket_that_closes_twice_before_the_hello_is_given_up_for_sse() {
    let mut rig = Rig::dialled(|_| {});
    rig.broken();
    assert_eq!(wait_reason(&rig), WaitReason::Broken);
    rig.redial();
    assert_eq!(rig.transport(), Transport::WebSocket);
    rig.broken();
    assert_eq!(wait_reason(&rig), WaitReason::Blocked);
    rig.redial();
    assert_eq!(rig.transport(), Transport::Sse);
}

#[test]
fn a_lower_rung_is_left_for_the_top_after_a_while_and_found_again() {
    let mut rig = Rig::dialled(|_| {});
    rig.pass(secs(5));
    rig.redial();
    rig.feed(Input::Bytes(
        rig.generation,
        format!("data: {}\n\n", super::hello(1, 0)).as_bytes(),
    ));
    assert_eq!(
        rig.client.state(),
        State::Live {
            transport: Transport::Sse
        }
    );
    for _ in 0..30 {
        rig.pass(secs(10));
        rig.feed(Input::Bytes(rig.generation, b": ping\n"));
    }
    assert_eq!(
        rig.transport(),
        Transport::Sse,
        "what works is not torn down"
    );
    rig.closed(ConnectionEnd::Broken);
    rig.redial();
    assert_eq!(
        rig.transport(),
        Transport::WebSocket,
        "but the next dial tries the top"
    );
    rig.broken();
    rig.redial();
    assert_eq!(rig.transport(), Transport::Sse, "once");
}

#[test]
fn a_server_that_restarts_does_not_lead_down_the_ladder_at_once() {
    let mut rig = Rig::open(|_| {});
    for _ in 0..3 {
        rig.broken();
        rig.redial();
    }
    assert_eq!(rig.transport(), Transport::WebSocket);
}

#[test]
fn what_the_server_asks_for_is_added_to_the_delay() {
    for status in [429, 503] {
        let mut rig = Rig::dialled(|_| {});
        rig.http(status, Some(secs(7)));
        assert_eq!(wait_reason(&rig), WaitReason::Busy);
        let waited = rig.redial();
        assert!(
            waited >= secs(7) && waited <= Duration::from_millis(7_500),
            "{waited:?}"
        );
    }
    let mut rig = Rig::dialled(|config| config.transports = vec![Transport::Sse]);
    rig.feed(Input::Bytes(rig.generation, b"retry: 3000\n\n"));
    rig.closed(ConnectionEnd::Broken);
    assert!(rig.redial() >= secs(3));
    let mut rig = Rig::dialled(|_| {});
    rig.http(503, Some(secs(1_000_000)));
    assert!(
        rig.redial() <= secs(3601),
        "but nobody is sent away for ever"
    );
}

#[test]
fn goaway_is_followed_to_the_millisecond() {
    let mut rig = Rig::open(|_| {});
    rig.text(&serde_json::json!({"control": "goaway", "retry_ms": 2345}));
    assert_eq!(rig.said[0], Output::Hangup(Generation(1)));
    assert_eq!(wait_reason(&rig), WaitReason::ServerRestart);
    rig.feed(Input::Woken);
    assert_eq!(
        rig.redial(),
        Duration::from_millis(2345),
        "waking does not shorten it"
    );
}

#[test]
fn final_statuses_stop_the_machine_and_others_do_not() {
    for status in [400, 401, 403, 404, 410] {
        let mut rig = Rig::dialled(|_| {});
        rig.http(status, None);
        assert_eq!(
            (rig.client.state(), rig.due),
            (State::Refused { status }, None)
        );
        rig.feed(Input::Woken);
        rig.pass(secs(3600));
        assert_eq!(rig.dials().len(), 1);
        rig.feed(Input::Retry);
        assert_eq!(rig.dials().len(), 2, "unless somebody asks");
    }
    for status in [301, 405, 408, 425, 426, 429, 500, 502, 503, 504] {
        let mut rig = Rig::dialled(|_| {});
        rig.http(status, None);
        rig.redial();
        assert_eq!(rig.dials().len(), 2, "{status}");
    }
}

#[test]
fn http_204_says_that_there_is_no_more() {
    let mut rig = Rig::dialled(|config| config.transports = vec![Transport::Sse]);
    rig.http(204, None);
    let reason = EndReason::Unknown;
    assert_eq!(
        (rig.client.state(), rig.due),
        (State::Ended { reason }, None)
    );
    rig.feed(Input::Retry);
    assert_eq!(rig.dials().len(), 1);
}

#[test]
fn close_codes_say_whether_to_come_back() {
    for code in (1000..1016).chain([3000, 3001, 3499, 3500, 3501, 3999, 4000]) {
        let mut rig = Rig::open(|_| {});
        rig.closed(ConnectionEnd::WebSocket { code });
        if close::comes_back(code) || code == 1000 {
            rig.redial();
            assert_eq!(rig.dials().len(), 1, "{code}");
        } else {
            let status = close::status(code);
            assert_eq!(
                (rig.client.state(), rig.due),
                (State::Refused { status }, None),
                "{code}"
            );
        }
    }
    let mut rig = Rig::open(|_| {});
    rig.closed(ConnectionEnd::WebSocket { code: 1012 });
    assert_eq!(wait_reason(&rig), WaitReason::ServerRestart);
    let mut rig = Rig::open(|_| {});
    rig.closed(ConnectionEnd::WebSocket { code: 1013 });
    assert_eq!(wait_reason(&rig), WaitReason::Busy);
}

#[test]
fn an_error_frame_gives_the_status_that_a_browser_cannot_see() {
    let refused = |status: u16| serde_json::json!({"control": "error", "execution_id": "run_1", "status": status, "message": "no"});
    let mut rig = Rig::dialled(|_| {});
    rig.text(&refused(404));
    assert_eq!(rig.client.state(), State::Refused { status: 404 });
    rig.closed(ConnectionEnd::WebSocket { code: 3501 });
    assert_eq!(rig.client.state(), State::Refused { status: 404 });
    let mut rig = Rig::dialled(|_| {});
    rig.text(&refused(503));
    assert_eq!(wait_reason(&rig), WaitReason::Busy);
}

#[test]
fn the_end_is_final() {
    let mut rig = Rig::open(|_| {});
    rig.text(&closed(0));
    let ended = State::Ended {
        reason: EndReason::Complete,
    };
    assert_eq!(
        rig.take(),
        [Output::Hangup(Generation(1)), Output::State(ended)]
    );
    for input in [
        Input::Start,
        Input::Retry,
        Input::Woken,
        Input::Offline,
        Input::Stop,
        Input::Tick,
    ] {
        rig.feed(input);
        assert_eq!((rig.client.state(), rig.due), (ended, None));
    }
    assert_eq!(rig.take(), []);
    let mut rig = Rig::open(|_| {});
    rig.feed(Input::Stop);
    assert_eq!(
        rig.take(),
        [Output::Hangup(Generation(1)), Output::State(State::Stopped)]
    );
    rig.feed(Input::Retry);
    rig.event(1);
    assert_eq!((rig.take(), rig.due), (vec![], None));
}

#[test]
fn a_1000_without_a_word_is_no_end_but_after_the_terminal_event_it_is() {
    let mut rig = Rig::open(|_| {});
    rig.closed(ConnectionEnd::WebSocket { code: 1000 });
    assert_eq!(wait_reason(&rig), WaitReason::Broken);
    let mut rig = Rig::open(|_| {});
    let mut last = super::event(1);
    last["event_type"] = "pipeline_error".into();
    last["data"] = serde_json::json!({"reason": "cancelled"});
    rig.text(&last);
    rig.closed(ConnectionEnd::WebSocket { code: 1000 });
    assert_eq!(
        rig.client.state(),
        State::Ended {
            reason: EndReason::Cancelled
        }
    );
}

#[test]
fn each_dial_begins_at_the_cursor() {
    let mut rig = Rig::open(pinned);
    rig.event(1);
    rig.event(2);
    rig.broken();
    rig.redial();
    let after = Position::After(Cursor { epoch: 1, seq: 2 });
    assert_eq!(rig.dials()[0].after, after);
    assert_eq!(rig.client.cursor(), after);
}

#[test]
fn a_year_of_bad_network_passes_in_a_second() {
    let weather = Weather {
        refuse: 500,
        swallow: 100,
        cut: 700,
        stall: 100,
        latency: 500,
        shred: true,
        ..Weather::default()
    };
    let mut world = World::new(7, weather, Config::new("run_1".parse().unwrap()));
    world.session.heartbeat = secs(3600);
    let (day, days) = (86_400_000, 365);
    for at in 0..days * 4 {
        world.at(Time::from_millis(at * day / 4), Happening::Append);
    }
    for at in 0..days {
        world.at(
            Time::from_millis(at * day + 1),
            Happening::Crash { recreate: false },
        );
        world.at(Time::from_millis(at * day + 600_000), Happening::Recover);
    }
    world.at(
        Time::from_millis(days * day),
        Happening::Finish(EndReason::Complete),
    );
    world.start();
    world.run_until(Time::from_millis(days * day + day));
    assert_eq!(
        world.client.state(),
        State::Ended {
            reason: EndReason::Complete
        }
    );
    world.ledger.close(1, days * 4 + 1);
    assert!(world.client.counters().resumes >= days && world.ledger.lost == 0);
}
