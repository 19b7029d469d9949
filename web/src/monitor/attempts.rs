//! What became of each attempt of a step: the history that its newest state hides.

use leptos::prelude::*;
use stepcast_core::view::SpanOutcome;

use super::timeline::told;
use super::words;
use crate::store::Step;

/// The attempts of a step that was tried or came by more than once, folded, the newest first.
#[component]
pub fn Attempts(
    /// The step.
    step: Step,
) -> AnyView {
    let count = step.memo(|step| step.spans.len() as u64 + step.spans_dropped);
    let failed = step.memo(|step| {
        let failed = |outcome| matches!(outcome, SpanOutcome::Failed | SpanOutcome::Retried);
        let spans = step.spans.iter();
        spans.filter(|span| failed(span.outcome)).count() as u64
    });
    let lines = step.memo(|step| {
        let mut lines: Vec<_> = (step.spans_dropped..)
            .zip(step.spans.iter().map(told))
            .collect();
        lines.reverse();
        lines
    });
    let summary = move || match failed.get() {
        0 => words::count(count.get()),
        n => format!("{}, {} failed", words::count(count.get()), words::count(n)),
    };
    view! {
        <Show when=move || { count.get() > 1 }>
            <details class="fold" data-testid="attempts">
                <summary>"Attempts " <span class="fold-more">{summary}</span></summary>
                <ol class="logs" tabindex="0" aria-label="Attempts">
                    <For each=move || lines.get() key=Clone::clone let((_, words))><li>{words}</li></For>
                </ol>
            </details>
        </Show>
    }
    .into_any()
}
