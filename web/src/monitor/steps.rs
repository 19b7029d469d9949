//! The steps of a run, along one line.

use leptos::prelude::*;

use super::actions::Actions;
use super::step::StepItem;
use crate::store::Store;

/// The list of steps.
#[component]
pub fn Steps(
    /// What is known of the run.
    store: Store,
    /// What a person can set off.
    actions: Actions,
) -> impl IntoView {
    let empty = Memo::new(move |_| store.run(|view| view.steps.is_empty()));
    view! {
        <section class="steps" aria-labelledby="steps-title">
            <h2 id="steps-title">"Steps"</h2>
            <Show when=move || empty.get()>
                <p class="empty">"No step has begun. They appear here the moment the run starts."</p>
            </Show>
            <ol class="rail">
                <For each=move || store.step_ids() key=String::clone let(id)>
                    <StepItem step=store.step(&id) actions/>
                </For>
            </ol>
        </section>
    }
}
