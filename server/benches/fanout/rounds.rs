//! Runs the scenarios that are asked for, in rounds in which every server takes its turn.

use crate::job::{Coding, Report, Role, Transport, Wire};
use crate::machine::Machine;
use crate::options::Options;
use crate::peers::Peer;
use crate::record::Record;
use crate::results::{Figures, Outcome};
use crate::round::{Row, Server};
use crate::scenarios::{Case, SCENARIOS, Who};
use crate::table;

/// Prints each table as soon as it is there; keeps them where that is wanted.
pub(crate) fn run(options: &Options) {
    let machine = Machine::here();
    println!("{}", machine.describe());
    if options.peers {
        for peer in Peer::ALL {
            if let Some(how) = peer.missing() {
                println!("not installed: {}; `{how}`", peer.name());
            }
        }
    }
    let mut record = Record::read();
    for scenario in SCENARIOS {
        if !options.scenarios.iter().any(|name| name == scenario.name) {
            continue;
        }
        for mut case in (scenario.cases)() {
            case.fit(options);
            let outcome = measure(&case, options);
            println!("\n{}", table::markdown(&outcome, case.columns, None));
            // kept at once, so that what comes later cannot take it away
            if let Some(name) = &options.write {
                record.keep(name, &machine, outcome);
                record.write();
            }
        }
    }
}

/// The rows take turns, so that a machine that slows down slows all. A server that does not bear it has no row.
fn measure(case: &Case, options: &Options) -> Outcome {
    let mut measured: Vec<(Row, Vec<Report>)> = rows(case, options)
        .into_iter()
        .map(|row| (row, Vec::new()))
        .collect();
    for round in 1..=options.rounds {
        measured.retain_mut(|(row, reports)| {
            let (server, transport) = (row.name(), row.transport.name());
            eprint!("\r\x1b[K{}, round {round}: {server}, {transport}", case.key);
            let report = row.measure(case);
            if report.is_none() {
                println!("{}: {server}, {transport} failed", case.title);
            }
            report.map(|report| reports.push(report)).is_some()
        });
    }
    eprint!("\r\x1b[K");
    let limit = |transport| {
        let server = match case.who {
            Who::Measuring => Server::UNMEASURED,
            Who::Coded => Server::Own(Role::Stepcast),
            Who::All | Who::Replaying | Who::Own => Server::LIMIT,
        };
        let is = |(row, _): &&(Row, _)| {
            row.server == server && row.transport == transport && row.coding == Coding::Plain
        };
        measured
            .iter()
            .find(is)
            .map(|(_, reports)| reports.as_slice())
    };
    let subscribers = case.shape.streams * case.shape.subscribers;
    let figures = measured.iter().map(|(row, own)| {
        let limit = limit(row.transport);
        Figures::new(row.name(), row.transport, subscribers, own, limit)
    });
    Outcome {
        key: case.key.to_owned(),
        title: case.title.to_owned(),
        rounds: options.rounds,
        rows: figures.collect(),
    }
}

fn rows(case: &Case, options: &Options) -> Vec<Row> {
    let peers = Peer::ALL
        .into_iter()
        .filter(|peer| options.peers && peer.missing().is_none());
    let servers = Server::OWN.into_iter().chain(peers.map(Server::Peer));
    let mut rows = Vec::new();
    for server in servers {
        let fits = match case.who {
            Who::All => server != Server::UNMEASURED,
            Who::Replaying => server.replays() && server != Server::UNMEASURED,
            Who::Own | Who::Coded => server == Server::Own(Role::Stepcast),
            Who::Measuring => [Server::UNMEASURED, Server::Own(Role::Stepcast)].contains(&server),
        };
        let transports = match server {
            Server::Own(_) => &[Transport::Sse, Transport::Ws],
            Server::Peer(peer) => peer.transports(),
        };
        for &transport in transports {
            // HTTP/2 carries no WebSocket here
            let carried =
                transport == Transport::Sse || !matches!(case.shape.wire, Wire::Http2 { .. });
            let codings = match (case.who, transport) {
                (Who::Coded, Transport::Sse) => SSE_CODINGS,
                (Who::Coded, Transport::Ws) => WS_CODINGS,
                _ => &[Coding::Plain],
            };
            for &coding in codings.iter().filter(|_| fits && carried) {
                let row = Row {
                    server,
                    transport,
                    coding,
                };
                if options.wants(&row.name(), transport.name()) {
                    rows.push(row);
                }
            }
        }
    }
    rows
}

const SSE_CODINGS: &[Coding] = &[Coding::Plain, Coding::Gzip, Coding::Zstd, Coding::Brotli];

const WS_CODINGS: &[Coding] = &[
    Coding::Plain,
    Coding::Messages { takes_over: true },
    Coding::Messages { takes_over: false },
    Coding::Cbor,
    Coding::CborMessages,
];
