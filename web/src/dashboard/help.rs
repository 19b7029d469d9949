//! The keys that work everywhere on the page, and the sheet that tells of them.

use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use crate::monitor::wait::go_to_question;

/// The sheet, opened by `?` or its button.
#[component]
pub fn Help() -> AnyView {
    let sheet = NodeRef::<html::Dialog>::new();
    let open = move || {
        if let Some(sheet) = sheet.get_untracked() {
            // fails where it is open already
            let _open = sheet.show_modal();
        }
    };
    Effect::new(move |_| {
        let listener = window_event_listener(leptos::ev::keydown, move |event| {
            if is_ours(&event) && act(&event.key(), &open) {
                event.prevent_default();
            }
        });
        on_cleanup(move || listener.remove());
    });
    view! {
        <button class="quiet" type="button" data-testid="help" aria-haspopup="dialog" on:click=move |_| open()>
            "Keys " <kbd>"?"</kbd>
        </button>
        <dialog class="help" node_ref=sheet aria-labelledby="help-title" data-testid="help-sheet">
            <form method="dialog" class="help-head">
                <h2 id="help-title">"Keys"</h2>
                <button class="quiet">"Close"</button>
            </form>
            {keys("Everywhere", &EVERYWHERE)}
            {keys("On the page of a run", &RUN)}
            {keys("In the graph", &GRAPH)}
            {keys("In the list of events", &EVENTS)}
        </dialog>
    }
    .into_any()
}

fn keys(title: &'static str, keys: &'static [(&'static str, &'static str)]) -> impl IntoView {
    let row = |(key, what): &(&'static str, &'static str)| {
        view! { <div class="help-row"><dt><kbd>{*key}</kbd></dt><dd>{*what}</dd></div> }
    };
    view! {
        <h3>{title}</h3>
        <dl>{keys.iter().map(row).collect_view()}</dl>
    }
}

/// Whether a key is meant for the page: nobody writes, nothing else is open, and no browser's key is held. A sheet that
/// has been closed may keep the focus for a moment.
fn is_ours(event: &KeyboardEvent) -> bool {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
        return false;
    }
    let target = event
        .target()
        .and_then(|it| it.dyn_into::<web_sys::Element>().ok());
    let elsewhere = "input, textarea, select, dialog[open]";
    let taken = target.is_some_and(|it| matches!(it.closest(elsewhere), Ok(Some(_))));
    !taken
}

/// Does what a key stands for; false where it stands for nothing here.
fn act(key: &str, open: &dyn Fn()) -> bool {
    match key {
        "?" => open(),
        // fails for no hash
        "r" => drop(location().set_hash("#/")),
        "q" => go_to_question(),
        "g" => return press("tab-graph"),
        "t" => return press("tab-timeline"),
        // of the run that is shown, else of all; fails for no hash
        "m" => drop(press("tab-metrics") || location().set_hash("#/metrics").is_ok()),
        "/" => return ["runs-search", "events-filter"].into_iter().any(focus),
        _ => return false,
    }
    true
}

fn press(id: &str) -> bool {
    let found = element(id);
    if let Some(button) = &found {
        button.click();
    }
    found.is_some()
}

fn focus(id: &str) -> bool {
    // fails for no element that is in the page
    element(id).is_some_and(|it| it.focus().is_ok())
}

fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

const EVERYWHERE: [(&str, &str); 4] = [
    ("?", "these keys"),
    ("/", "search the runs, or filter the events"),
    ("r", "the runs"),
    ("m", "the metrics, beside a run its own"),
];
const RUN: [(&str, &str); 3] = [
    ("g", "the graph"),
    ("t", "the timeline"),
    ("q", "the question that waits for a person"),
];
const GRAPH: [(&str, &str); 6] = [
    ("arrows", "from step to step"),
    ("Enter", "to the step in the list"),
    ("Shift + arrows", "move the graph"),
    ("+ −", "larger, smaller"),
    ("0", "all of it"),
    ("f", "go along with what happens"),
];
const EVENTS: [(&str, &str); 3] = [
    ("↑ ↓", "from event to event"),
    ("Home End", "the first, the last"),
    ("Esc", "let go"),
];
