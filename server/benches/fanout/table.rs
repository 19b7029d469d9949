//! Results as Markdown.

use crate::results::{Figures, Outcome};

/// What a table shows of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    PerMillion,
    Ratio,
    PerSecond,
    Latency,
    LatencyRatio,
    Memory,
    Load,
    Faults,
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::PerMillion => "CPU-s per million",
            Self::Ratio => "× raw",
            Self::PerSecond => "deliveries/s",
            Self::Latency => "latency ms, median / 99 %",
            Self::LatencyRatio => "99 % × raw",
            Self::Memory => "memory MiB",
            Self::Load => "server / load generator busy",
            Self::Faults => "lost / doubled / out of order",
        }
    }

    fn cell(self, row: &Figures) -> String {
        match self {
            Self::PerMillion => short(row.per_million),
            Self::Ratio => ratio(row.ratio),
            Self::PerSecond => thousands(row.per_second),
            Self::Latency => format!("{} / {}", short(row.latency[0]), short(row.latency[1])),
            Self::LatencyRatio => ratio(row.latency_ratio),
            Self::Memory => format!("{:.0}", row.memory[2]),
            Self::Load => format!(
                "{:.0} % / {:.0} %",
                row.server_busy * 100.0,
                row.load_busy * 100.0
            ),
            Self::Faults => {
                let mut cell = format!("{} / {} / {}", row.lost, row.doubled, row.reordered);
                if row.broken > 0 {
                    cell += &format!(", {} broken", row.broken);
                }
                if row.held_back > 0 {
                    cell += &format!(", {} held back", row.held_back);
                }
                cell
            }
        }
    }
}

/// What costs are about.
pub(crate) const SPEED: &[Column] = &[
    Column::PerMillion,
    Column::Ratio,
    Column::PerSecond,
    Column::Latency,
    Column::Memory,
    Column::Load,
    Column::Faults,
];

/// The table of one case.
pub(crate) fn markdown(outcome: &Outcome, columns: &[Column]) -> String {
    let mut text = format!("#### {}\n\n| server | transport |", outcome.title);
    for column in columns {
        text += &format!(" {} |", column.title());
    }
    text += "\n| --- | --- |";
    text += &" ---: |".repeat(columns.len());
    for row in &outcome.rows {
        text += &format!("\n| {} | {} |", row.server, row.transport.name());
        for column in columns {
            text += &format!(" {} |", column.cell(row));
        }
    }
    text + "\n"
}

/// Three figures that count.
fn short(value: f64) -> String {
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
