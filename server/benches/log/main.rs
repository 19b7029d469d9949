//! What reading the log costs, at every distance from its tail: `cargo bench -p stepcast-server --bench log`.
//!
//! Each table has a server process of its own, so that its memory is measured alone. Figures are compared within
//! one run; on a shared machine absolute times say little. The tables are explained in `docs/benchmarks.md`.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark prints, and ends when something is wrong"
)]

mod cut;
mod late;
mod recorded;
mod replay;
mod served;
mod stalled;
mod wire;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Some(data_dir) = std::env::var_os(served::DATA_DIR) {
        return runtime.block_on(served::serve(data_dir.into()));
    }
    let only = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    if wanted("replay") {
        runtime.block_on(replay::run());
    }
    if wanted("late") {
        runtime.block_on(late::run());
    }
    if wanted("stalled") {
        runtime.block_on(stalled::run());
    }
    if wanted("cut") {
        runtime.block_on(cut::run());
    }
}

/// The value below which this share of the values lies.
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
