//! A pipeline's JSON to read and to change: what is wrong stands at its line, and what is right can be run.

mod text;

use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use serde_json::Value;

use self::text::numbered;
use super::api::{self, Checked, Parameter};
use super::path;
use super::start::form::{What, start_form};
use crate::api::{ApiError, Flaw};
use crate::clock::Timer;
use crate::monitor::words;

/// Something that is wrong, or may be, and its line from 0.
#[derive(Clone, Debug, PartialEq)]
struct Mark {
    line: usize,
    warning: bool,
    path: String,
    words: String,
}

/// What came of the newest check.
#[derive(Clone, Debug, Default, PartialEq)]
enum State {
    /// It is on its way.
    #[default]
    Checking,
    /// There is no telling.
    Unknown(String),
    /// It does not load.
    Wrong(Vec<Mark>),
    /// It can be run.
    Right(Arc<Value>, Vec<Parameter>, Vec<Mark>),
}

impl State {
    fn marks(&self) -> &[Mark] {
        match self {
            Self::Wrong(marks) | Self::Right(_, _, marks) => marks,
            Self::Checking | Self::Unknown(_) => &[],
        }
    }
}

/// The page on which a pipeline is read and changed.
///
/// Which of the stored ones; a new one where the name is empty.
pub(super) fn edit_page(name: String) -> AnyView {
    let loaded = RwSignal::new(None::<Result<String, ApiError>>);
    let title = if name.is_empty() {
        "A new pipeline".to_owned()
    } else {
        name.clone()
    };
    Effect::new(move |_| {
        let name = name.clone();
        leptos::task::spawn_local(async move {
            let text = if name.is_empty() {
                Ok(NEW.to_owned())
            } else {
                api::definition(&name)
                    .await
                    .map(|it| serde_json::to_string_pretty(&it).unwrap_or_default())
            };
            // none where the page was left meanwhile
            let _gone = loaded.try_set(Some(text));
        });
    });
    view! {
        <section class="edit" aria-labelledby="edit-title">
            <h1 id="edit-title">{title}</h1>
            {move || match loaded.get() {
                None => view! { <p class="empty">"Loading the pipeline…"</p> }.into_any(),
                Some(Err(error)) => view! {
                    <p class="note" data-tone="failed" role="alert">{format!("The pipeline could not be read: {error}")}</p>
                }.into_any(),
                Some(Ok(text)) => view! { <Editor first=text/> }.into_any(),
            }}
        </section>
    }
    .into_any()
}

/// The text, what is wrong with it, and the form that runs it.
#[component]
fn Editor(first: String) -> AnyView {
    let text = RwSignal::new(first.clone());
    let state = RwSignal::new(State::default());
    let changed = Memo::new(move |_| text.with(|text| *text != first));
    let rest = StoredValue::new_local(None::<Timer>);
    Effect::new(move |before: Option<()>| {
        text.track();
        state.set(State::Checking);
        // the first time at once, then when the typing rests
        let wait = if before.is_none() {
            Duration::ZERO
        } else {
            TYPING_RESTS
        };
        rest.set_value(Some(Timer::after(wait, move || check(text, state))));
    });
    let marks = Memo::new(move |_| state.with(|state| state.marks().to_vec()));
    let go = RwSignal::new(None::<usize>);
    let said = move || {
        state.with(|state| match state {
            State::Checking => "Checking…".to_owned(),
            State::Unknown(why) => why.clone(),
            State::Wrong(marks) => words::counted(marks.len() as u64, "problem"),
            State::Right(_, _, marks) if marks.is_empty() => "It loads.".to_owned(),
            State::Right(_, _, marks) => {
                format!(
                    "It loads, with {}.",
                    words::counted(marks.len() as u64, "warning")
                )
            }
        })
    };
    let tone = move || {
        state.with(|state| match state {
            State::Checking => "plain",
            State::Unknown(_) | State::Wrong(_) => "failed",
            State::Right(..) => "good",
        })
    };
    let list = move || marks.with(|marks| marks.iter().map(|mark| item(mark, go)).collect_view());
    view! {
        <div class="edit-main">
            {numbered(text, marks, go)}
            <div class="edit-side">
                <p class="edit-state" role="status" data-testid="edit-state" data-tone=tone>{said}</p>
                <ol class="edit-marks">{list}</ol>
                {move || runs(&state.get())}
                <p class="field-about">
                    {move || if changed.get() { "Changes live in this page only: the stored file stays as it is." } else { "" }}
                </p>
            </div>
        </div>
    }
    .into_any()
}

/// One thing that is wrong; a click leads to its line.
fn item(mark: &Mark, go: RwSignal<Option<usize>>) -> AnyView {
    let line = mark.line;
    let kind = if mark.warning { "warning" } else { "problem" };
    view! {
        <li data-kind=kind>
            <button class="quiet edit-mark" type="button" data-testid="edit-mark" on:click=move |_| go.set(Some(line))>
                <b>{format!("Line {}", line + 1)}</b> " " <code>{mark.path.clone()}</code>
                <span>{mark.words.clone()}</span>
            </button>
        </li>
    }
    .into_any()
}

/// The form that runs what loads.
fn runs(state: &State) -> Option<AnyView> {
    let State::Right(definition, parameters, _) = state else {
        return None;
    };
    let head = view! { <h2>"Run it"</h2> }.into_any();
    let (what, parameters) = (What::Definition(Arc::clone(definition)), parameters.clone());
    let form = start_form(what, "edited", parameters, head, ().into_any());
    Some(view! { <div class="pipeline">{form}</div> }.into_any())
}

/// Asks the server what is wrong with the text as it stands.
fn check(text: RwSignal<String>, state: RwSignal<State>) {
    let Some(asked) = text.try_get_untracked() else {
        return;
    };
    let definition = match serde_json::from_str::<Value>(&asked) {
        Ok(definition) => definition,
        Err(error) => return state.set(State::Wrong(vec![syntax(&error)])),
    };
    leptos::task::spawn_local(async move {
        let answer = api::validate(&definition).await;
        // an answer to what stands there no more, or nowhere
        if text.try_with_untracked(|text| *text == asked) == Some(true) {
            state.set(judged(&asked, definition, answer));
        }
    });
}

fn judged(text: &str, definition: Value, answer: Result<Checked, ApiError>) -> State {
    let marks = |flaws: &[Flaw], warning| {
        let marks = flaws.iter().map(|flaw| Mark {
            line: path::line(text, &flaw.path),
            warning,
            path: flaw.path.clone(),
            words: flaw.inside(),
        });
        marks.collect::<Vec<_>>()
    };
    match answer {
        Ok(checked) => {
            let warnings = marks(&checked.warnings, true);
            State::Right(Arc::new(definition), checked.parameters, warnings)
        }
        Err(ApiError::Refused(problem)) if !problem.errors.is_empty() => {
            State::Wrong(marks(&problem.errors, false))
        }
        Err(error) => State::Unknown(format!("It could not be checked: {error}.")),
    }
}

/// What is no JSON, as its reader says it.
fn syntax(error: &serde_json::Error) -> Mark {
    let words = error.to_string();
    let (words, _) = words.rsplit_once(" at line ").unwrap_or((&words, ""));
    Mark {
        line: error.line().saturating_sub(1),
        warning: false,
        path: format!("column {}", error.column()),
        words: format!("No JSON: {words}"),
    }
}

/// So long after the last key the text is checked.
const TYPING_RESTS: Duration = Duration::from_millis(400);

/// What a new pipeline begins as.
const NEW: &str = r#"{
  "name": "New",
  "parameters": [
    {"name": "name", "type": "string", "default": "you", "description": "Whom to greet"}
  ],
  "steps": [
    {"id": "greet", "type": "set", "config": {"values": {"words": "Hello, {{ parameters.name }}!"}}}
  ],
  "flow": {"start_at": "greet"}
}"#;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_flaw_stands_at_its_line() {
        let problem = json!({"title": "no", "status": 422, "errors": [
            {"path": "$.steps[0].type", "message": "unknown kind of step `htpp`", "suggestion": "http"}]});
        let refused = ApiError::Refused(Box::new(serde_json::from_value(problem).unwrap()));
        let text = "{\"steps\": [\n  {\"id\": \"a\",\n   \"type\": \"htpp\"}]}";
        let State::Wrong(marks) = judged(text, Value::Null, Err(refused)) else {
            panic!("it does not load");
        };
        assert_eq!(
            (marks[0].line, marks[0].words.as_str()),
            (2, "unknown kind of step `htpp`; did you mean `http`?")
        );
        let broken = serde_json::from_str::<Value>("{\n \"a\": }").unwrap_err();
        assert_eq!(
            (syntax(&broken).line, syntax(&broken).words.as_str()),
            (1, "No JSON: expected value")
        );
        assert!(matches!(
            judged("{}", Value::Null, Err(ApiError::Unreachable)),
            State::Unknown(_)
        ));
    }
}
