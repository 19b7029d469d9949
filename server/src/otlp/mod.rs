//! Traces and metrics, sent to a collector by OTLP over HTTP.
//!
//! Nothing of it is on the way of an event: a run's spans are folded out of its log once it has ended, in the task that
//! counts it; metrics are read from the counters that `/metrics` reads. A collector that is gone costs the queue's
//! memory, a line in the log when it is missed first, and another when it is back.
//!
//! The messages are those of `opentelemetry-proto`, made directly: the SDK's metrics cannot be made of counters that are
//! there already, and its spans end when they are told to, not when a log says so.

mod destination;
mod metrics;
mod sender;
mod settings;
mod spans;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::resource::v1::Resource;

use self::destination::{Destination, Signal, Wrong};
pub(crate) use self::metrics::Gathered;
use self::sender::Queue;
pub(crate) use self::settings::Environment;
pub use self::settings::OtlpSettings;
use self::spans::{Spans, attribute};
use crate::executions::Executions;
use crate::log::{ExecutionRow, Reader, StoreError, Stream};
use crate::trace::RunTrace;

/// The way to the collector; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Exporter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    origin: Origin,
    traces: Option<Destination>,
    metrics: Option<Destination>,
    metrics_interval: Duration,
    queue: Queue,
}

/// Who tells: this server, in OpenTelemetry's words.
#[derive(Clone, Debug)]
struct Origin {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Exporter {
    /// As the settings say.
    ///
    /// # Errors
    /// Which setting is wrong, and what about it.
    pub(crate) fn of(settings: &OtlpSettings) -> Result<Self, Wrong> {
        Ok(Self(Arc::new(Inner {
            origin: Origin::of(settings),
            traces: Destination::of(settings, Signal::Traces)?,
            metrics: Destination::of(settings, Signal::Metrics)?,
            metrics_interval: interval(settings)?,
            queue: Queue::new(settings.queue_spans),
        })))
    }

    /// Whether traces are sent.
    pub(crate) fn traces(&self) -> bool {
        self.0.traces.is_some()
    }

    /// Spans that the collector took, that found no room in the queue, and that it refused; none where none are sent.
    pub(crate) fn counts(&self) -> Option<[(&'static str, u64); 3]> {
        self.0.traces.as_ref()?;
        let queue = &self.0.queue;
        let counts = [
            ("sent", &queue.sent),
            ("dropped", &queue.dropped),
            ("refused", &queue.refused),
        ];
        Some(counts.map(|(outcome, count)| (outcome, count.load(Ordering::Relaxed))))
    }

    /// Sends until the server stops.
    pub(crate) async fn run(self, executions: Executions) {
        let stopping = executions.stopping().clone();
        let inner = &self.0;
        let traces = async {
            if let Some(to) = &inner.traces {
                inner.queue.drain(to, &inner.origin, &stopping).await;
            }
        };
        let metrics = async {
            if let Some(to) = &inner.metrics {
                metrics::keep(&executions, to, &inner.origin, inner.metrics_interval).await;
            }
        };
        tokio::join!(traces, metrics);
    }

    /// Tells the spans of a run that has ended.
    pub(crate) async fn tell(
        &self,
        row: &ExecutionRow,
        stream: Arc<Stream>,
    ) -> Result<(), StoreError> {
        let trace = RunTrace::new(&row.id, row.key.epoch, row.trace.as_ref());
        if !self.traces() || !trace.is_sampled() {
            return Ok(());
        }
        let mut spans = Spans::new(trace, row.id.as_str(), &row.pipeline, row.created_at);
        let mut reader = Reader::new(stream, 0);
        loop {
            let page = reader.read(PAGE).await?;
            if page.records.is_empty() && page.gap.is_none() {
                return Ok(());
            }
            for record in &page.records {
                if Spans::concerns(record.event_type(), record.json())
                    && let Ok(event) = record.parse()
                {
                    spans.apply(&event);
                }
            }
            // as they end: however long a run was, its spans are not all in memory
            self.0.queue.offer(spans.take());
            tokio::task::yield_now().await;
        }
    }
}

impl Origin {
    /// By the table, `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`, the former first.
    fn of(settings: &OtlpSettings) -> Self {
        let environment = &settings.environment;
        let named = environment
            .get("OTEL_RESOURCE_ATTRIBUTES")
            .unwrap_or_default();
        let pairs = named.split(',').filter_map(|pair| pair.split_once('='));
        let mut attributes: Vec<(String, String)> = pairs
            .filter_map(|(key, value)| {
                let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8();
                Some((key.trim().to_owned(), value.ok()?.into_owned()))
            })
            .collect();
        let mut set = |key: &str, value: &str, over: bool| {
            let is_there = attributes.iter().any(|(it, _)| it == key);
            if over || !is_there {
                attributes.retain(|(it, _)| it != key);
                attributes.push((key.to_owned(), value.to_owned()));
            }
        };
        let name = settings.service_name.as_deref();
        match name.or_else(|| environment.get("OTEL_SERVICE_NAME")) {
            Some(name) => set("service.name", name, true),
            None => set("service.name", "stepcast", false),
        }
        set("service.version", VERSION, false);
        set(
            "service.instance.id",
            &uuid::Uuid::new_v4().to_string(),
            false,
        );
        let attributes = attributes
            .into_iter()
            .map(|(key, value)| attribute(&key, Any::StringValue(value)));
        Self {
            resource: Resource {
                attributes: attributes.collect(),
                ..Resource::default()
            },
            scope: InstrumentationScope {
                name: "stepcast".to_owned(),
                version: VERSION.to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }
}

/// How often metrics are sent.
fn interval(settings: &OtlpSettings) -> Result<Duration, Wrong> {
    const NAME: &str = "OTEL_METRIC_EXPORT_INTERVAL";
    let wrong = |name: &str| (name.to_owned(), "milliseconds, at least 100".to_owned());
    let (millis, name) = match (settings.metrics_interval_ms, settings.environment.get(NAME)) {
        (Some(millis), _) => (millis, "otlp.metrics_interval_ms"),
        (None, Some(text)) => (text.parse().map_err(|_no_number| wrong(NAME))?, NAME),
        (None, None) => (60_000, NAME),
    };
    if millis < 100 {
        return Err(wrong(name));
    }
    Ok(Duration::from_millis(millis))
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Events looked at between two chances for other tasks.
const PAGE: usize = 1000;
