//! Everything that is counted, in the words of Prometheus.
//!
//! The sets of labels are small and known: no id, no name of a pipeline or of a person is among them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::{Registry, Unit};

use super::connection::End;
use super::delivery::LaneCounts;
use super::lane::Lane;
use super::log::ENDS;
use super::page::{Labels, Page};
use super::process::Process;
use crate::executions::Executions;
use crate::otlp::Gathered;

/// How an exposition is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// Prometheus's text, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.
    OpenMetrics,
}

/// What one scrape reads.
#[derive(Clone, Debug)]
pub(crate) struct Exposition(Executions);

impl Format {
    /// What a client takes, by its header `Accept`: the text that everybody reads, unless it names the other one.
    pub(crate) fn accepted(header: Option<&str>) -> Self {
        let listed = header.unwrap_or_default().split(',');
        let mut types = listed.filter_map(|one| one.split(';').next());
        match types.any(|name| name.trim() == "application/openmetrics-text") {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }

    /// The media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Exposition {
    pub(crate) fn new(executions: Executions) -> Self {
        Self(executions)
    }

    /// The whole text.
    ///
    /// # Errors
    /// Never: a string takes everything; the signature is the library's.
    pub(crate) fn write(self, format: Format) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let own = registry.sub_registry_with_prefix("stepcast");
        own.register_collector(Box::new(self));
        let mut written = String::new();
        match format {
            Format::Text => prometheus_text::encode(&mut written, &registry)?,
            Format::OpenMetrics => text::encode(&mut written, &registry)?,
        }
        Ok(written)
    }

    fn deliveries(&self, page: &mut Page<'_>) -> fmt::Result {
        let delivery = self.0.delivery();
        let each = |count: fn(&LaneCounts) -> &AtomicU64| {
            let used = delivery.used();
            used.map(move |(lane, counts)| (labels(lane), read(count(counts))))
        };
        page.times(
            "delivery_latency",
            "From the log's taking an event to its bytes' being with the socket of a reader that was there already",
            delivery
                .used()
                .map(|(lane, counts)| (labels(lane), counts.latency.times())),
        )?;
        page.counter(
            "delivery_events",
            "Events given to sockets, replays too",
            None,
            each(|counts| &counts.events),
        )?;
        page.counter(
            "delivery_sent",
            "What was given to sockets of streams, before TLS",
            Some(Unit::Bytes),
            each(|counts| &counts.bytes),
        )?;
        page.counter(
            "delivery_gaps",
            "Gaps that readers were told of",
            None,
            delivery.used().flat_map(|(lane, counts)| {
                [
                    (
                        with(lane, "reason", "retention"),
                        read(&counts.gaps_by_retention),
                    ),
                    (with(lane, "reason", "epoch"), read(&counts.gaps_by_epoch)),
                ]
            }),
        )?;
        page.counter(
            "delivery_missing_events",
            "Events in those gaps",
            None,
            each(|counts| &counts.missing),
        )?;
        page.counter(
            "resumes",
            "Readers that came back to a place, exactly where nothing is missing for them",
            None,
            delivery.used().flat_map(|(lane, counts)| {
                let outcomes = [
                    ("exact", &counts.resumed_exactly),
                    ("inexact", &counts.resumed_otherwise),
                ];
                outcomes.map(|(outcome, count)| (with(lane, "outcome", outcome), read(count)))
            }),
        )
    }

    fn clients(&self, page: &mut Page<'_>) -> fmt::Result {
        let clients = self.0.delivery().clients();
        page.times(
            "client_latency",
            "From an event's time to its arrival at a client, as clients report it",
            clients
                .latencies()
                .map(|(transport, times)| (vec![("transport", transport)], times)),
        )?;
        let reports = [(Labels::new(), clients.reports())];
        page.counter("client_reports", "Reports of clients", None, reports)
    }

    fn connections(&self, page: &mut Page<'_>) -> fmt::Result {
        let delivery = self.0.delivery();
        page.counter(
            "connections_opened",
            "Streams, sockets and polls that were opened",
            None,
            delivery
                .used()
                .map(|(lane, counts)| (labels(lane), read(&counts.opened))),
        )?;
        page.gauge(
            "connections",
            "Streams, sockets and polls that are open",
            None,
            delivery
                .used()
                .map(|(lane, counts)| (labels(lane), counts.open() as f64)),
        )?;
        page.counter(
            "connections_ended",
            "How they ended",
            None,
            delivery.used().flat_map(|(lane, counts)| {
                End::ALL
                    .into_iter()
                    .zip(&counts.closed)
                    .map(move |(end, count)| (with(lane, "reason", end.name()), read(count)))
            }),
        )?;
        let sockets = self.0.connections() as f64;
        page.value(
            "sockets",
            "TCP connections that are open, plain requests too",
            None,
            sockets,
        )?;
        let mut lag = delivery.readers().lag();
        self.0.fans().add_lag(&mut lag);
        page.value(
            "reader_lag_events",
            "Events that the slowest reader has still to be given",
            None,
            lag.most as f64,
        )?;
        page.value(
            "readers_behind",
            "Readers that have not been given everything",
            None,
            lag.behind as f64,
        )?;
        page.value(
            "fan_seats",
            "Readers at the tail, for which one task an execution writes",
            None,
            delivery.seats() as f64,
        )?;
        let fans = self.0.fans().len() as f64;
        page.value(
            "fans",
            "Executions that somebody follows at the tail",
            None,
            fans,
        )
    }

    fn log(&self, page: &mut Page<'_>) -> fmt::Result {
        let (numbers, depths) = (self.0.log().numbers(), self.0.log().depths());
        let one = |count: &AtomicU64| [(Labels::new(), read(count))];
        let events = one(&numbers.events);
        page.counter("log_events", "Events that the log took", None, events)?;
        let bytes = one(&numbers.bytes);
        page.counter("log_event", "What they are long", Some(Unit::Bytes), bytes)?;
        page.times(
            "log_commit_duration",
            "How long transactions of the log took",
            [(Labels::new(), numbers.commit_time.times())],
        )?;
        let refused = one(&numbers.commits_refused);
        page.counter(
            "log_commits_refused",
            "Transactions that failed",
            None,
            refused,
        )?;
        page.counter(
            "log_committed_events",
            "Events that transactions brought into the database",
            None,
            one(&numbers.committed),
        )?;
        page.gauge(
            "log_queue_executions",
            "Executions that wait for a transaction: at once, or in its time as their events are kept ahead",
            None,
            [
                (vec![("queue", "now")], depths.waiting as f64),
                (vec![("queue", "ahead")], depths.kept as f64),
            ],
        )?;
        let (bytes, memory) = (depths.uncommitted_bytes as f64, depths.memory_bytes as f64);
        page.value(
            "log_uncommitted",
            "What of events waits for a transaction",
            Some(Unit::Bytes),
            bytes,
        )?;
        page.value(
            "log_memory",
            "What of events is held in memory",
            Some(Unit::Bytes),
            memory,
        )?;
        let streams = depths.streams as f64;
        page.value(
            "log_executions_in_memory",
            "Executions whose log is held in memory",
            None,
            streams,
        )
    }

    fn executions(&self, page: &mut Page<'_>) -> fmt::Result {
        let numbers = self.0.log().numbers();
        page.counter(
            "executions_created",
            "Executions that were made known to this process",
            None,
            [(Labels::new(), read(&numbers.created))],
        )?;
        let census = self.0.census();
        let states = [
            ("running", census.running),
            ("waiting", census.waiting),
            ("created", census.created),
            ("external", census.external),
        ];
        page.gauge(
            "executions",
            "Executions that have not ended: run here, put away until somebody answers, not started yet, or run elsewhere",
            None,
            states.map(|(state, count)| (vec![("state", state)], count as f64)),
        )?;
        page.counter(
            "executions_ended",
            "Executions that ended, by how",
            None,
            ENDS.into_iter()
                .zip(&numbers.ended)
                .map(|(end, count)| (vec![("status", end.as_str())], read(count))),
        )?;
        page.value(
            "ingest_gates",
            "Executions that programs elsewhere write to at present",
            None,
            census.gates as f64,
        )?;
        let (input, output) = self.0.meter().tokens();
        page.counter(
            "llm_tokens",
            "Tokens of language models, counted when their execution has ended",
            None,
            [
                (vec![("direction", "input")], input),
                (vec![("direction", "output")], output),
            ],
        )
    }
}

impl Collector for Exposition {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.tell(&mut Page::Scrape(encoder))
    }
}

impl Exposition {
    /// Everything, as messages of OTLP.
    ///
    /// # Errors
    /// Never: the signature is that of a scrape.
    pub(crate) fn gather(&self, gathered: &mut Gathered) -> fmt::Result {
        Process.tell(&mut Page::Otlp("", gathered))?;
        self.tell(&mut Page::Otlp("stepcast_", gathered))
    }

    fn tell(&self, page: &mut Page<'_>) -> fmt::Result {
        let version = vec![("version", env!("CARGO_PKG_VERSION"))];
        page.gauge(
            "build_info",
            "The version that runs",
            None,
            [(version, 1.0)],
        )?;
        self.deliveries(page)?;
        self.clients(page)?;
        self.connections(page)?;
        self.log(page)?;
        self.executions(page)?;
        if let Some(counts) = self.0.exporter().counts() {
            page.counter(
                "otlp_spans",
                "Spans that a collector took, that found no room while they waited for it, and that it refused",
                None,
                counts.map(|(outcome, count)| (vec![("outcome", outcome)], count)),
            )?;
        }
        super::objectives::write(page, &self.0.slos().reports())
    }
}

fn labels(lane: Lane) -> Labels<'static> {
    lane.labels().to_vec()
}

fn with(lane: Lane, label: &'static str, value: &'static str) -> Labels<'static> {
    let mut labels = labels(lane);
    labels.push((label, value));
    labels
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_written_where_it_is_asked_for() {
        // what Prometheus 3 and Prometheus 2 send, and curl
        for (accept, format) in [
            (
                Some(
                    "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                ),
                Format::OpenMetrics,
            ),
            (Some("text/plain;version=0.0.4;q=1,*/*;q=0.1"), Format::Text),
            (Some("*/*"), Format::Text),
            (None, Format::Text),
        ] {
            assert_eq!(Format::accepted(accept), format, "{accept:?}");
        }
    }
}
