//! The scenarios: who subscribes to what, how fast it comes, and what is looked at.

use crate::job::{Drive, History, Shape, Wire};
use crate::options::Options;
use crate::table::{self, Column};

/// Some cases under one letter.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) cases: fn() -> Vec<Case>,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    pub(crate) drive: Drive,
    /// Seconds that count; half as many before them do not, in which just-in-time compilers come to know the work.
    pub(crate) seconds: f64,
    pub(crate) stalled: usize,
    pub(crate) columns: &'static [Column],
    pub(crate) who: Who,
}

/// Which servers a case is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Who {
    All,
    /// Those that give what was emitted before.
    Replaying,
    /// The product alone.
    Own,
    /// The product, and the product that does not measure what it writes.
    Measuring,
    /// The product, in every coding.
    Coded,
}

/// All of them.
pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "a",
        title: "one run, 1,000 subscribers, events of 300 bytes, as fast as it goes",
        cases: one_run,
    },
    Scenario {
        name: "b",
        title: "1,000 runs, one subscriber each, 10 events a second, then as fast as it goes",
        cases: many_runs,
    },
    Scenario {
        name: "c",
        title: "100 runs, 2 subscribers each, 20 events a second: latency",
        cases: moderate,
    },
    Scenario {
        name: "d",
        title: "replay of 100,000 stored events to one reader, from memory and from the database",
        cases: replay,
    },
    Scenario {
        name: "e",
        title: "10,000 idle subscribers: memory of each",
        cases: idle,
    },
    Scenario {
        name: "f",
        title: "2,000 subscribers cut off and resumed while events flow",
        cases: storm,
    },
    Scenario {
        name: "g",
        title: "one stalled among 100",
        cases: stalled,
    },
    Scenario {
        name: "h",
        title: "1,000 token streams of a language model, 30 tokens a second each",
        cases: tokens,
    },
    Scenario {
        name: "emit",
        title: "what `emit` costs the pipeline, with one subscriber and with 1,000",
        cases: emit,
    },
    Scenario {
        name: "measuring",
        title: "what it costs to measure what is written: 1,000 subscribers of one run, and 1,000 runs",
        cases: measuring,
    },
    Scenario {
        name: "secured",
        title: "idle subscribers under TLS, and by HTTP/2: memory of each",
        cases: secured,
    },
    Scenario {
        name: "coding",
        title: "compression: bytes, CPU and latency, for one subscriber and for 1,000 of one run",
        cases: coding,
    },
];

impl Case {
    /// So many streams with so many subscribers each.
    fn new(key: &'static str, title: &'static str, streams: usize, subscribers: usize) -> Self {
        Self {
            key,
            title,
            shape: Shape {
                streams,
                subscribers,
                event_bytes: 300,
                tokens: false,
                merged: false,
                words: false,
                history: History::Newest,
                wire: Wire::Clear,
            },
            drive: Drive::Idle,
            seconds: 0.0,
            stalled: 0,
            columns: table::SPEED,
            who: Who::All,
        }
    }

    /// What the command line says in place of the scenario.
    pub(crate) fn fit(&mut self, options: &Options) {
        self.seconds = self.seconds.max(options.seconds);
        let several = self.shape.streams * self.shape.subscribers > 1;
        if let Some(subscribers) = options.subscribers.filter(|_| several) {
            if self.shape.streams == 1 {
                self.shape.subscribers = subscribers;
            } else {
                self.shape.streams = subscribers.div_ceil(self.shape.subscribers);
            }
        }
    }
}

fn one_run() -> Vec<Case> {
    let case = |key, title, window| Case {
        drive: Drive::Window(window),
        ..Case::new(key, title, 1, 1000)
    };
    vec![
        case("a-1", "(a) 1,000 subscribers, one event at a time", 1),
        case("a-64", "(a) 1,000 subscribers, 64 events in flight", 64),
    ]
}

fn many_runs() -> Vec<Case> {
    let case = |key, title, drive| Case {
        drive,
        ..Case::new(key, title, 1000, 1)
    };
    vec![
        case(
            "b-10",
            "(b) 1,000 runs × 1 subscriber × 10 events/s",
            Drive::Rate(10.0),
        ),
        case(
            "b-max",
            "(b) 1,000 runs × 1 subscriber, 8 events of each in flight",
            Drive::Window(8),
        ),
    ]
}

fn moderate() -> Vec<Case> {
    vec![Case {
        drive: Drive::Rate(20.0),
        columns: table::LATENCY,
        ..Case::new("c", "(c) 100 runs × 20 events/s × 2 subscribers", 100, 2)
    }]
}

fn replay() -> Vec<Case> {
    let case = |key, title, history| {
        let mut case = Case::new(key, title, 1, READERS);
        case.shape.history = history;
        Case {
            drive: Drive::Replay(100_000),
            columns: table::REPLAY,
            who: Who::Replaying,
            ..case
        }
    };
    vec![
        case(
            "d-warm",
            "(d) replay of 100,000 events, held in memory",
            History::Memory,
        ),
        case(
            "d-store",
            "(d) replay of 100,000 events, from the database",
            History::Kept,
        ),
    ]
}

fn idle() -> Vec<Case> {
    vec![Case {
        columns: table::IDLE,
        ..Case::new("e", "(e) 10,000 idle subscribers of one run", 1, 10_000)
    }]
}

fn storm() -> Vec<Case> {
    let mut case = Case::new(
        "f",
        "(f) 2,000 subscribers, 25 events/s, all cut off once",
        1,
        2000,
    );
    case.shape.history = History::Kept;
    vec![Case {
        drive: Drive::Cut(25.0),
        seconds: 3.0,
        columns: table::STORM,
        ..case
    }]
}

fn stalled() -> Vec<Case> {
    let case = |key, title, stalled| {
        let mut case = Case::new(key, title, 1, 100);
        case.shape.event_bytes = 4096;
        Case {
            drive: Drive::Rate(200.0),
            seconds: 4.0,
            stalled,
            columns: table::STALLED,
            ..case
        }
    };
    vec![
        case(
            "g-0",
            "(g) 100 subscribers, 200 events/s of 4 KiB, all reading",
            0,
        ),
        case("g-1", "(g) the same, one of them not reading", 1),
    ]
}

fn tokens() -> Vec<Case> {
    let case = |key, title, merged, who| {
        let mut case = Case::new(key, title, 1000, 1);
        case.shape.tokens = true;
        case.shape.merged = merged;
        case.shape.event_bytes = 0;
        Case {
            drive: Drive::Rate(30.0),
            who,
            ..case
        }
    };
    vec![
        case(
            "h",
            "(h) 1,000 token streams × 30 tokens/s, each token an event",
            false,
            Who::All,
        ),
        case(
            "h-merged",
            "(h) the same, tokens coalesced for 100 ms; a delivery is that of one token",
            true,
            Who::Own,
        ),
    ]
}

fn emit() -> Vec<Case> {
    let case = |key, title, subscribers| Case {
        drive: Drive::Window(64),
        columns: table::EMIT,
        who: Who::Own,
        ..Case::new(key, title, 1, subscribers)
    };
    vec![
        case("emit-1", "`emit` with one subscriber", 1),
        case("emit-1000", "`emit` with 1,000 subscribers", 1000),
    ]
}

fn measuring() -> Vec<Case> {
    let case = |key, title, streams, window| Case {
        drive: Drive::Window(window),
        columns: table::MEASURING,
        who: Who::Measuring,
        ..Case::new(key, title, streams, 1000 / streams)
    };
    vec![
        case(
            "measuring-1",
            "Measuring: 1,000 subscribers, one event at a time",
            1,
            1,
        ),
        case(
            "measuring-64",
            "Measuring: 1,000 subscribers, 64 events in flight",
            1,
            64,
        ),
        case(
            "measuring-runs",
            "Measuring: 1,000 runs × 1 subscriber, 8 events of each in flight",
            1000,
            8,
        ),
    ]
}

fn secured() -> Vec<Case> {
    let case = |key, title, wire| {
        let mut case = Case::new(key, title, 1, 10_000);
        case.shape.wire = wire;
        Case {
            columns: table::IDLE,
            who: Who::Own,
            ..case
        }
    };
    let http2 = |streams| Wire::Http2 { streams };
    vec![
        case(
            "e-tls",
            "(e) 10,000 idle subscribers, each a connection under TLS",
            Wire::Tls,
        ),
        case(
            "e-h2-1",
            "(e) 10,000 idle subscribers by HTTP/2, each on a connection of its own",
            http2(1),
        ),
        case(
            "e-h2-100",
            "(e) 10,000 idle subscribers by HTTP/2, 100 on a connection",
            http2(100),
        ),
    ]
}

fn coding() -> Vec<Case> {
    let case = |key, title, subscribers, rate| {
        let mut case = Case::new(key, title, 1, subscribers);
        case.shape.words = true;
        Case {
            drive: Drive::Rate(rate),
            columns: table::CODED,
            who: Who::Coded,
            ..case
        }
    };
    vec![
        case(
            "coding-1",
            "Compression: 1 subscriber, 1,000 events/s",
            1,
            1000.0,
        ),
        case(
            "coding-1000",
            "Compression: 1,000 subscribers of one run, 20 events/s",
            1000,
            20.0,
        ),
    ]
}

/// Readers of a replay; the first one does not count.
const READERS: usize = 6;
