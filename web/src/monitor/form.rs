//! The form by which a person answers a step that waits.

use leptos::ev::SubmitEvent;
use leptos::html;
use leptos::prelude::*;
use stepcast_core::view::{FieldView, WaitView};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::actions::Actions;
use super::draft::{self, Draft};
use super::field::Field;
use crate::api::{Answer, ApiError};
use crate::kept;
use crate::store::{Reply, Store};

/// A form over a wait that takes an answer. What is typed stays until it is taken.
#[component]
pub fn Form(
    /// Where what comes of the answer stands.
    store: Store,
    /// What is asked.
    wait: WaitView,
    /// Whom to give the answer to.
    actions: Actions,
) -> AnyView {
    let id = wait.wait_id.clone();
    let fields: Vec<(FieldView, RwSignal<Draft>)> = (wait.form.fields.into_iter())
        .map(|field| {
            let draft = RwSignal::new(Draft::of(&field));
            (field, draft)
        })
        .collect();
    let names: Vec<String> = fields.iter().map(|(field, _)| field.name.clone()).collect();
    let by = RwSignal::new(String::new());
    Effect::new(move |_| by.set(kept::read(NAME).unwrap_or_default()));
    let own = RwSignal::new(Vec::new());
    let reply = {
        let id = id.clone();
        Memo::new(move |_| store.reply(&id))
    };
    let flaws = Memo::new(move |_| flaws(&names, &own.get(), reply.get().as_ref()));
    let form = NodeRef::<html::Form>::new();
    Effect::new(move |_| {
        if flaws.with(|flaws| !flaws.of_fields.is_empty())
            && let Some(form) = form.get()
        {
            // the fields are marked, and take the focus again, with the next frame
            request_animation_frame(move || focus_flaw(&form));
        }
    });
    let inputs = fields.iter().enumerate().map(|(at, (field, draft))| {
        let name = field.name.clone();
        let flaw = Signal::derive(move || flaws.with(|flaws| flaws.at(&name)));
        view! { <Field field=field.clone() id=format!("wait-{id}-{at}") draft=*draft flaw/> }
    });
    let inputs = inputs.collect_view();
    let any_field = !fields.is_empty();
    let by_id = format!("wait-{id}-by");
    let users = wait.assigned_users;
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let filled = fields
            .iter()
            .map(|(field, draft)| (field, draft.get_untracked()));
        match draft::answer(filled) {
            Ok(answer) => {
                own.set(Vec::new());
                let by = by.get_untracked().trim().to_owned();
                kept::write(NAME, &by);
                let wait_id = id.clone();
                actions.answer(Answer {
                    wait_id,
                    answer,
                    by,
                });
            }
            Err(flaws) => own.set(flaws),
        }
    };
    let busy = Memo::new(move |_| matches!(reply.get(), Some(Reply::Sending | Reply::Taken)));
    view! {
        <form class="form" data-testid="wait-form" node_ref=form on:submit=submit>
            <fieldset class="plain fields" disabled=move || busy.get()>
                {inputs}
                <ByField id=by_id by users/>
            </fieldset>
            <p class="form-problem" role="alert" data-testid="form-problem">{move || flaws.with(|flaws| flaws.whole.clone())}</p>
            <div class="form-foot">
                <button class="primary" type="submit" data-testid="answer" disabled=move || busy.get()>
                    {move || match reply.get() {
                        Some(Reply::Sending) => "Sending…",
                        Some(Reply::Taken) => "Sent",
                        Some(Reply::Refused(_)) | None if any_field => "Send answer",
                        Some(Reply::Refused(_)) | None => "Continue",
                    }}
                </button>
            </div>
        </form>
    }
    .into_any()
}

/// Who answers. There are no accounts: it is what they say.
#[component]
fn ByField(id: String, by: RwSignal<String>, users: Vec<String>) -> impl IntoView {
    let (list, about) = (format!("{id}-users"), format!("{id}-about"));
    let users = users
        .into_iter()
        .map(|user| view! { <option value=user></option> });
    view! {
        <div class="field by">
            <label for=id.clone()>"Your name"</label>
            <input
                id=id type="text" name="name" autocomplete="name" list=list.clone() maxlength="200" data-testid="answer-by"
                prop:value=move || by.get() aria-describedby=about.clone()
                on:input=move |event| by.set(event_target_value(&event))
            />
            <datalist id=list>{users.collect_view()}</datalist>
            <p class="field-about" id=about>"Shown with the answer to everybody who watches. This browser remembers it."</p>
        </div>
    }
}

/// What is wrong with an answer: field by field, and as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
struct Flaws {
    of_fields: Vec<(String, String)>,
    whole: String,
}

impl Flaws {
    fn at(&self, name: &str) -> Option<String> {
        let flaw = self.of_fields.iter().find(|(field, _)| field == name);
        flaw.map(|(_, flaw)| flaw.clone())
    }
}

fn flaws(names: &[String], own: &[(String, String)], reply: Option<&Reply>) -> Flaws {
    if !own.is_empty() {
        return Flaws {
            of_fields: own.to_vec(),
            whole: LOOK.to_owned(),
        };
    }
    let Some(Reply::Refused(error)) = reply else {
        return Flaws::default();
    };
    let ApiError::Refused(problem) = error else {
        return Flaws {
            whole: format!("Not sent: {error}. What you filled in is still here; try again."),
            ..Flaws::default()
        };
    };
    let (mut of_fields, mut whole) = (Vec::new(), Vec::new());
    for flaw in &problem.errors {
        let field = names.iter().find(|name| draft::concerns(&flaw.path, name));
        match field {
            Some(name) => of_fields.push((name.clone(), capital(&flaw.message, name))),
            None => whole.push(flaw.message.clone()),
        }
    }
    if !of_fields.is_empty() {
        whole.insert(0, LOOK.to_owned());
    } else if whole.is_empty() {
        whole.push(refusal(&error.to_string()));
    }
    Flaws {
        of_fields,
        whole: whole.join(" "),
    }
}

/// Why an answer comes to nothing, in words for who gave it: what follows the first sentence is for programs.
fn refusal(detail: &str) -> String {
    let first = detail.split_inclusive(". ").next().unwrap_or_default();
    format!("Not taken. {}", first.trim_end())
}

/// What is wrong with a field, where its name stands above already.
fn capital(message: &str, name: &str) -> String {
    let own = format!("`{name}` ");
    let message = message.strip_prefix(&own).unwrap_or(message);
    let mut rest = message.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest.clone()).collect()
}

/// Leads to the first field that is wrong.
fn focus_flaw(form: &web_sys::HtmlFormElement) {
    let selector = ":is(input, textarea, select)[aria-invalid], fieldset[aria-invalid] input";
    if let Ok(Some(field)) = form.query_selector(selector)
        && let Ok(field) = field.dyn_into::<HtmlElement>()
    {
        // fails for no element that is in the page
        let _focused = field.focus();
    }
}

const LOOK: &str = "Not sent: look at the fields that are marked.";
/// Where the browser keeps the name of who answers.
const NAME: &str = "stepcast.name";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(problem: serde_json::Value) -> Option<Reply> {
        let problem = serde_json::from_value(problem).unwrap();
        Some(Reply::Refused(ApiError::Refused(Box::new(problem))))
    }

    #[test]
    fn a_refusal_is_told_where_it_belongs() {
        let names = ["decision".to_owned(), "score".to_owned()];
        let reply = refused(json!({"status": 422, "title": "no", "errors": [
            {"path": "$.answer.decision", "message": "`decision` is required"},
            {"path": "$.answer.other", "message": "the form has no field `other`"}]}));
        let told = flaws(&names, &[], reply.as_ref());
        assert_eq!(told.at("decision").as_deref(), Some("Is required"));
        assert_eq!(told.at("score"), None);
        assert!(told.whole.starts_with(LOOK) && told.whole.contains("no field"));
        let detail =
            "The question has been answered otherwise. `answered` is the answer that counts.";
        let reply = refused(json!({"status": 409, "title": "Conflict", "detail": detail}));
        assert_eq!(
            flaws(&names, &[], reply.as_ref()).whole,
            "Not taken. The question has been answered otherwise."
        );
        let unreached = Some(Reply::Refused(ApiError::Unreachable));
        assert!(
            flaws(&names, &[], unreached.as_ref())
                .whole
                .contains("still here")
        );
        let own = [("score".to_owned(), "x is no number".to_owned())];
        assert_eq!(
            flaws(&names, &own, None).at("score").as_deref(),
            Some("x is no number")
        );
    }
}
