//! Metrics as they are told: as a scrape, by the library of the Prometheus project, or as messages of OTLP.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::histogram::{BOUNDS, Times};
use crate::otlp::Gathered;

/// Labels with their values.
pub(super) type Labels<'a> = Vec<(&'a str, &'a str)>;

/// What is being written.
pub(super) enum Page<'a> {
    /// A scrape.
    Scrape(DescriptorEncoder<'a>),
    /// Messages of OTLP, with what stands before every name.
    Otlp(&'static str, &'a mut Gathered),
}

impl<'a> Page<'a> {
    /// What only grows. The name gets its unit and `_total` behind it.
    pub(super) fn counter<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        self.grows((name, help, unit), series, |value| value as f64)
    }

    /// Seconds that only grow.
    pub(super) fn seconds<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.grows((name, help, Some(Unit::Seconds)), series, |value| value)
    }

    fn grows<'l, N: EncodeCounterValue>(
        &mut self,
        (name, help, unit): (&str, &str, Option<Unit>),
        series: impl IntoIterator<Item = (Labels<'l>, N)>,
        float: impl Fn(N) -> f64,
    ) -> fmt::Result {
        match self {
            Self::Scrape(encoder) => {
                let (unit, kind) = (unit.as_ref(), MetricType::Counter);
                let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
                for (labels, value) in series {
                    family
                        .encode_family(&labels.as_slice())?
                        .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
                }
            }
            Self::Otlp(prefix, gathered) => {
                let series = series.into_iter();
                let series = series.map(|(labels, value)| (labels, float(value)));
                gathered.sum((&format!("{prefix}{name}"), help, word(unit)), series);
            }
        }
        Ok(())
    }

    /// What goes up and down.
    pub(super) fn gauge<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        match self {
            Self::Scrape(encoder) => {
                let (unit, kind) = (unit.as_ref(), MetricType::Gauge);
                let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
                for (labels, value) in series {
                    family
                        .encode_family(&labels.as_slice())?
                        .encode_gauge(&value)?;
                }
            }
            Self::Otlp(prefix, gathered) => {
                gathered.gauge((&format!("{prefix}{name}"), help, word(unit)), series);
            }
        }
        Ok(())
    }

    /// Shares.
    pub(super) fn ratio<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        self.gauge(name, help, Some(Unit::Other("ratio".to_owned())), series)
    }

    /// How long things took.
    pub(super) fn times<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, Times)>,
    ) -> fmt::Result {
        let ends: Vec<f64> = BOUNDS.iter().map(|micros| *micros as f64 / 1e6).collect();
        match self {
            Self::Scrape(encoder) => {
                let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
                let mut family = encoder.encode_descriptor(name, help, unit, kind)?;
                let ends = ends.into_iter().chain([f64::INFINITY]);
                for (labels, times) in series {
                    let buckets: Vec<(f64, u64)> = ends.clone().zip(times.counts).collect();
                    family
                        .encode_family(&labels.as_slice())?
                        .encode_histogram::<NoLabelSet>(times.sum, times.count(), &buckets, None)?;
                }
            }
            Self::Otlp(prefix, gathered) => {
                let series = series.into_iter();
                let series = series.map(|(labels, it)| (labels, it.counts.to_vec(), it.sum));
                let unit = word(Some(Unit::Seconds));
                gathered.histogram((&format!("{prefix}{name}"), help, unit), &ends, series);
            }
        }
        Ok(())
    }

    /// One value without labels.
    pub(super) fn value(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        value: f64,
    ) -> fmt::Result {
        self.gauge(name, help, unit, [(Vec::new(), value)])
    }
}

/// A unit as UCUM writes it; Prometheus makes of it what a scrape says.
fn word(unit: Option<Unit>) -> &'static str {
    match unit {
        Some(Unit::Seconds) => "s",
        Some(Unit::Bytes) => "By",
        Some(Unit::Other(_)) => "1",
        Some(_) | None => "",
    }
}
