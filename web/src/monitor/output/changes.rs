//! What a step changed: its output beside what came before it.

use leptos::prelude::*;
use serde_json::Value;
use stepcast_core::view::RunView;

use super::Fold;
use super::diff::{Change, Diff, Kind, Part, Side, diff};
use crate::monitor::words;
use crate::store::{Step, Store};

/// The difference of a step's output to the run's input or to another step's output, folded.
#[component]
pub fn Changes(
    /// The step.
    step: Step,
) -> AnyView {
    let summary = view! { "Changes " <span class="fold-more">"against what came before"</span> };
    view! {
        <div data-testid="changes"><Fold summary=summary.into_any()><Compared step/></Fold></div>
    }
    .into_any()
}

/// What an output is compared with.
#[derive(Clone, Debug, PartialEq)]
enum Base {
    Input,
    Output(String),
}

impl Base {
    fn words(&self, view: &RunView) -> String {
        match self {
            Self::Input => "the run's input".to_owned(),
            Self::Output(id) => {
                let name = view.step(id).and_then(|step| step.name.as_deref());
                format!("the output of {}", name.unwrap_or(id))
            }
        }
    }

    fn value<'a>(&self, view: &'a RunView) -> Option<&'a Value> {
        match self {
            Self::Input => view.input.as_ref(),
            Self::Output(id) => view.step(id)?.output.as_ref(),
        }
    }

    /// What there is to compare with, what most likely led to the step first.
    fn all(view: &RunView, step: &str) -> Vec<Self> {
        let has_output = |id: &str| view.step(id).is_some_and(|step| step.output.is_some());
        let led: Vec<&str> = (view.paths.iter())
            .filter(|path| path.to == step && path.from != step && path.taken > 0)
            .map(|path| path.from.as_str())
            .filter(|id| has_output(id))
            .collect();
        let others = view.steps.iter().map(|other| other.id.as_str());
        let others = others.filter(|id| *id != step && has_output(id) && !led.contains(id));
        let output = |id: &str| Self::Output(id.to_owned());
        let led_to: Vec<Self> = led.iter().copied().map(output).collect();
        let input = view.input.is_some().then_some(Self::Input);
        led_to
            .into_iter()
            .chain(input)
            .chain(others.map(output))
            .collect()
    }
}

/// The choice of what to compare with, and what differs.
#[component]
fn Compared(step: Step) -> AnyView {
    let (store, id) = (step.store(), step.id());
    let bases = store.peek(|view| Base::all(view, &id));
    if bases.is_empty() {
        return view! { <p class="empty">"There is nothing to compare it with: no input, and no other output."</p> }
            .into_any();
    }
    let options = store.peek(|view| {
        let named = bases.iter().enumerate();
        named
            .map(|(at, base)| view! { <option value=at.to_string()>{base.words(view)}</option> })
            .collect_view()
    });
    let (chosen, choose) = signal(0_usize);
    let bases = StoredValue::new(bases);
    let found = Memo::new(move |_| {
        let base = bases.with_value(|bases| bases.get(chosen.get()).cloned());
        base.map(|base| compare(store, &base, &id))
            .unwrap_or_default()
    });
    view! {
        <label class="changes-base">
            <span>"Against "</span>
            <select on:change=move |event| choose.set(event_target_value(&event).parse().unwrap_or(0))>{options}</select>
        </label>
        <div class="json changes" tabindex="0" role="group" aria-label="Changes">
            {move || found.with(listed)}
        </div>
    }
    .into_any()
}

fn compare(store: Store, base: &Base, id: &str) -> Diff {
    store.peek(|view| {
        let output = view.step(id).and_then(|step| step.output.as_ref());
        let (old, new) = (base.value(view), output);
        diff(old.unwrap_or(&Value::Null), new.unwrap_or(&Value::Null))
    })
}

fn listed(found: &Diff) -> AnyView {
    if found.changes.is_empty() {
        return view! { <p class="json-note">"No difference."</p> }.into_any();
    }
    let more = found.more.then(|| {
        let shown = words::count(found.changes.len() as u64);
        view! { <p class="json-note">{format!("There is more: these are the first {shown}.")}</p> }
    });
    let items = found.changes.iter().map(item).collect_view();
    view! { <ul>{items}</ul> {more} }.into_any()
}

fn item(change: &Change) -> AnyView {
    let path = change.path.clone();
    let (kind, word, inside) = match &change.kind {
        Kind::Added(value) => (
            "added",
            "new",
            view! { <ins>{value.clone()}</ins> }.into_any(),
        ),
        Kind::Removed(value) => (
            "removed",
            "gone",
            view! { <del>{value.clone()}</del> }.into_any(),
        ),
        Kind::Changed(old, new) => {
            let both = view! { <del>{old.clone()}</del> " " <ins>{new.clone()}</ins> };
            ("changed", "changed", both.into_any())
        }
        Kind::Rewritten(parts) => (
            "changed",
            "changed",
            parts.iter().map(part).collect_view().into_any(),
        ),
    };
    view! {
        <li data-kind=kind data-path=change.path.clone()>
            <span class="change-sign" role="img" aria-label=word></span>
            <span class="json-key">{path}</span> " " <span class="change-values">{inside}</span>
        </li>
    }
    .into_any()
}

fn part(part: &Part) -> AnyView {
    let text = part.text.clone();
    match part.side {
        Side::Both => view! { <span>{text}</span> }.into_any(),
        Side::Old => view! { <del>{text}</del> }.into_any(),
        Side::New => view! { <ins>{text}</ins> }.into_any(),
    }
}
