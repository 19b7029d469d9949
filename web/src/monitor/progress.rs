//! Overall progress: the run as a tape, one cell a step.

use leptos::prelude::*;
use stepcast_core::view::{Counts, StepStatus};

use super::glyph::step_status;
use super::words;
use crate::store::Store;

/// The run's progress, as a bar of cells that show each step's state, and in words.
#[component]
pub fn Progress(
    /// What is known of the run.
    store: Store,
) -> impl IntoView {
    let percent = Memo::new(move |_| store.run(|view| words::percent(view.progress())));
    let counts = Memo::new(move |_| store.run(|view| view.counts()));
    let said = Memo::new(move |_| summary(&counts.get()));
    view! {
        <section class="progress" part="progress" aria-label="Progress">
            <div
                class="tape" role="progressbar" aria-label="Overall progress" aria-valuemin="0" aria-valuemax="100"
                aria-valuenow=move || percent.get().to_string()
                aria-valuetext=move || format!("{} percent, {}", percent.get(), said.get())
            >
                <For each=move || store.step_ids() key=String::clone let(id)>
                    <Cell store id/>
                </For>
            </div>
            <p class="progress-words">
                <span class="progress-percent" data-testid="progress">{move || format!("{} %", percent.get())}</span>
                <span>{said}</span>
            </p>
        </section>
    }
}

/// One step's cell of the tape.
#[component]
fn Cell(store: Store, id: String) -> impl IntoView {
    let step = store.step(&id);
    let status = step.memo(|step| step.status);
    let fill = step.memo(|step| {
        let under_way = matches!(step.status, StepStatus::Running | StepStatus::Retrying);
        let part = step.progress.unwrap_or(0.0);
        if under_way { part } else { 1.0 }
    });
    view! {
        <span
            class="tape-cell" aria-hidden="true" title=id
            data-status=move || step_status(status.get())
            style=("--fill", move || format!("{:.3}", fill.get()))
        ></span>
    }
}

/// What the steps are doing, in words: `3 of 8 steps, 2 running, 1 failed`.
pub fn summary(counts: &Counts) -> String {
    let all = counts.total();
    if all == 0 {
        return "waiting for the first step".to_owned();
    }
    let mut words = format!(
        "{} of {all} step{}",
        counts.finished(),
        if all == 1 { "" } else { "s" }
    );
    for (n, what) in [
        (counts.running, "running"),
        (counts.retrying, "retrying"),
        (counts.waiting, "waiting for a person"),
        (counts.failed + counts.failed_continued, "failed"),
        (counts.skipped, "skipped"),
        (counts.unknown, "unknown"),
    ] {
        if n > 0 {
            words.push_str(&format!(", {n} {what}"));
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_what_there_is() {
        let counts = Counts {
            completed: 2,
            failed_continued: 1,
            running: 2,
            pending: 3,
            ..Counts::default()
        };
        assert_eq!(summary(&counts), "3 of 8 steps, 2 running, 1 failed");
        assert_eq!(summary(&Counts::default()), "waiting for the first step");
    }
}
