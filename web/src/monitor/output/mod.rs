//! Outputs: JSON that unfolds where it is opened, as a tree or as a table. Text only, never markup.

pub mod changes;
mod diff;
mod keys;
mod place;
mod short;
mod table;
mod tree;

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use self::place::Place;
pub(super) use self::short::json as short_json;
use self::short::preview;
use self::tree::{Chosen, tree};
use super::copy::Copy;

/// A folded value with its title. It is read when it is opened, and drawn as far as it is opened.
#[component]
pub fn Output(
    /// What it is: `Output`, `Input`.
    title: &'static str,
    /// What it holds, in one line.
    preview: String,
    /// Gives the value.
    read: impl Fn() -> Value + Send + Sync + 'static,
    /// Whether it starts unfolded.
    #[prop(optional)]
    open: bool,
) -> AnyView {
    let read = Arc::new(read);
    view! {
        <Fold open summary=view! { {title} " " <span class="fold-more">{preview}</span> }.into_any()>
            <Inside title value=Arc::new(read())/>
        </Fold>
    }
    .into_any()
}

/// A value that is here already, folded.
#[component]
pub fn OutputOf(
    /// What it is.
    title: &'static str,
    /// The value.
    value: Value,
    /// Whether it starts unfolded.
    #[prop(optional)]
    open: bool,
) -> AnyView {
    let preview = preview(&value);
    view! { <Output title preview open read=move || value.clone()/> }.into_any()
}

/// What a value holds, in one line.
pub(super) fn line(value: &Value) -> String {
    preview(value)
}

/// The value, and the place in it that was chosen.
#[component]
fn Inside(title: &'static str, value: Arc<Value>) -> AnyView {
    let chosen = Chosen::new();
    let root = Place::root(Arc::clone(&value));
    let whole = move || serde_json::to_string_pretty(&*value).unwrap_or_default();
    view! {
        <div class="json-frame">
            <div
                class="json" data-testid="json" role="group" aria-label=title tabindex="0"
                on:focusin=move |event| chosen.focus(&event) on:keydown=keys::walk
            >
                {tree(&root, chosen)}
            </div>
            <div class="json-foot">
                <code class="json-path" data-testid="json-path">{move || chosen.words()}</code>
                <Show when=move || chosen.is_inside()>
                    <Copy label="Copy path" text=move || chosen.words()/>
                    <Copy label="Copy value" text=move || chosen.text()/>
                </Show>
                <Copy label="Copy all" text=whole/>
            </div>
        </div>
    }
    .into_any()
}

/// A `details` whose inside is drawn when it is first opened.
#[component]
fn Fold(summary: AnyView, children: ChildrenFn, #[prop(optional)] open: bool) -> AnyView {
    let (drawn, draw) = signal(open);
    view! {
        <details class="fold" open=open on:toggle=move |_| draw.set(true)>
            <summary>{summary}</summary>
            {move || drawn.get().then(|| children())}
        </details>
    }
    .into_any()
}
