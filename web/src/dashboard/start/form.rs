//! The form that gives a run its parameters.

use std::sync::Arc;

use leptos::ev::SubmitEvent;
use leptos::prelude::*;
use serde_json::{Map, Value};
use stepcast_core::view::FieldView;

use super::parameter;
use crate::api::{ApiError, Flaw};
use crate::dashboard::api::{self, Parameter};
use crate::dashboard::path;
use crate::dashboard::router::go_to_run;
use crate::monitor::draft::Draft;
use crate::monitor::field::Field;

/// What is started.
#[derive(Clone, Debug)]
pub(in crate::dashboard) enum What {
    /// A stored pipeline, by its name.
    Stored(String),
    /// This definition.
    Definition(Arc<Value>),
}

/// What is wrong with a request, where it was not taken.
#[derive(Clone, Debug, Default, PartialEq)]
struct Flaws {
    of_fields: Vec<(String, String)>,
    whole: String,
}

impl Flaws {
    fn own(of_fields: Vec<(String, String)>) -> Self {
        Self {
            of_fields,
            whole: LOOK.to_owned(),
        }
    }

    /// What the server says, each problem at the parameter that its path begins with.
    fn told(error: &ApiError, names: &[String]) -> Self {
        let ApiError::Refused(problem) = error else {
            return Self {
                whole: format!("Not started: {error}."),
                ..Self::default()
            };
        };
        let name_of = |flaw: &Flaw| {
            let first = path::keys(&flaw.path).into_iter().next()?;
            names.iter().find(|name| first.is(name)).cloned()
        };
        let (mut of_fields, mut whole) = (Vec::new(), Vec::new());
        for flaw in &problem.errors {
            match name_of(flaw) {
                Some(name) => of_fields.push((name, flaw.inside())),
                None => whole.push(format!("{}: {}", flaw.path, flaw.inside())),
            }
        }
        if whole.is_empty() && !of_fields.is_empty() {
            return Self::own(of_fields);
        }
        whole.insert(
            0,
            problem
                .detail
                .clone()
                .unwrap_or_else(|| problem.title.clone()),
        );
        Self {
            of_fields,
            whole: whole.join("\n"),
        }
    }

    fn at(&self, name: &str) -> Option<String> {
        let flaws = self.of_fields.iter().filter(|(field, _)| field == name);
        let flaws: Vec<&str> = flaws.map(|(_, flaw)| flaw.as_str()).collect();
        (!flaws.is_empty()).then(|| flaws.join("\n"))
    }
}

/// A form over the parameters, with the button that starts the run: `head` stands beside it, `foot` below. `id` begins
/// the ids of its fields.
pub(in crate::dashboard) fn start_form(
    what: What,
    id: &str,
    parameters: Vec<Parameter>,
    head: AnyView,
    foot: AnyView,
) -> AnyView {
    let names: Vec<String> = parameters.iter().map(|it| it.name.clone()).collect();
    let fields: Vec<(Parameter, FieldView, RwSignal<Draft>)> = (parameters.into_iter())
        .map(|parameter| {
            let field = parameter::field(&parameter);
            let draft = RwSignal::new(Draft::of(&field));
            (parameter, field, draft)
        })
        .collect();
    let (busy, set_busy) = signal(false);
    let flaws = RwSignal::new(Flaws::default());
    let needs = fields.iter().any(|(_, field, _)| field.required);
    let (open, set_open) = signal(needs);
    let inputs = fields
        .iter()
        .enumerate()
        .map(|(at, (parameter, field, draft))| {
            let name = field.name.clone();
            let flaw = Signal::derive(move || flaws.with(|flaws| flaws.at(&name)));
            let mut field = field.clone();
            field.label = Some(format!("{} ({})", field.name, parameter::takes(parameter)));
            view! { <Field field id=format!("{id}-{at}") draft=*draft flaw/> }
        });
    let inputs = inputs.collect_view();
    let any_field = !fields.is_empty();
    let testid = format!("start-{id}");
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let filled: Vec<_> = (fields.iter())
            .map(|(parameter, field, draft)| {
                (parameter.clone(), field.clone(), draft.get_untracked())
            })
            .collect();
        let input = match parameter::input(&filled) {
            Ok(input) => input,
            Err(found) => {
                set_open.set(true);
                return flaws.set(Flaws::own(found));
            }
        };
        set_busy.set(true);
        flaws.set(Flaws::default());
        let (what, names) = (what.clone(), names.clone());
        leptos::task::spawn_local(async move {
            let answer = start(&what, input).await;
            // none where the page was left meanwhile
            let _gone = set_busy.try_set(false);
            match answer {
                Ok(id) => go_to_run(&id),
                Err(error) => {
                    let _gone = set_open.try_set(true);
                    let _gone = flaws.try_set(Flaws::told(&error, &names));
                }
            }
        });
    };
    view! {
        <form on:submit=submit>
            <div class="pipeline-head">
                {head}
                <button class="primary" type="submit" data-testid=testid disabled=move || busy.get()>
                    {move || if busy.get() { "Starting…" } else { "Start" }}
                </button>
            </div>
            {any_field.then(|| view! {
                <details class="fold" prop:open=move || open.get()>
                    <summary>"Parameters"</summary><div class="fields">{inputs}</div>
                </details>
            })}
            <p class="form-problem start-problem" role="alert">{move || flaws.with(|flaws| flaws.whole.clone())}</p>
            {foot}
        </form>
    }
    .into_any()
}

async fn start(what: &What, input: Map<String, Value>) -> Result<String, ApiError> {
    match what {
        What::Stored(name) => api::start(name, input).await,
        What::Definition(definition) => api::start_definition(definition, input).await,
    }
}

/// What stands below a form of which fields are marked.
const LOOK: &str = "Not started: look at the fields that are marked.";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_server_refuses_stands_at_its_field() {
        let problem = json!({"title": "Unprocessable", "status": 422, "detail": "The input does not fit.", "errors": [
            {"path": "$.n", "message": "17 is greater than the maximum of 9"}, {"path": "$.rows[2]['odd key']", "message": "is no text"},
            {"path": "$", "message": "\"a\" is a required property"}]});
        let error = ApiError::Refused(Box::new(serde_json::from_value(problem).unwrap()));
        let names = ["n".to_owned(), "rows".to_owned(), "row".to_owned()];
        let flaws = Flaws::told(&error, &names);
        assert_eq!(
            flaws.at("n").unwrap(),
            "17 is greater than the maximum of 9"
        );
        assert_eq!(flaws.at("rows").unwrap(), "is no text");
        assert_eq!(flaws.at("row"), None);
        assert_eq!(
            flaws.whole,
            "The input does not fit.\n$: \"a\" is a required property"
        );
        assert!(
            Flaws::told(&ApiError::Unreachable, &names)
                .whole
                .contains("does not answer")
        );
    }
}
