//! The steps of a run, along one line.

use leptos::prelude::*;
use wasm_bindgen::JsCast;

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
        <section class="steps" part="steps" aria-labelledby="steps-title">
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

/// The element of a step, by which it is found.
pub(super) fn anchor(id: &str) -> String {
    format!("step-{id}")
}

/// Brings a step into sight and gives it the focus.
pub(super) fn go_to_step(store: Store, id: &str) {
    let root = store.root().get_untracked().map(|it| it.get_root_node());
    // a page may hold several monitors, each in a shadow root of its own
    let found = match root.map(JsCast::dyn_into::<web_sys::ShadowRoot>) {
        Some(Ok(shadow)) => shadow.get_element_by_id(&anchor(id)),
        Some(Err(_)) | None => document().get_element_by_id(&anchor(id)),
    };
    if let Some(step) = found.and_then(|it| it.dyn_into::<web_sys::HtmlElement>().ok()) {
        step.scroll_into_view();
        // fails for no element that is in the page
        let _focused = step.focus();
    }
}
