//! What the rounds gave, row by row: medians, and the ratio to the limit in the same round.

use serde::{Deserialize, Serialize};

use crate::job::{Report, Transport};

/// The figures of one server in one case: medians of the rounds, sums of what must not be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figures {
    pub(crate) server: String,
    pub(crate) transport: Transport,
    /// CPU-seconds of the server for a million deliveries.
    pub(crate) per_million: f64,
    /// The same, over what the raw loop took in the same round.
    pub(crate) ratio: Option<f64>,
    pub(crate) per_second: f64,
    /// Bytes that brought one delivery.
    #[serde(default)]
    pub(crate) bytes_each: f64,
    /// Median, 99 % and the highest, milliseconds.
    pub(crate) latency: [f64; 3],
    /// Over the 99 % of the raw loop in the same round.
    pub(crate) latency_ratio: Option<f64>,
    /// Of one core.
    pub(crate) server_busy: f64,
    pub(crate) load_busy: f64,
    /// MiB: before the subscribers, with them, and at the end.
    pub(crate) memory: [f64; 3],
    /// KiB that one subscriber adds.
    pub(crate) memory_each: f64,
    pub(crate) caught_up_ms: Option<f64>,
    pub(crate) caught_up_ratio: Option<f64>,
    pub(crate) emit_us: Option<[f64; 3]>,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) reordered: u64,
    pub(crate) broken: u64,
    pub(crate) held_back: u64,
}

/// One case, every server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Outcome {
    pub(crate) key: String,
    pub(crate) title: String,
    pub(crate) rounds: usize,
    pub(crate) rows: Vec<Figures>,
}

impl Figures {
    /// `limits` are the raw loop's reports of the same rounds and transport.
    pub(crate) fn new(
        server: String,
        transport: Transport,
        subscribers: usize,
        reports: &[Report],
        limits: Option<&[Report]>,
    ) -> Self {
        let of = |figure: fn(&Report) -> f64| median(reports.iter().map(figure));
        let over = |figure: fn(&Report) -> f64| {
            let pairs = reports.iter().zip(limits?);
            let ratio = median(pairs.map(|(it, limit)| figure(it) / figure(limit)));
            ratio.is_finite().then_some(ratio)
        };
        let kib = |at: usize| median(reports.iter().map(|it| it.memory_kib[at] as f64));
        let sum = |figure: fn(&Report) -> u64| reports.iter().map(figure).sum();
        let has_caught_up = reports.iter().all(|it| it.caught_up_ms.is_some());
        let caught_up = |it: &Report| it.caught_up_ms.unwrap_or(f64::NAN);
        let emits = reports.iter().all(|it| it.emit_us.is_some());
        let emit = |at: usize| median(reports.iter().filter_map(|it| Some(it.emit_us?[at])));
        Self {
            server,
            transport,
            per_million: of(per_million),
            ratio: over(per_million),
            per_second: of(|it| it.deliveries as f64 / it.seconds),
            bytes_each: of(|it| it.bytes as f64 / it.deliveries.max(1) as f64),
            latency: [0, 1, 2].map(|at| median(reports.iter().map(|it| it.latency[at]))),
            latency_ratio: over(|it| it.latency[1]),
            server_busy: of(|it| it.server_cpu / it.seconds),
            load_busy: of(|it| it.load_cpu / it.seconds),
            memory: [0, 1, 2].map(|at| kib(at) / 1024.0),
            memory_each: (kib(1) - kib(0)) / subscribers as f64,
            caught_up_ms: has_caught_up.then(|| of(caught_up)),
            caught_up_ratio: over(caught_up).filter(|_| has_caught_up),
            emit_us: emits.then(|| [0, 1, 2].map(emit)),
            lost: sum(|it| it.lost),
            doubled: sum(|it| it.doubled),
            reordered: sum(|it| it.reordered),
            broken: sum(|it| it.broken),
            held_back: sum(|it| it.held_back),
        }
    }
}

/// 0 where nothing was delivered.
fn per_million(report: &Report) -> f64 {
    if report.deliveries == 0 {
        return 0.0;
    }
    report.server_cpu / report.deliveries as f64 * 1e6
}

/// The middle one; of an even number, the lower of the two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
        .get(values.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(f64::NAN)
}
