//! An error: what went wrong, of which category, and where.

use leptos::prelude::*;
use stepcast_core::view::ErrorView;

/// An error in words.
#[component]
pub fn ErrorNote(
    /// The error.
    error: ErrorView,
    /// Whether something came after it: a retried attempt is no failure of the step.
    #[prop(into)]
    retried: Signal<bool>,
) -> impl IntoView {
    let place = error.step_id.map(|id| format!(" in {id}"));
    view! {
        <div class="error" data-testid="error" data-retried=move || retried.get().to_string()>
            <p class="error-head">
                {move || if retried.get() { "An earlier attempt failed" } else { "Failed" }}
                {place} <span class="tag">{error.category}</span>
            </p>
            <pre class="error-message" tabindex="0" role="group" aria-label="Error message">{error.message}</pre>
        </div>
    }
}
