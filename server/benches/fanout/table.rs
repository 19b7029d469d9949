//! Results as Markdown.

use crate::results::{Figures, Outcome};

/// What a table shows of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    PerMillion,
    Ratio,
    Measuring,
    Coded,
    Bytes,
    PerSecond,
    Latency,
    LatencyRatio,
    Memory,
    MemoryEach,
    CaughtUp,
    Emit,
    Busy,
    Faults,
}

/// What costs are about.
pub(crate) const SPEED: &[Column] = &[
    Column::PerMillion,
    Column::Ratio,
    Column::PerSecond,
    Column::Latency,
    Column::Memory,
    Column::Busy,
    Column::Faults,
];

/// A load that any of them bears.
pub(crate) const LATENCY: &[Column] = &[
    Column::PerMillion,
    Column::Ratio,
    Column::Latency,
    Column::LatencyRatio,
    Column::Busy,
    Column::Faults,
];

/// One reader and what is there already.
pub(crate) const REPLAY: &[Column] = &[
    Column::PerSecond,
    Column::PerMillion,
    Column::Ratio,
    Column::Busy,
    Column::Faults,
];

/// Nothing happens.
pub(crate) const IDLE: &[Column] = &[Column::MemoryEach, Column::Memory, Column::Busy];

/// All come back at once.
pub(crate) const STORM: &[Column] = &[
    Column::CaughtUp,
    Column::Faults,
    Column::PerMillion,
    Column::Ratio,
    Column::Busy,
];

/// One does not read.
pub(crate) const STALLED: &[Column] = &[
    Column::Latency,
    Column::LatencyRatio,
    Column::Memory,
    Column::PerMillion,
    Column::Ratio,
    Column::Faults,
];

/// What the producer waits for.
pub(crate) const EMIT: &[Column] = &[Column::Emit, Column::PerSecond, Column::Busy];

/// What measuring costs.
pub(crate) const MEASURING: &[Column] = &[
    Column::PerMillion,
    Column::Measuring,
    Column::PerSecond,
    Column::Latency,
    Column::Busy,
    Column::Faults,
];

/// What compression saves and costs.
pub(crate) const CODED: &[Column] = &[
    Column::Bytes,
    Column::PerMillion,
    Column::Coded,
    Column::Latency,
    Column::Memory,
    Column::Busy,
    Column::Faults,
];

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::PerMillion => "CPU-s per million",
            Self::Ratio => "× raw",
            Self::Measuring => "× not measuring",
            Self::Coded => "× as it is",
            Self::Bytes => "bytes a delivery",
            Self::PerSecond => "deliveries/s",
            Self::Latency => "latency ms, median / 99 %",
            Self::LatencyRatio => "99 % × raw",
            Self::Memory => "memory MiB",
            Self::MemoryEach => "KiB a subscriber",
            Self::CaughtUp => "caught up, ms (× raw)",
            Self::Emit => "`emit` µs, median / 99 % / mean",
            Self::Busy => "server / load generator busy",
            Self::Faults => "lost / doubled / out of order",
        }
    }

    fn cell(self, row: &Figures) -> String {
        match self {
            Self::PerMillion => short(row.per_million),
            Self::Ratio | Self::Coded => ratio(row.ratio),
            Self::Bytes => short(row.bytes_each),
            Self::Measuring => row
                .ratio
                .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.3}")),
            Self::PerSecond => thousands(row.per_second),
            Self::Latency => format!("{} / {}", short(row.latency[0]), short(row.latency[1])),
            Self::LatencyRatio => ratio(row.latency_ratio),
            Self::Memory => format!("{:.0}", row.memory[2]),
            Self::MemoryEach => short(row.memory_each),
            Self::CaughtUp => row.caught_up_ms.map_or_else(
                || "not all".to_owned(),
                |ms| format!("{ms:.0} ({})", ratio(row.caught_up_ratio)),
            ),
            Self::Emit => row
                .emit_us
                .map_or_else(|| "–".to_owned(), |us| us.map(short).join(" / ")),
            Self::Busy => format!(
                "{:.0} % / {:.0} %",
                row.server_busy * 100.0,
                row.load_busy * 100.0
            ),
            Self::Faults => faults(row),
        }
    }

    /// The one column of a table that is told of before too.
    fn is_compared(self) -> bool {
        matches!(
            self,
            Self::Ratio | Self::MemoryEach | Self::CaughtUp | Self::Emit
        )
    }
}

fn faults(row: &Figures) -> String {
    let mut cell = format!("{} / {} / {}", row.lost, row.doubled, row.reordered);
    for (count, what) in [(row.broken, "cut off"), (row.held_back, "not sent in time")] {
        if count > 0 {
            cell += &format!(", {count} {what}");
        }
    }
    cell
}

/// The table of one case; with what the product had before, where that is known.
pub(crate) fn markdown(outcome: &Outcome, columns: &[Column], before: Option<&Outcome>) -> String {
    let before = before.filter(|_| columns.iter().any(|it| it.is_compared()));
    let mut text = format!("## {}\n\n| server | transport |", outcome.title);
    for column in columns {
        text += &format!(" {} |", column.title());
        if before.is_some() && column.is_compared() {
            text += " before |";
        }
    }
    let extra = columns.iter().filter(|it| it.is_compared()).count();
    let count = columns.len() + before.map_or(0, |_| extra);
    text += &format!("\n| --- | --- |{}", " ---: |".repeat(count));
    for row in &outcome.rows {
        text += &format!("\n| {} | {} |", row.server, row.transport.name());
        let is_own = |it: &&Figures| {
            it.server == "stepcast" && row.server == it.server && row.transport == it.transport
        };
        for column in columns {
            text += &format!(" {} |", column.cell(row));
            if let (Some(before), true) = (before, column.is_compared()) {
                let cell = before.rows.iter().find(is_own).map(|it| column.cell(it));
                text += &format!(" {} |", cell.unwrap_or_default());
            }
        }
    }
    let rounds = outcome.rounds;
    let plural = if rounds == 1 { "" } else { "s" };
    format!("{text}\n\nMedian of {rounds} round{plural}.\n")
}

/// Three figures that count.
pub(crate) fn short(value: f64) -> String {
    match value {
        _ if !value.is_finite() => "–".to_owned(),
        ..10.0 => format!("{value:.2}"),
        ..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), short)
}

/// `1,234,567`.
fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
