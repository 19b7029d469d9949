//! What it costs to keep what producers send: `cargo bench -p stepcast-server --bench ingest`.
//!
//! Every figure stands beside what SQLite, or the disk, does by itself in the same run. The rows are explained in
//! `docs/benchmarks.md`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod bare;
mod http;
mod idle;
mod log;
mod power;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("log") {
        runtime.block_on(log::run());
    }
    if wanted("http") {
        runtime.block_on(http::run());
    }
    if wanted("idle") {
        runtime.block_on(idle::run());
    }
    if wanted("power") {
        runtime.block_on(power::run());
    }
}

/// Producers at once, events in a batch, events in all.
const CELLS: [(usize, usize, usize); 9] = [
    (1, 1, 10_000),
    (1, 10, 50_000),
    (1, 100, 100_000),
    (8, 1, 20_000),
    (8, 10, 100_000),
    (8, 100, 200_000),
    (64, 1, 32_000),
    (64, 10, 128_000),
    (64, 100, 256_000),
];

/// Rounds of each cell; the median counts.
const ROUNDS: usize = 5;

/// The text of an event's `data`: with the rest, some 300 bytes of JSON.
fn text() -> String {
    "x".repeat(140)
}

fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = ((values.len() as f64 - 1.0) * share).round() as usize;
    values.get(at).copied().unwrap_or(f64::NAN)
}

/// One row: what it took, and by how much that is more than SQLite alone.
fn row(cell: (usize, usize, usize), ours: &mut [f64], bare: &mut [f64]) {
    let (producers, batch, events) = cell;
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = |seconds: f64| seconds * 1e6 / events as f64;
    let (ours, bare) = (percentile(ours, 0.5), percentile(bare, 0.5));
    println!(
        "| {producers} | {batch} | {:.1} | {:.1} | {:.2} |",
        each(bare),
        each(ours),
        ours / bare
    );
}

const HEAD: &str = "| producers | batch | SQLite alone, µs an event | here, µs an event | ratio |\n| ---: | ---: | ---: | ---: | ---: |";
