//! What streaming costs: `cargo bench -p stepcast-server --bench streaming`.
//!
//! Figures are compared within one run; on a shared machine absolute times say little. The rows are explained
//! in `docs/benchmarks.md`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod beside;
mod coalesce;
mod emit;
mod latency;
mod overhead;
mod served;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("emit") {
        runtime.block_on(emit::run());
    }
    if wanted("overhead") {
        runtime.block_on(overhead::run());
    }
    if wanted("coalesce") {
        runtime.block_on(coalesce::run());
    }
    if wanted("latency") {
        runtime.block_on(latency::run());
    }
    if wanted("beside") {
        runtime.block_on(beside::run());
    }
}

/// The value below which this share of the sorted values lies.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index"
    )]
    let at = ((sorted.len() as f64 - 1.0) * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}

/// The middle one.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 0.5)
}
