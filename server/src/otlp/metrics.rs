//! Metrics: what `/metrics` tells, under the same names, as messages of OTLP.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum,
};
use prost::Message as _;
use tokio::time::{MissedTickBehavior, interval};

use super::Origin;
use super::destination::{Destination, Failure};
use super::sender::LAST;
use super::spans::attribute;
use crate::clock::unix_millis;
use crate::executions::Executions;
use crate::telemetry::Exposition;

/// Metrics as they are told, of a process that began then.
#[derive(Debug)]
pub(crate) struct Gathered {
    began: u64,
    now: u64,
    metrics: Vec<Metric>,
}

impl Gathered {
    /// Nothing yet; the times in milliseconds since 1970.
    fn new(began: u64, now: u64) -> Self {
        let nanos = |millis: u64| millis.saturating_mul(1_000_000);
        Self {
            began: nanos(began),
            now: nanos(now),
            metrics: Vec::new(),
        }
    }

    fn add(&mut self, (name, help, unit): (&str, &str, &str), data: Data) {
        self.metrics.push(Metric {
            name: name.to_owned(),
            description: help.to_owned(),
            unit: unit.to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }

    /// What only grows.
    pub(crate) fn sum<'l>(
        &mut self,
        what: (&str, &str, &str),
        series: impl IntoIterator<Item = (Vec<(&'l str, &'l str)>, f64)>,
    ) {
        let data_points = self.points(series);
        let sum = Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
            is_monotonic: true,
        };
        self.add(what, Data::Sum(sum));
    }

    /// What goes up and down.
    pub(crate) fn gauge<'l>(
        &mut self,
        what: (&str, &str, &str),
        series: impl IntoIterator<Item = (Vec<(&'l str, &'l str)>, f64)>,
    ) {
        let data_points = self.points(series);
        self.add(what, Data::Gauge(Gauge { data_points }));
    }

    /// How long things took: how many in each bucket, and their sum.
    pub(crate) fn histogram<'l>(
        &mut self,
        what: (&str, &str, &str),
        bounds: &[f64],
        series: impl IntoIterator<Item = (Vec<(&'l str, &'l str)>, Vec<u64>, f64)>,
    ) {
        let points = series
            .into_iter()
            .map(|(labels, counts, sum)| HistogramDataPoint {
                attributes: attributes(&labels),
                start_time_unix_nano: self.began,
                time_unix_nano: self.now,
                count: counts.iter().sum(),
                sum: Some(sum),
                bucket_counts: counts,
                explicit_bounds: bounds.to_vec(),
                ..HistogramDataPoint::default()
            });
        let histogram = Histogram {
            data_points: points.collect(),
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        };
        self.add(what, Data::Histogram(histogram));
    }

    fn points<'l>(
        &self,
        series: impl IntoIterator<Item = (Vec<(&'l str, &'l str)>, f64)>,
    ) -> Vec<NumberDataPoint> {
        let points = series.into_iter().map(|(labels, value)| NumberDataPoint {
            attributes: attributes(&labels),
            start_time_unix_nano: self.began,
            time_unix_nano: self.now,
            value: Some(Value::AsDouble(value)),
            ..NumberDataPoint::default()
        });
        points.collect()
    }

    fn message(self, origin: &Origin) -> Vec<u8> {
        let scope_metrics = ScopeMetrics {
            scope: Some(origin.scope.clone()),
            metrics: self.metrics,
            ..ScopeMetrics::default()
        };
        let resource_metrics = ResourceMetrics {
            resource: Some(origin.resource.clone()),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![resource_metrics],
        };
        request.encode_to_vec()
    }
}

fn attributes(labels: &[(&str, &str)]) -> Vec<KeyValue> {
    let each = labels.iter();
    each.map(|(key, value)| attribute(key, Any::StringValue((*value).to_owned())))
        .collect()
}

/// Sends them every so often, and a last time when the server stops. What is not taken is told the next time: counters
/// only grow.
pub(super) async fn keep(
    executions: &Executions,
    to: &Destination,
    origin: &Origin,
    every: Duration,
) {
    let (began, mut failing) = (unix_millis(), false);
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // the first tick is at once, and nothing is counted yet
    ticks.tick().await;
    let message = || {
        let mut gathered = Gathered::new(began, unix_millis());
        let told = Exposition::new(executions.clone()).gather(&mut gathered);
        told.ok().map(|()| gathered.message(origin))
    };
    loop {
        let stops = tokio::select! {
            () = executions.stopping().cancelled() => true,
            _tick = ticks.tick() => false,
        };
        let Some(message) = message() else {
            return;
        };
        let sent = if stops {
            let _in_vain_if_it_is_late = tokio::time::timeout(LAST, to.send(message)).await;
            return;
        } else {
            tokio::select! {
                // what was counted since is told a last time
                () = executions.stopping().cancelled() => continue,
                sent = to.send(message) => sent,
            }
        };
        let failed = match &sent {
            Ok(_taken) => None,
            Err(Failure::Later(why, _) | Failure::Never(why)) => Some(why),
        };
        match failed {
            Some(why) if !failing => {
                tracing::warn!(
                    host = to.host(),
                    why,
                    "the collector takes no metrics; tried again"
                );
            }
            None if failing => {
                tracing::info!(host = to.host(), "the collector takes metrics again")
            }
            Some(_) | None => {}
        }
        failing = failed.is_some();
    }
}
