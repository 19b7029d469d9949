//! The scenarios, and the rounds in which every server takes its turn.

use crate::job::{Drive, History, Report, Shape, Transport};
use crate::options::Options;
use crate::results::{Figures, Outcome};
use crate::round::{LIMIT, OWN, Row};
use crate::table::{self, Column};

/// Some cases under one letter.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    cases: fn() -> Vec<Case>,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) shape: Shape,
    pub(crate) drive: Drive,
    pub(crate) warm: f64,
    pub(crate) seconds: f64,
    pub(crate) stalled: usize,
    pub(crate) columns: &'static [Column],
}

/// All of them.
pub(crate) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "a",
    title: "one run, 1,000 subscribers, events of 300 bytes, as fast as it goes",
    cases: one_run,
}];

/// Runs what is asked for; prints each table as soon as it is there.
pub(crate) fn run(options: &Options) {
    let wanted = |it: &&Scenario| options.scenarios.iter().any(|name| name == it.name);
    let mut outcomes = Vec::new();
    for scenario in SCENARIOS.iter().filter(wanted) {
        for mut case in (scenario.cases)() {
            case.fit(options);
            let outcome = measure(&case, options);
            println!("\n{}", table::markdown(&outcome, case.columns));
            outcomes.push(outcome);
        }
    }
}

/// Rounds in which the rows take turns, so that a machine that slows down slows all.
fn measure(case: &Case, options: &Options) -> Outcome {
    let rows = rows(options);
    let mut reports: Vec<Vec<Report>> = vec![Vec::new(); rows.len()];
    for round in 0..options.rounds {
        for (row, reports) in rows.iter().zip(&mut reports) {
            eprint!(
                "\r\x1b[K{}, round {}: {} {}",
                case.key,
                round + 1,
                row.server,
                row.transport.name()
            );
            reports.push(row.measure(case));
        }
    }
    eprint!("\r\x1b[K");
    let limit = |transport| {
        let is = |row: &Row| row.server == LIMIT && row.transport == transport;
        rows.iter().position(is).map(|at| reports[at].as_slice())
    };
    let subscribers = case.shape.streams * case.shape.subscribers;
    let figures = rows.iter().zip(&reports).map(|(row, own)| {
        let limit = limit(row.transport);
        Figures::new(row.server, row.transport, subscribers, own, limit)
    });
    Outcome {
        key: case.key.to_owned(),
        title: case.title.to_owned(),
        rounds: options.rounds,
        rows: figures.collect(),
    }
}

fn rows(options: &Options) -> Vec<Row> {
    let mut rows = Vec::new();
    for (server, role) in OWN {
        for transport in [Transport::Sse, Transport::Ws] {
            if options.wants(server, transport.name()) {
                rows.push(Row {
                    server,
                    transport,
                    role,
                });
            }
        }
    }
    rows
}

impl Case {
    fn fit(&mut self, options: &Options) {
        self.seconds = options.seconds;
        self.warm = options.seconds / 4.0;
        if let Some(subscribers) = options.subscribers {
            if self.shape.streams == 1 {
                self.shape.subscribers = subscribers;
            } else {
                self.shape.streams = subscribers / self.shape.subscribers;
            }
        }
    }
}

fn one_run() -> Vec<Case> {
    let case = |key, title, window| Case {
        key,
        title,
        shape: Shape {
            streams: 1,
            subscribers: 1000,
            event_bytes: 300,
            tokens: false,
            history: History::Default,
        },
        drive: Drive::Window(window),
        warm: 0.0,
        seconds: 0.0,
        stalled: 0,
        columns: table::SPEED,
    };
    vec![
        case("a-1", "One event at a time", 1),
        case("a-64", "64 events in flight", 64),
    ]
}
