//! The runs, newest first, kept fresh by a light poll while somebody looks.

use std::rc::Rc;
use std::time::Duration;

use leptos::prelude::*;
use stepcast_core::time::Timestamp;

use super::api::{self, Execution, Executions};
use super::filter::{Filter, GROUPS};
use super::poll::Poll;
use super::router::run_address;
use super::sign_in::OfEverybody;
use crate::api::ApiError;
use crate::clock;
use crate::monitor::glyph::{Glyph, known_status};
use crate::monitor::words;

/// What is known of the list.
#[derive(Clone, Debug)]
struct List {
    /// How many runs are asked for.
    limit: u32,
    /// None before the first answer.
    page: Option<Executions>,
    /// Why the last poll failed.
    error: Option<ApiError>,
    now: u64,
    filter: Filter,
}

impl Default for List {
    fn default() -> Self {
        Self {
            limit: PAGE,
            page: None,
            error: None,
            now: 0,
            filter: Filter::default(),
        }
    }
}

/// The list of runs.
#[component]
pub fn Runs() -> AnyView {
    let list = RwSignal::new(List::default());
    let poll = StoredValue::new_local(None::<Rc<Poll>>);
    Effect::new(move |_| poll.set_value(Some(Poll::start(move || ask_once(list)))));
    let ids = Memo::new(move |_| {
        list.with(|list| {
            let runs = list.page.iter().flat_map(|page| &page.executions);
            let runs = runs.filter(|run| {
                let name = run.pipeline.as_deref().unwrap_or_default();
                let owner = run.owner.as_deref().unwrap_or_default();
                list.filter.finds([name, &run.execution_id, owner])
            });
            runs.map(|run| run.execution_id.clone()).collect::<Vec<_>>()
        })
    });
    let error = Memo::new(move |_| list.with(|list| list.error.as_ref().map(ToString::to_string)));
    let loaded = Memo::new(move |_| list.with(|list| list.page.is_some()));
    let more = Memo::new(move |_| {
        list.with(|list| {
            let page = list.page.as_ref();
            list.limit < MOST && page.is_some_and(|page| page.next.is_some())
        })
    });
    let ask = move || {
        poll.with_value(|poll| {
            if let Some(poll) = poll {
                poll.arm(Duration::ZERO);
            }
        });
    };
    let show_more = move |_| {
        list.update(|list| list.limit = MOST.min(list.limit + PAGE));
        ask();
    };
    let filtered = Memo::new(move |_| list.with(|list| !list.filter.is_empty()));
    let owners = use_context::<OfEverybody>();
    let owners = Memo::new(move |_| owners.is_some_and(|everybody| everybody.0.get()));
    view! {
        <section class="runs" aria-labelledby="runs-title">
            <div class="runs-head">
                <h1 id="runs-title">"Runs"</h1>
                <p class="runs-error" role="status">
                    {move || error.get().map(|error| format!("Not up to date: {error}. Trying again."))}
                </p>
                <Search list on_change=Callback::new(move |()| ask())/>
            </div>
            <Show when=move || !loaded.get() && error.with(Option::is_none)>
                <ul class="run-list" aria-busy="true" aria-label="Loading">
                    <li class="run-row skeleton"></li><li class="run-row skeleton"></li><li class="run-row skeleton"></li>
                </ul>
            </Show>
            <Show when=move || loaded.get() && filtered.get() && ids.with(Vec::is_empty)>
                <div class="blank" data-testid="no-match">
                    <h2>"No run matches"</h2>
                    <p>{move || list.with(looked_through)}</p>
                    <p><a href="#/">"Show all runs"</a></p>
                </div>
            </Show>
            <Show when=move || loaded.get() && !filtered.get() && ids.with(Vec::is_empty)>
                <div class="blank">
                    <h2>"Nothing has run yet"</h2>
                    <p>"Start a pipeline from the list beside this, and watch it here while it runs. Or start one from a terminal:"</p>
                    <pre><code>"stepcast run FILE"</code></pre>
                </div>
            </Show>
            <ul class="run-list" class:with-owners=move || owners.get()>
                <For each=move || ids.get() key=String::clone let(id)><RunRow id list owners/></For>
            </ul>
            <Show when=move || more.get()>
                <button type="button" on:click=show_more>"Show more"</button>
            </Show>
        </section>
    }
    .into_any()
}

/// The filter over the list. It is in the address, so that it can be shared, and comes back with it.
#[component]
fn Search(list: RwSignal<List>, on_change: Callback<()>) -> AnyView {
    let owners = use_context::<OfEverybody>();
    let looked_for = move || {
        let owners = owners.is_some_and(|everybody| everybody.0.get());
        if owners {
            "Pipeline, id or owner"
        } else {
            "Pipeline or id"
        }
    };
    let filter = Memo::new(move |_| list.with(|list| list.filter.clone()));
    let take = move |filter: Filter| {
        let held = list.with_untracked(|list| list.filter.clone());
        if held == filter {
            return;
        }
        let other = held.statuses() != filter.statuses();
        list.update(|list| {
            // what was listed is of other statuses
            list.page = list.page.take().filter(|_| !other);
            list.filter = filter;
        });
        if other {
            on_change.run(());
        }
    };
    let read = move || take(Filter::parse(&location().hash().unwrap_or_default()));
    Effect::new(move |_| {
        read();
        let listener = window_event_listener(leptos::ev::hashchange, move |_| read());
        on_cleanup(move || listener.remove());
    });
    let write = move |change: &dyn Fn(&mut Filter)| {
        let mut filter = list.with_untracked(|list| list.filter.clone());
        change(&mut filter);
        // replaced, not pushed: a letter is no step to go back by; fails for no address of this page
        if let Ok(history) = window().history() {
            let null = wasm_bindgen::JsValue::NULL;
            let _replaced = history.replace_state_with_url(&null, "", Some(&filter.address()));
        }
        take(filter);
    };
    let options = GROUPS
        .into_iter()
        .map(|(name, words, _)| view! { <option value=name>{words}</option> });
    view! {
        <form class="runs-filter" role="search" aria-label="Runs" on:submit=|event| event.prevent_default()>
            <select
                aria-label="Status" data-testid="runs-status" prop:value=move || filter.with(|filter| filter.status.clone())
                on:change=move |event| write(&|filter| filter.status = event_target_value(&event))
            >
                <option value="">"any status"</option>
                {options.collect_view()}
            </select>
            <input
                id="runs-search" type="search" aria-label=looked_for placeholder=looked_for autocomplete="off"
                prop:value=move || filter.with(|filter| filter.text.clone())
                on:input=move |event| write(&|filter| filter.text = event_target_value(&event))
            />
        </form>
    }
    .into_any()
}

/// What was looked through, where nothing was found: not always all that there is.
fn looked_through(list: &List) -> String {
    let held = list.page.as_ref().map_or(0, |page| page.executions.len());
    let more = list.page.as_ref().is_some_and(|page| page.next.is_some());
    match (held, more) {
        (0, _) => "The server has no run of this status.".to_owned(),
        (held, true) => format!("Looked through the newest {held}; there are older ones."),
        (held, false) => format!("Looked through {}.", words::counted(held as u64, "run")),
    }
}

/// One run. The row stays while its content changes: focus is never lost to a poll.
#[component]
fn RunRow(id: String, list: RwSignal<List>, owners: Memo<bool>) -> impl IntoView {
    let key = id.clone();
    let run = Memo::new(move |_| {
        list.with(|list| {
            let mut runs = list.page.iter().flat_map(|page| &page.executions);
            runs.find(|run| run.execution_id == key).cloned()
        })
    });
    let status = Memo::new(move |_| {
        run.with(|run| {
            run.as_ref()
                .map_or("unknown", |run| known_status(&run.status))
        })
    });
    let name = move || {
        let run = run.get();
        run.and_then(|run| run.pipeline.or(Some(run.execution_id)))
            .unwrap_or_default()
    };
    let times = Memo::new(move |_| {
        let now = list.with(|list| list.now);
        run.with(|run| run.as_ref().map(|run| times(run, now)).unwrap_or_default())
    });
    let percent = Memo::new(move |_| {
        run.with(|run| {
            run.as_ref()
                .map_or(0, |run| words::percent(run.progress.unwrap_or_default()))
        })
    });
    let events = Memo::new(move |_| run.with(|run| run.as_ref().map_or(0, |run| run.last_seq)));
    // one from before there were accounts is nobody's
    let owner = move || {
        let owner = run.with(|run| run.as_ref().and_then(|run| run.owner.clone()));
        let nobody = owner.is_none();
        let name = owner.unwrap_or_else(|| "nobody".to_owned());
        owners.get().then(|| view! { <span class="run-owner" class:nobody=nobody><span class="sr-only">"of "</span>{name}</span> })
    };
    let (href, shown) = (run_address(&id), id.clone());
    view! {
        <li class="run-row" data-testid="run-row" data-execution-id=shown data-status=status>
            <a href=href>
                <Glyph status/>
                <span class="run-name">{name}</span>
                <code class="run-id">{id}</code>
                <span class="run-status">
                    {move || words_of(status.get())}
                    {move || (status.get() == "running").then(|| format!(" {} %", percent.get()))}
                </span>
                {owner}
                <span class="run-when">{move || times.get().0}</span>
                <span class="run-took">{move || times.get().1}</span>
                <span class="run-events">{move || words::counted(events.get(), "event")}</span>
                <progress max="100" value=move || percent.get().to_string() aria-label="Progress"></progress>
            </a>
        </li>
    }
}

/// When a run began, and how long it took or has taken.
fn times(run: &Execution, now: u64) -> (String, String) {
    let millis = |text: &Option<String>| {
        let text = text.clone()?;
        Timestamp::from(text).unix_millis()
    };
    let began = millis(&run.started_at).or_else(|| millis(&run.created_at));
    let when = began.map(|at| words::ago(now.saturating_sub(at)));
    let took = began.map(|began| match millis(&run.ended_at) {
        Some(ended) => words::duration(ended.saturating_sub(began) as f64),
        None => words::elapsed(now.saturating_sub(began) as f64),
    });
    (when.unwrap_or_default(), took.unwrap_or_default())
}

/// A status in a word for people.
fn words_of(status: &'static str) -> &'static str {
    match status {
        "waiting" => "waiting for a person",
        "producer_lost" => "producer lost",
        "timeout" => "timed out",
        status => status,
    }
}

/// Asks for the list; how long until it is asked for again.
async fn ask_once(list: RwSignal<List>) -> Duration {
    let asked = |list: &List| (list.limit, list.filter.statuses());
    let Some((limit, statuses)) = list.try_with_untracked(asked) else {
        return INTERVAL;
    };
    let answer = api::executions(limit, statuses).await;
    // none where the page was left meanwhile
    let fits = list.try_update(|list| {
        list.now = clock::unix_millis();
        // what was asked for before the filter was changed is no answer to it
        let fits = list.filter.statuses() == statuses;
        match answer {
            Ok(page) if fits => {
                list.page = Some(page);
                list.error = None;
            }
            Ok(_) => {}
            Err(error) => list.error = Some(error),
        }
        fits
    });
    if fits == Some(false) {
        Duration::ZERO
    } else {
        INTERVAL
    }
}

const INTERVAL: Duration = Duration::from_secs(2);
/// How many more runs are shown at a time.
const PAGE: u32 = 50;
/// The most runs that the server lists at once.
const MOST: u32 = 500;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_run_says_when_and_how_long() {
        let mut run: Execution =
            serde_json::from_value(json!({"execution_id":"e","status":"running",
            "created_at":"1970-01-01T00:00:00Z","started_at":"1970-01-01T00:00:01Z"}))
            .unwrap();
        assert_eq!(
            times(&run, 181_000),
            ("3 min ago".into(), "3 min 00 s".into())
        );
        run.ended_at = Some("1970-01-01T00:00:03.500Z".into());
        assert_eq!(times(&run, 181_000).1, "2.5 s");
    }
}
