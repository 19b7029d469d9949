//! Starts a run from a stored pipeline, with a form made from its parameters.

pub(super) mod form;
mod parameter;

use leptos::prelude::*;

use self::form::{What, start_form};
use super::api::{self, Pipeline};
use super::router::edit_address;
use crate::api::{ApiError, Flaw};

/// The stored pipelines, each with its form.
#[component]
pub fn StartPanel() -> impl IntoView {
    let pipelines = RwSignal::new(None::<Result<Vec<Pipeline>, ApiError>>);
    let load = move || {
        leptos::task::spawn_local(async move {
            let answer = api::pipelines().await;
            // none where the page was left meanwhile
            let _gone = pipelines.try_set(Some(answer));
        });
    };
    Effect::new(move |_| load());
    view! {
        <section class="start" aria-labelledby="start-title">
            <div class="start-head">
                <h2 id="start-title">"Start a run"</h2>
                <a href=edit_address("")>"Write a pipeline"</a>
            </div>
            {move || match pipelines.get() {
                None => view! { <p class="empty">"Loading the pipelines…"</p> }.into_any(),
                Some(Err(error)) => view! {
                    <p class="note" data-tone="failed" role="alert">{format!("The pipelines could not be read: {error}.")}</p>
                    <button type="button" on:click=move |_| load()>"Try again"</button>
                }.into_any(),
                Some(Ok(list)) if list.is_empty() => view! {
                    <p class="empty">"The server has no stored pipelines. Put pipeline files into its pipeline directory, and they appear here."</p>
                }.into_any(),
                Some(Ok(list)) => view! {
                    <ul class="pipelines">{list.into_iter().map(card).collect_view()}</ul>
                }.into_any(),
            }}
        </section>
    }
}

/// One pipeline.
fn card(pipeline: Pipeline) -> AnyView {
    let Pipeline {
        name,
        title,
        description,
        parameters,
        warnings,
        errors,
    } = pipeline;
    let shown = title.unwrap_or_else(|| name.clone());
    let address = edit_address(&name);
    let edit = view! {
        <a class="pipeline-edit" href=address aria-label=format!("Look at the definition of {shown}")>"Definition"</a>
    };
    if !errors.is_empty() {
        return view! {
            <li class="pipeline" data-testid="pipeline-broken">
                <div class="pipeline-head"><h3>{shown}</h3></div>
                <p class="start-problem">"It does not load."</p>
                {flaws("problem", errors)} {edit}
            </li>
        }
        .into_any();
    }
    let head =
        view! { <div><h3>{shown}</h3><p class="pipeline-about">{description}</p></div> }.into_any();
    let foot = view! { {flaws("warning", warnings)} {edit} }.into_any();
    let what = What::Stored(name.clone());
    view! {
        <li class="pipeline">
            {start_form(what, &name, parameters, head, foot)}
        </li>
    }
    .into_any()
}

/// What is to be said of a pipeline, folded.
fn flaws(what: &'static str, flaws: Vec<Flaw>) -> Option<AnyView> {
    let count = crate::monitor::words::counted(flaws.len() as u64, what);
    (!flaws.is_empty()).then(|| {
        let items = flaws
            .iter()
            .map(|flaw| view! { <li>{flaw.path.clone()} ": " {flaw.inside()}</li> });
        view! {
            <details class="fold">
                <summary>{count}</summary>
                <ul class="warnings">{items.collect_view()}</ul>
            </details>
        }
        .into_any()
    })
}
