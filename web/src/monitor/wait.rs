//! Waits for people: the question with its form, then the answer, for everybody who watches.

use leptos::html;
use leptos::prelude::*;
use serde_json::Value;
use stepcast_core::time::Timestamp;
use stepcast_core::view::{FieldView, StepView, WaitState, WaitView};
use wasm_bindgen::JsCast;

use super::actions::Actions;
use super::draft::shown;
use super::form::Form;
use super::output::OutputOf;
use super::words;
use crate::store::{Reply, Step};

/// The waits of a step, in the order in which they were asked.
#[component]
pub fn Waits(
    /// The step.
    step: Step,
    /// What a person can set off.
    actions: Actions,
) -> AnyView {
    let ids = step.memo(|step| {
        let waits = step.waits.iter();
        waits
            .map(|wait| (wait.wait_id.clone(), wait.asked_at))
            .collect::<Vec<_>>()
    });
    view! {
        <For each=move || ids.get() key=|id| id.clone() let(id)>
            <Wait step id=id.0 actions/>
        </For>
    }
    .into_any()
}

/// One wait.
#[component]
fn Wait(step: Step, id: String, actions: Actions) -> AnyView {
    let key = id.clone();
    let wait = step.memo(move |step| find(step, &key).cloned().unwrap_or_default());
    let state = Memo::new(move |_| wait.with(|wait| wait.state));
    let card = NodeRef::<html::Section>::new();
    let sent = {
        let (store, id) = (step.store(), id.clone());
        move || matches!(store.reply(&id), Some(Reply::Taken))
    };
    // the form that had the focus is gone: who sent it stays at its place
    Effect::new(move |before: Option<WaitState>| {
        let now = state.get();
        if before == Some(WaitState::Pending)
            && now == WaitState::Answered
            && untrack(&sent)
            && let Some(card) = card.get_untracked()
        {
            // fails for no element that is in the page
            let _focused = card.focus();
        }
        now
    });
    let prompt = move || wait.with(|wait| wait.prompt.clone());
    let body = move || match state.get() {
        WaitState::Pending => pending(step, wait.get_untracked(), actions),
        WaitState::Answered => wait.with_untracked(answered).into_any(),
        WaitState::Closed | _ => {
            view! { <p class="wait-told">"It ended without an answer."</p> }.into_any()
        }
    };
    view! {
        <section
            class="wait" data-testid="wait" data-wait-id=id data-state=move || state_name(state.get())
            aria-label="Question" tabindex="-1" node_ref=card
        >
            <p class="wait-prompt">{prompt}</p>
            {body}
        </section>
    }
    .into_any()
}

/// The question, with what there is to know, who is asked, until when, and the form.
fn pending(step: Step, wait: WaitView, actions: Actions) -> AnyView {
    let store = step.store();
    let until = wait.expires_at;
    let left = Memo::new(move |_| {
        let until = until?;
        Some(words::left(until.saturating_sub(store.server_now())))
    });
    let then = until.map(|_| match &wait.default {
        Some(default) => format!(
            "Then it goes on with: {}",
            in_a_line(&wait.form.fields, default)
        ),
        None => "Then the step fails.".to_owned(),
    });
    let asked = (!wait.assigned_users.is_empty())
        .then(|| format!("Asked: {}", wait.assigned_users.join(", ")));
    let title = wait
        .form
        .title
        .clone()
        .filter(|title| Some(title) != wait.prompt.as_ref());
    let about = wait.form.description.clone();
    let context = wait.context.clone().map(context);
    view! {
        <p class="wait-terms">
            {asked.map(|asked| view! { <span data-testid="wait-asked">{asked}</span> })}
            {until.map(|_| view! {
                <span data-testid="wait-left"><b>{move || left.get()}</b> " " {then}</span>
            })}
        </p>
        {context}
        {title.map(|title| view! { <h4 class="form-title">{title}</h4> })}
        {about.map(|about| view! { <p class="form-about">{about}</p> })}
        <Form store wait actions/>
    }
    .into_any()
}

/// What a person is to know: a text as it is, all else as JSON.
fn context(value: Value) -> AnyView {
    if let Some(text) = value.as_str().map(str::to_owned) {
        return view! {
            <div class="wait-context" data-testid="wait-context" tabindex="0" role="group" aria-label="Context">{text}</div>
        }
        .into_any();
    }
    view! {
        <div data-testid="wait-context"><OutputOf title="Context" value open=true/></div>
    }
    .into_any()
}

/// The answer: by whom, when, and what.
fn answered(wait: &WaitView) -> AnyView {
    let when = wait.answered_at.map(|at| {
        let at = Timestamp::from_unix_millis(at);
        format!(
            " at {}",
            words::time_of_day(&at).get(..8).unwrap_or_default()
        )
    });
    let told = match (wait.source.as_deref(), &wait.by) {
        (Some("default"), _) => "Nobody answered: the default was taken".to_owned(),
        (_, Some(by)) => format!("{by} answered"),
        (_, None) => "Answered".to_owned(),
    };
    let entries: Vec<(String, Value)> = match &wait.answer {
        Some(Value::Object(answer)) => answer.clone().into_iter().collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => vec![("answer".to_owned(), other.clone())],
    };
    let rows = entries.into_iter().map(|(name, value)| {
        let field = field_of(&wait.form.fields, &name);
        let label = field
            .map_or(name.as_str(), FieldView::shown_label)
            .to_owned();
        let text = shown(field, &value);
        view! { <dt>{label}</dt> <dd>{text}</dd> }
    });
    let rows = rows.collect_view();
    view! {
        <p class="wait-told" data-testid="answered-by">{told}{when}</p>
        <dl class="wait-answer" data-testid="answer-given">{rows}</dl>
    }
    .into_any()
}

/// An answer in one line.
fn in_a_line(fields: &[FieldView], answer: &Value) -> String {
    let Value::Object(answer) = answer else {
        return shown(None, answer);
    };
    let entries = answer.iter().filter(|(_, value)| !value.is_null());
    let entries = entries.map(|(name, value)| {
        let field = field_of(fields, name);
        let label = field.map_or(name.as_str(), FieldView::shown_label);
        format!("{label}: {}", shown(field, value))
    });
    let line = entries.collect::<Vec<_>>().join(", ");
    if line.is_empty() {
        "no answer".to_owned()
    } else {
        line
    }
}

/// Leads to the first question in the page that is open.
pub(crate) fn go_to_question() {
    if let Some(page) = document().document_element() {
        go_to_question_in(&page);
    }
}

/// Leads to the first question in this element that is open.
pub(super) fn go_to_question_in(within: &web_sys::Element) {
    let open = within.query_selector(".wait[data-state=\"pending\"]");
    let Ok(Some(card)) = open else { return };
    card.scroll_into_view();
    let first = card.query_selector(":is(input, textarea, select, button):not(:disabled)");
    if let Ok(Some(first)) = first
        && let Ok(first) = first.dyn_into::<web_sys::HtmlElement>()
    {
        // fails for no element that is in the page
        let _focused = first.focus();
    }
}

fn find<'a>(step: &'a StepView, id: &str) -> Option<&'a WaitView> {
    step.waits.iter().find(|wait| wait.wait_id == id)
}

fn field_of<'a>(fields: &'a [FieldView], name: &str) -> Option<&'a FieldView> {
    fields.iter().find(|field| field.name == name)
}

const fn state_name(state: WaitState) -> &'static str {
    match state {
        WaitState::Pending => "pending",
        WaitState::Answered => "answered",
        WaitState::Closed | _ => "closed",
    }
}
