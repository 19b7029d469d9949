//! Outputs: JSON that unfolds where it is opened. Text only, never markup.

use std::sync::Arc;

use leptos::prelude::*;
use serde_json::Value;

use super::copy::Copy;
use super::words;

/// A folded value with its title; what is inside is drawn when it is opened.
#[component]
pub fn Output(
    /// What it is: `Output`, `Input`.
    title: &'static str,
    /// The value.
    value: Value,
    /// Whether it starts unfolded.
    #[prop(optional)]
    open: bool,
) -> impl IntoView {
    let preview = preview(&value);
    let value = Arc::new(value);
    let copied = {
        let value = Arc::clone(&value);
        move || serde_json::to_string_pretty(&*value).unwrap_or_default()
    };
    view! {
        <Fold open summary=view! { {title} " " <span class="fold-more">{preview}</span> }.into_any()>
            <div class="json" data-testid="json" role="group" aria-label=title>
                <div class="json-copy"><Copy text=copied.clone()/></div>
                {node(None, &Place::root(Arc::clone(&value)))}
            </div>
        </Fold>
    }
}

/// A `details` whose inside is drawn when it is first opened.
#[component]
fn Fold(summary: AnyView, children: ChildrenFn, #[prop(optional)] open: bool) -> impl IntoView {
    let (drawn, draw) = signal(open);
    view! {
        <details class="fold" open=open on:toggle=move |_| draw.set(true)>
            <summary>{summary}</summary>
            {move || drawn.get().then(|| children())}
        </details>
    }
}

/// A place inside a value.
#[derive(Clone)]
struct Place {
    root: Arc<Value>,
    path: Vec<Key>,
}

#[derive(Clone)]
enum Key {
    Field(String),
    Item(usize),
}

impl Place {
    const fn root(root: Arc<Value>) -> Self {
        Self {
            root,
            path: Vec::new(),
        }
    }

    fn child(&self, key: Key) -> Self {
        let mut path = self.path.clone();
        path.push(key);
        Self {
            root: Arc::clone(&self.root),
            path,
        }
    }

    fn value(&self) -> &Value {
        self.path.iter().fold(&*self.root, |value, key| {
            match key {
                Key::Field(name) => value.get(name),
                Key::Item(at) => value.get(at),
            }
            .unwrap_or(&Value::Null)
        })
    }

    /// The keys of the children from `from` on, [`PAGE`] of them, and how many there are in all.
    fn keys(&self, from: usize) -> (Vec<Key>, usize) {
        match self.value() {
            Value::Array(items) => {
                let to = items.len().min(from + PAGE);
                ((from..to).map(Key::Item).collect(), items.len())
            }
            Value::Object(fields) => {
                let names = fields.keys().skip(from).take(PAGE);
                (names.cloned().map(Key::Field).collect(), fields.len())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (Vec::new(), 0),
        }
    }
}

fn node(name: Option<String>, place: &Place) -> AnyView {
    let name = name.map(|name| view! { <span class="json-key">{name}</span>": " });
    match place.value() {
        Value::Array(items) if !items.is_empty() => branch(name.into_any(), place),
        Value::Object(fields) if !fields.is_empty() => branch(name.into_any(), place),
        leaf @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => {
            let (kind, text, cut) = leaf_text(leaf);
            let place = place.clone();
            let (whole, show) = signal(false);
            view! {
                <div class="json-leaf">
                    {name}
                    <span class="json-value" data-kind=kind>
                        {move || if whole.get() { leaf_whole(place.value()) } else { text.clone() }}
                    </span>
                    {(cut > 0).then(|| view! {
                        <button class="quiet" type="button" class:hidden=move || whole.get() on:click=move |_| show.set(true)>
                            {format!("and {}", words::counted(cut as u64, "more character"))}
                        </button>
                    })}
                </div>
            }
            .into_any()
        }
    }
}

fn branch(name: AnyView, place: &Place) -> AnyView {
    let summary =
        view! { {name} <span class="fold-more">{preview(place.value())}</span> }.into_any();
    // the top is open: its fold is the panel's own
    let open = place.path.is_empty();
    let place = place.clone();
    if open {
        return view! { <Children place/> }.into_any();
    }
    view! {
        <Fold summary>
            <Children place=place.clone()/>
        </Fold>
    }
    .into_any()
}

/// The children of a place, a page at a time.
#[component]
fn Children(place: Place) -> AnyView {
    let (pages, set_pages) = signal(1_usize);
    let total = place.keys(0).1;
    let at = StoredValue::new(place);
    let page = move |number: usize| {
        at.with_value(|place| {
            let (keys, _) = place.keys(number * PAGE);
            let draw = |key: Key| {
                let name = match &key {
                    Key::Field(name) => name.clone(),
                    Key::Item(at) => at.to_string(),
                };
                node(Some(name), &place.child(key))
            };
            keys.into_iter().map(draw).collect::<Vec<_>>()
        })
    };
    let left = move || total.saturating_sub(pages.get() * PAGE);
    view! {
        <div class="json-children">
            <For each=move || 0..pages.get() key=|number| *number let(number)>{page(number)}</For>
            {move || (left() > 0).then(|| view! {
                <button class="quiet" type="button" on:click=move |_| set_pages.update(|pages| *pages += 1)>
                    {format!("{} more", words::count(left() as u64))}
                </button>
            })}
        </div>
    }
    .into_any()
}

/// What a folded value holds, in one line.
fn preview(value: &Value) -> String {
    match value {
        Value::Array(items) => words::counted(items.len() as u64, "item"),
        Value::Object(fields) if fields.is_empty() => "empty".to_owned(),
        Value::Object(fields) => {
            let mut line = fields
                .keys()
                .take(5)
                .cloned()
                .collect::<Vec<_>>()
                .join(", ");
            if fields.len() > 5 {
                line.push_str(", …");
            }
            cut(&line, PREVIEW_CHARS).0
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            cut(&leaf_whole(value), PREVIEW_CHARS).0
        }
    }
}

fn leaf_whole(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A leaf's kind, its text as shown, and how many characters that leaves out.
fn leaf_text(value: &Value) -> (&'static str, String, usize) {
    let kind = match value {
        Value::String(_) => "string",
        Value::Number(_) => "number",
        Value::Null | Value::Bool(_) => "word",
        Value::Array(_) | Value::Object(_) => "empty",
    };
    let (text, left) = cut(&leaf_whole(value), LEAF_CHARS);
    (kind, text, left)
}

/// The first characters of a text, and how many were left out.
fn cut(text: &str, most: usize) -> (String, usize) {
    match text.char_indices().nth(most) {
        Some((at, _)) => {
            let (head, tail) = text.split_at(at);
            (format!("{head}…"), tail.chars().count())
        }
        None => (text.to_owned(), 0),
    }
}

/// How many children are drawn at a time.
const PAGE: usize = 100;
/// The longest preview.
const PREVIEW_CHARS: usize = 80;
/// The longest text that is drawn at once.
const LEAF_CHARS: usize = 2000;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_preview_is_one_short_line() {
        assert_eq!(preview(&json!([1, 2, 3])), "3 items");
        assert_eq!(
            preview(&json!({"a":1,"b":2,"c":3,"d":4,"e":5,"f":6})),
            "a, b, c, d, e, …"
        );
        assert_eq!(preview(&json!("ü".repeat(100))).chars().count(), 81);
        assert_eq!(cut("abcdef", 4), ("abcd…".to_owned(), 2));
    }

    #[test]
    fn a_place_is_found_again_and_paged() {
        let value = json!({"rows": (0..250).collect::<Vec<_>>()});
        let rows = Place::root(Arc::new(value)).child(Key::Field("rows".into()));
        assert_eq!(rows.keys(200).0.len(), 50);
        assert_eq!(rows.keys(0).1, 250);
        assert_eq!(rows.child(Key::Item(249)).value(), &json!(249));
        assert_eq!(rows.child(Key::Item(250)).value(), &Value::Null);
    }
}
