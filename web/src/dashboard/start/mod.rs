//! Starts a run from a stored pipeline, with a form made from its parameters.

use std::collections::BTreeMap;

use leptos::prelude::*;
use serde_json::{Map, Value};

use super::api::{self, Parameter, Pipeline};
use super::router::go_to_run;
use crate::api::ApiError;

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
            <h2 id="start-title">"Start a run"</h2>
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
                    <ul class="pipelines">
                        {list.into_iter().map(|pipeline| view! { <Card pipeline/> }).collect_view()}
                    </ul>
                }.into_any(),
            }}
        </section>
    }
}

/// One pipeline.
#[component]
fn Card(pipeline: Pipeline) -> impl IntoView {
    let Pipeline {
        name,
        title,
        description,
        parameters,
        warnings,
    } = pipeline;
    let values = RwSignal::new(BTreeMap::<String, String>::new());
    let (busy, set_busy) = signal(false);
    let (problem, set_problem) = signal(None::<String>);
    let shown = title.unwrap_or_else(|| name.clone());
    let needs = parameters
        .iter()
        .any(|parameter| parameter.required && parameter.default.is_none());
    let fields = parameters
        .iter()
        .map(|parameter| view! { <Field form=name.clone() parameter=parameter.clone() values/> })
        .collect_view();
    let any_field = !parameters.is_empty();
    let pipeline = name.clone();
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let input = match values.with_untracked(|values| read_input(&parameters, values)) {
            Ok(input) => input,
            Err(flaw) => return set_problem.set(Some(flaw)),
        };
        set_busy.set(true);
        set_problem.set(None);
        let pipeline = pipeline.clone();
        leptos::task::spawn_local(async move {
            let answer = api::start(&pipeline, input).await;
            // none where the page was left meanwhile
            let _gone = set_busy.try_set(false);
            match answer {
                Ok(id) => go_to_run(&id),
                Err(error) => {
                    let _gone = set_problem.try_set(Some(error.to_string()));
                }
            }
        });
    };
    let warned = (!warnings.is_empty()).then(|| {
        let items = warnings.iter().map(|warning| view! { <li>{warning_text(warning)}</li> });
        view! {
            <details class="fold">
                <summary>{crate::monitor::words::counted(warnings.len() as u64, "warning")}</summary>
                <ul class="warnings">{items.collect_view()}</ul>
            </details>
        }
    });
    view! {
        <li class="pipeline">
            <form on:submit=submit>
                <div class="pipeline-head">
                    <h3>{shown}</h3>
                    <button class="primary" type="submit" data-testid=format!("start-{name}") disabled=move || busy.get()>
                        {move || if busy.get() { "Starting…" } else { "Start" }}
                    </button>
                </div>
                <p class="pipeline-about">{description}</p>
                {any_field.then(|| view! {
                    <details class="fold" open=needs><summary>"Parameters"</summary><div class="fields">{fields}</div></details>
                })}
                {warned}
                <Show when=move || problem.with(Option::is_some)>
                    <pre class="note" data-tone="failed" role="alert">{move || problem.get()}</pre>
                </Show>
            </form>
        </li>
    }
}

/// One parameter.
#[component]
fn Field(
    form: String,
    parameter: Parameter,
    values: RwSignal<BTreeMap<String, String>>,
) -> impl IntoView {
    let Parameter {
        name,
        description,
        required,
        default,
        schema,
    } = parameter;
    let id = format!("{form}-{name}");
    let kind = schema
        .as_ref()
        .and_then(|schema| schema.get("type"))
        .and_then(Value::as_str)
        .unwrap_or("any")
        .to_owned();
    let choices = schema
        .as_ref()
        .and_then(|schema| schema.get("enum"))
        .and_then(Value::as_array)
        .cloned();
    let placeholder = default.as_ref().map(plain).unwrap_or_default();
    let must = required && default.is_none();
    let key = name.clone();
    let write = move |text: String| {
        values.update(|values| {
            values.insert(key.clone(), text);
        });
    };
    let input = match choices {
        Some(choices) => {
            let options = choices.iter().map(plain).map(|text| view! { <option>{text}</option> }).collect_view();
            view! {
                <select id=id.clone() required=must on:change=move |event| write(event_target_value(&event))>
                    <option value="">{placeholder}</option>
                    {options}
                </select>
            }
            .into_any()
        }
        None => view! {
            <input
                id=id.clone() type="text" required=must placeholder=placeholder autocomplete="off" spellcheck="false"
                on:input=move |event| write(event_target_value(&event))
            />
        }
        .into_any(),
    };
    view! {
        <div class="field">
            <label for=id>{name} " " <span class="tag">{kind}</span> {must.then_some(" needed")}</label>
            {input}
            <p class="field-about">{description}</p>
        </div>
    }
}

/// The input of a run: what was typed, in the type that each parameter's schema asks for. What was left
/// empty is left out, and the server fills in the default.
fn read_input(
    parameters: &[Parameter],
    values: &BTreeMap<String, String>,
) -> Result<Map<String, Value>, String> {
    let mut input = Map::new();
    for parameter in parameters {
        let Some(text) = values.get(&parameter.name).filter(|text| !text.is_empty()) else {
            continue;
        };
        let kind = parameter
            .schema
            .as_ref()
            .and_then(|schema| schema.get("type"))
            .and_then(Value::as_str);
        let value = match kind {
            Some("string") => Value::String(text.clone()),
            Some("number" | "integer" | "boolean" | "array" | "object") => {
                serde_json::from_str(text).map_err(|_syntax| {
                    format!(
                        "{}: {text} is no {}",
                        parameter.name,
                        kind.unwrap_or_default()
                    )
                })?
            }
            // an untyped parameter takes JSON where it is JSON, and text otherwise
            _ => serde_json::from_str(text).unwrap_or_else(|_syntax| Value::String(text.clone())),
        };
        input.insert(parameter.name.clone(), value);
    }
    Ok(input)
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn warning_text(warning: &Value) -> String {
    let field = |name: &str| warning.get(name).and_then(Value::as_str);
    match (field("path"), field("message")) {
        (Some(path), Some(message)) => format!("{path}: {message}"),
        (None, Some(message)) => message.to_owned(),
        _ => plain(warning),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_typed_becomes_what_the_schema_asks_for() {
        let parameters: Vec<Parameter> = serde_json::from_value(json!([
            {"name":"title","schema":{"type":"string"}}, {"name":"n","schema":{"type":"integer"},"default":3},
            {"name":"any"}, {"name":"left","required":true}
        ]))
        .unwrap();
        let typed = |pairs: &[(&str, &str)]| {
            let values = pairs
                .iter()
                .map(|(name, text)| ((*name).into(), (*text).into()))
                .collect();
            read_input(&parameters, &values).map(Value::Object)
        };
        assert_eq!(
            typed(&[("title", "12"), ("n", "4"), ("any", "plain"), ("left", "")]),
            Ok(json!({"title":"12","n":4,"any":"plain"}))
        );
        assert_eq!(typed(&[("any", "[1]")]), Ok(json!({"any":[1]})));
        assert_eq!(
            typed(&[("n", "four")]),
            Err("n: four is no integer".to_owned())
        );
    }
}
