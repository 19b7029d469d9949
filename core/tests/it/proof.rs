//! The proof in virtual time: whatever the network does, delivered plus announced gaps equals sent, in order,
//! once, and it ends.
//!
//! A failing seed is printed with what replays it: `STEPCAST_SEED=… cargo test -p stepcast-core --test it proof`.

use stepcast_core::client::{Config, State, Transport};
use stepcast_core::control::EndReason;
use stepcast_core::id::Position;
use stepcast_core::time::Time;
#[cfg(target_family = "wasm")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use crate::any::Dice;
use crate::sim::link::Weather;
use crate::sim::{Happening, World};

/// Seeds of each kind of network.
const SEEDS: u64 = if cfg!(target_family = "wasm") {
    100
} else {
    700
};

#[test]
fn a_web_socket_that_breaks_at_any_moment_loses_nothing() {
    each_seed(1, |seed| {
        conversation(seed, &[Transport::WebSocket], None, true);
    });
}

#[test]
fn sse_that_breaks_at_any_byte_loses_nothing() {
    each_seed(2, |seed| {
        conversation(seed, &[Transport::Sse], None, true);
    });
}

#[test]
fn long_polls_that_break_lose_nothing() {
    each_seed(3, |seed| {
        conversation(seed, &[Transport::LongPoll], None, true);
    });
}

#[test]
fn the_ladder_loses_nothing_whichever_transports_are_blocked() {
    each_seed(4, |seed| {
        conversation(seed, &Transport::LADDER, None, true);
    });
}

#[test]
fn frames_that_vanish_come_twice_or_are_damaged_are_noticed() {
    each_seed(5, |seed| {
        conversation(seed, &Transport::LADDER, None, false);
    });
}

#[test]
fn a_paced_stream_that_breaks_loses_nothing() {
    each_seed(6, |seed| {
        let pace = *Dice::new(seed).one(&[&"0.5", &"1", &"7", &"100"]);
        let transports = [Transport::WebSocket, Transport::Sse];
        conversation(seed, &transports, Some(pace), true);
    });
}

fn each_seed(kind: u64, run: impl Fn(u64)) {
    let replay = seed_to_replay();
    let seeds = (0..SEEDS).map(|seed| seed * 10 + kind);
    for seed in seeds.filter(|seed| replay.is_none_or(|one| one == *seed)) {
        let _shown = Shown(seed);
        run(seed);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "replaying a seed is asked for from outside"
)]
fn seed_to_replay() -> Option<u64> {
    std::env::var("STEPCAST_SEED").ok()?.parse().ok()
}

/// Says which seed it was where the test fails.
struct Shown(u64);

impl Drop for Shown {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        println!(
            "STEPCAST_SEED={} cargo test -p stepcast-core --test it proof",
            self.0
        );
    }
}

/// One execution, followed from its start or from somewhere in it, to its end.
fn conversation(seed: u64, transports: &[Transport], pace: Option<&str>, lossless: bool) {
    let mut dice = Dice::new(seed ^ 0xC0FF_EE00);
    let mut weather = Weather::any(&mut dice, lossless);
    if transports.len() > 1 {
        let open = dice.below(transports.len() as u64);
        for (index, &transport) in transports.iter().enumerate() {
            if index as u64 != open && dice.below(3) == 0 {
                weather.blocked.push(transport);
            }
        }
    }
    let mut config = Config::new("run_1".parse().unwrap());
    config.transports = transports.to_vec();
    config.pace = pace.map(|pace| pace.parse().unwrap());
    config.seed = seed;
    if dice.below(5) == 0 {
        config.after = Position::Now;
    }
    let from_start = config.after == Position::Earliest;
    let mut world = World::new(seed, weather, config);
    let reason = plan(&mut world, &mut dice);
    world.start();
    world.run_until(Time::from_millis(24 * 3_600_000));
    let State::Ended { reason: told } = world.client.state() else {
        panic!(
            "not ended after a day: {:?} {:?}",
            world.client.state(),
            world.weather
        );
    };
    if told != reason {
        assert_eq!(told, EndReason::Unknown);
        assert!(!(from_start && lossless), "how it ended was not told");
    }
    world.ledger.close(world.log.epoch, world.log.last_seq());
    let counters = world.client.counters();
    assert_eq!(counters.events, world.ledger.delivered);
    assert_eq!(counters.lost, world.ledger.lost);
    assert_eq!(counters.resets, world.ledger.resets);
    assert_eq!(counters.dials, world.dials.len() as u64);
    if lossless {
        assert_eq!((counters.duplicates, counters.corrupt), (0, 0));
    }
}

/// What the execution, its server and the shell will do, and how the execution ends.
fn plan(world: &mut World, dice: &mut Dice) -> EndReason {
    let mut at = 0;
    let pace = *dice.one(&[&50, &500, &5_000]);
    for _ in 0..3 + dice.below(40) {
        at += dice.below(3) * dice.below(pace);
        world.at(Time::from_millis(at), Happening::Append);
    }
    let end = at + 1;
    let reason = *dice.one(&[
        &EndReason::Complete,
        &EndReason::Failed,
        &EndReason::Cancelled,
        &EndReason::Interrupted,
        &EndReason::Timeout,
        &EndReason::ProducerLost,
    ]);
    world.at(Time::from_millis(end), Happening::Finish(reason));
    for _ in 0..dice.below(4) {
        let at = Time::from_millis(dice.below(end * 2));
        let count = dice.below(12);
        world.at(at, Happening::Forget(count));
    }
    for _ in 0..dice.below(4) {
        let from = dice.below(end);
        let recreate = dice.below(3) == 0;
        let happening = if !recreate && dice.below(2) == 0 {
            Happening::Leave(dice.below(5_000))
        } else {
            Happening::Crash { recreate }
        };
        world.at(Time::from_millis(from), happening);
        let down = dice.below(20_000);
        world.at(Time::from_millis(from + down), Happening::Recover);
    }
    for _ in 0..dice.below(4) {
        let from = dice.below(end * 2);
        if dice.below(2) == 0 {
            world.at(Time::from_millis(from), Happening::Offline);
        }
        let until = from + dice.below(10_000);
        world.at(Time::from_millis(until), Happening::Woken);
    }
    reason
}
