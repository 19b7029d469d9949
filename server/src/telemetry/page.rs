//! One scrape as it is written, by the library of the Prometheus project.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::histogram::{BOUNDS, Times};

/// Labels with their values.
pub(super) type Labels<'a> = Vec<(&'a str, &'a str)>;

/// What is being written.
pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// What only grows. The name gets its unit and `_total` behind it.
    pub(super) fn counter<'l>(
        &mut self,
        name: &str,
        help: &str,
        unit: Option<Unit>,
        series: impl IntoIterator<Item = (Labels<'l>, u64)>,
    ) -> fmt::Result {
        let (unit, kind) = (unit.as_ref(), MetricType::Counter);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            family
                .encode_family(&labels.as_slice())?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
        }
        Ok(())
    }

    /// Seconds that only grow.
    pub(super) fn seconds<'l>(
        &mut self,
        name: &str,
        help: &str,
        series: impl IntoIterator<Item = (Labels<'l>, f64)>,
    ) -> fmt::Result {
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Counter);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            family
                .encode_family(&labels.as_slice())?
                .encode_counter::<NoLabelSet, _, u64>(&value, None)?;
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
        let (unit, kind) = (unit.as_ref(), MetricType::Gauge);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        for (labels, value) in series {
            family
                .encode_family(&labels.as_slice())?
                .encode_gauge(&value)?;
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
        let (unit, kind) = (Some(&Unit::Seconds), MetricType::Histogram);
        let mut family = self.0.encode_descriptor(name, help, unit, kind)?;
        let ends = BOUNDS.iter().map(|micros| *micros as f64 / 1e6);
        let ends: Vec<f64> = ends.chain([f64::INFINITY]).collect();
        for (labels, times) in series {
            let buckets: Vec<(f64, u64)> = ends.iter().copied().zip(times.counts).collect();
            family
                .encode_family(&labels.as_slice())?
                .encode_histogram::<NoLabelSet>(times.sum, times.count(), &buckets, None)?;
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
