//! A value as a tree: a page of children at a time, each drawn when it is opened.

use leptos::ev::FocusEvent;
use leptos::prelude::*;
use serde_json::Value;
use wasm_bindgen::JsCast;
use web_sys::Element;

use super::Fold;
use super::place::{Key, PAGE, Place};
use super::short::{cut, leaf, preview};
use super::table::{is_table, table};
use crate::monitor::words;

/// The places that are drawn, and the one that has the focus.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    drawn: StoredValue<Vec<Place>>,
    at: RwSignal<usize>,
}

impl Chosen {
    pub(super) fn new() -> Self {
        Self {
            drawn: StoredValue::new(Vec::new()),
            at: RwSignal::new(0),
        }
    }

    /// Notes a place that is drawn; its number.
    fn add(self, place: &Place) -> usize {
        let added = self.drawn.try_update_value(|drawn| {
            drawn.push(place.clone());
            drawn.len() - 1
        });
        added.unwrap_or_default()
    }

    /// The focus has come to something of the tree.
    pub(super) fn focus(self, event: &FocusEvent) {
        let target = event.target().and_then(|it| it.dyn_into::<Element>().ok());
        let row = target.and_then(|target| target.closest("[data-at]").ok()?);
        let at = row.and_then(|row| row.get_attribute("data-at")?.parse().ok());
        self.at.set(at.unwrap_or(0));
    }

    fn read<T>(self, read: impl FnOnce(&Place) -> T) -> Option<T> {
        let at = self.at.get();
        self.drawn.with_value(|drawn| drawn.get(at).map(read))
    }

    pub(super) fn is_inside(self) -> bool {
        self.read(|place| !place.is_root()).unwrap_or(false)
    }

    pub(super) fn words(self) -> String {
        self.read(Place::words).unwrap_or_default()
    }

    /// The chosen value, as one would paste it: a text as it is, everything else as JSON.
    pub(super) fn text(self) -> String {
        let text = self.read(|place| match place.value() {
            Value::String(text) => text.clone(),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => serde_json::to_string_pretty(other).unwrap_or_default(),
        });
        text.unwrap_or_default()
    }
}

/// A value whose own children are in sight.
pub(super) fn tree(place: &Place, chosen: Chosen) -> AnyView {
    let at = chosen.add(place);
    if place.keys(0).1 == 0 {
        return view! { <div class="json-node" data-at=at.to_string()>{row(None, place)}</div> }
            .into_any();
    }
    view! { <div data-at=at.to_string()>{children(place.clone(), chosen)}</div> }.into_any()
}

fn node(key: &Key, place: &Place, chosen: Chosen) -> AnyView {
    let at = chosen.add(place).to_string();
    let name = key.name();
    if place.keys(0).1 == 0 {
        return view! { <div class="json-node" data-at=at>{row(Some(name), place)}</div> }
            .into_any();
    }
    let place = place.clone();
    let more = preview(place.value());
    let summary = view! {
        <span><span class="json-key">{name}</span>":"</span><span class="fold-more">{more}</span>
    }
    .into_any();
    view! {
        <div class="json-node" data-at=at>
            <Fold summary>{children(place.clone(), chosen)}</Fold>
        </div>
    }
    .into_any()
}

/// A leaf: its text, of which more is shown on demand.
fn row(name: Option<String>, place: &Place) -> AnyView {
    let name = name.map(|name| view! { <span class="json-key">{name}</span>": " });
    let (kind, text) = leaf(place.value());
    let (head, left) = cut(&text, LEAF_CHARS);
    let text_of = move |most: usize| match left {
        0 => (text.clone(), 0),
        _ => cut(&text, most),
    };
    let (most, set_most) = signal(LEAF_CHARS);
    let shown = Memo::new(move |_| match most.get() {
        LEAF_CHARS => (head.clone(), left),
        most => text_of(most),
    });
    let more = move || {
        let (_, left) = shown.get();
        (left > 0).then(|| {
            let next = left.min(MORE_CHARS) as u64;
            view! {
                <button class="quiet" type="button" on:click=move |_| set_most.update(|most| *most += MORE_CHARS)>
                    {format!("{} of {}", words::count(next), words::counted(left as u64, "more character"))}
                </button>
            }
        })
    };
    view! {
        <div class="json-leaf" tabindex="-1">
            {name}
            <span class="json-value" data-kind=kind>{move || shown.with(|(text, _)| text.clone())}</span>
            {(left > 0).then_some(more)}
        </div>
    }
    .into_any()
}

/// The children of a place, a page at a time; rows of a kind as a table, where that is asked for.
fn children(place: Place, chosen: Chosen) -> AnyView {
    if !is_table(place.value()) {
        return list(place, chosen);
    }
    let (tabled, set_tabled) = signal(false);
    let button = move |table: bool, word: &'static str| {
        view! {
            <button
                class="quiet" type="button" aria-pressed=move || (tabled.get() == table).to_string()
                on:click=move |_| set_tabled.set(table)
            >{word}</button>
        }
    };
    view! {
        <div class="json-forms" role="group" aria-label="Show as">{button(false, "Tree")} {button(true, "Table")}</div>
        {move || match tabled.get() {
            true => table(place.clone()),
            false => list(place.clone(), chosen),
        }}
    }
    .into_any()
}

fn list(place: Place, chosen: Chosen) -> AnyView {
    let (pages, set_pages) = signal(1_usize);
    let total = place.keys(0).1;
    let at = StoredValue::new(place);
    let page = move |number: usize| {
        at.with_value(|place| {
            let (keys, _) = place.keys(number * PAGE);
            let draw = |key: Key| node(&key, &place.child(key.clone()), chosen);
            keys.into_iter().map(draw).collect::<Vec<_>>()
        })
    };
    view! {
        <div class="json-children">
            <For each=move || 0..pages.get() key=|number| *number let(number)>{page(number)}</For>
            {more(total, pages, set_pages)}
        </div>
    }
    .into_any()
}

/// A button for the next page, as long as there is one.
pub(super) fn more(
    total: usize,
    pages: ReadSignal<usize>,
    set_pages: WriteSignal<usize>,
) -> AnyView {
    let left = move || total.saturating_sub(pages.get() * PAGE);
    let button = move || {
        (left() > 0).then(|| {
            let next = left().min(PAGE) as u64;
            let on_more = move |_| set_pages.update(|pages| *pages += 1);
            view! {
                <button class="quiet" type="button" data-testid="json-more" on:click=on_more>
                    {format!("{} of {} more", words::count(next), words::count(left() as u64))}
                </button>
            }
        })
    };
    button.into_any()
}

/// The longest text that is drawn at once.
const LEAF_CHARS: usize = 2000;
/// How much of a long text comes with each click.
const MORE_CHARS: usize = 50_000;
