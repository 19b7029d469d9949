//! `StreamingPipelineMonitor`: one run of one pipeline, live.
//!
//! The component owns the connection and the store; the parts only read the store.

pub mod actions;
pub mod artifact;
pub mod attempts;
pub mod connection;
pub mod copy;
pub mod draft;
pub mod ending;
pub mod error;
pub mod events;
pub mod field;
pub mod form;
pub mod glyph;
pub mod graph;
pub mod metrics;
pub mod model;
pub mod output;
pub mod overview;
pub mod progress;
pub mod step;
pub mod steps;
mod summary;
pub mod text;
pub mod timeline;
pub mod wait;
pub mod words;

use leptos::prelude::*;
use serde_json::Value;
use stepcast_core::client::{Config, State, Transport};
use stepcast_core::event::EventType;
use stepcast_core::id::{ExecutionId, Position};
use stepcast_core::view::RunView;

use self::actions::Actions;
use self::connection::{Connection, Gaps};
use self::ending::Standing;
use self::events::Events;
use self::glyph::run_status;
use self::output::Output;
use self::overview::Overview;
use self::progress::Progress;
use self::steps::Steps;
use crate::driver::Notice;
use crate::feed::Feed;
use crate::log::Filter;
use crate::store::Store;
pub use crate::summary::Summary;
use crate::{api, clock, transport};

/// Shows one execution: its connection, progress, steps, text, outputs, errors, events and end.
///
/// It connects when it is mounted, recovers by itself, and hangs up when it is unmounted.
#[component]
pub fn StreamingPipelineMonitor(
    /// Which execution.
    execution_id: ExecutionId,
    /// The server's origin, such as `https://example.org`; the page's own where it is left out.
    #[prop(optional, into)]
    base: Option<String>,
    /// The transports to try, in order; all that the browser has where it is left out.
    #[prop(optional)]
    transports: Option<Vec<Transport>>,
    /// Called when a person asks to cancel the run; without it there is no such button.
    #[prop(optional, into)]
    on_cancel: Option<Callback<()>>,
    /// Called whenever the run's summary has changed, at most once a frame.
    #[prop(optional, into)]
    on_change: Option<Callback<Summary>>,
    /// Where to begin; at the first event where it is left out.
    #[prop(optional)]
    after: Option<Position>,
    /// What is shown to a server with accounts; a new one from the next connection on. In the server's own page its
    /// cookie does this.
    #[prop(optional, into)]
    token: Option<Signal<Option<String>>>,
    /// Called with each notice of the stream, in order, once: events, gaps, resets, states of the connection.
    #[prop(optional, into)]
    on_notice: Option<Callback<Notice>>,
    /// A store to fill, for who reads it beside the monitor; one of its own where it is left out.
    #[prop(optional)]
    store: Option<Store>,
) -> impl IntoView {
    let store = store.unwrap_or_default();
    let shown = move || token.and_then(|token| token.get());
    let feed = StoredValue::new_local(None::<Feed>);
    let earlier = format!(
        "{}/api/executions/{execution_id}/events?after=earliest&limit=1000",
        base.as_deref().unwrap_or_default()
    );
    let title = execution_id.to_string();
    let files = api::files(base.as_deref().unwrap_or_default(), &execution_id);
    Effect::new(move |_| {
        let mut config = Config::new(execution_id.clone());
        config.transports = transports.clone().unwrap_or_else(transport::available);
        config.seed = clock::seed();
        config.after = after.unwrap_or_default();
        let base = base.clone().unwrap_or_else(transport::page_origin);
        let heard = move |notice: &Notice| {
            if let Some(on_notice) = on_notice {
                on_notice.run(notice.clone());
            }
        };
        let token = untrack(shown);
        feed.set_value(Some(Feed::start(store, config, base, token, heard)));
    });
    Effect::new(move |_| {
        let token = shown();
        feed.with_value(|feed| feed.as_ref().map(|feed| feed.show(token)));
    });
    if let Some(on_change) = on_change {
        let summary = Memo::new(move |_| store.run(Summary::of));
        Effect::new(move |_| on_change.run(summary.get()));
    }
    let with_feed = move |call: &dyn Fn(&Feed)| feed.with_value(|feed| feed.as_ref().map(call));
    let on_retry = Callback::new(move |()| {
        with_feed(&Feed::retry);
    });
    let on_answer = Callback::new(move |answer: api::Answer| {
        with_feed(&|feed| feed.answer(answer.clone()));
    });
    let on_preview = Callback::new(move |sha256: String| {
        with_feed(&|feed| feed.preview(sha256.clone()));
    });
    let actions = Actions::new(files, on_answer, on_preview);
    view! { <MonitorView store title earlier actions on_retry on_cancel/> }
}

/// The monitor's parts over a store, whoever fills it: a connection, a recording, a test.
#[component]
pub fn MonitorView(
    /// What is known of the run.
    store: Store,
    /// What to call the run while its pipeline is not known.
    title: String,
    /// The address of the run's first events, for those that have left the page.
    earlier: String,
    /// What a person can set off, and where the run's files are.
    actions: Actions,
    /// Called when a person wants to connect again now.
    on_retry: Callback<()>,
    /// Called when a person asks to cancel the run; without it there is no such button.
    on_cancel: Option<Callback<()>>,
) -> impl IntoView {
    let id = title.clone();
    let known = Memo::new(move |_| store.run(|view| view.name.is_some()));
    let name = Memo::new(move |_| {
        store
            .run(|view| view.name.clone())
            .unwrap_or_else(|| title.clone())
    });
    let about = Memo::new(move |_| {
        store
            .run(|view| view.description.clone())
            .unwrap_or_default()
    });
    let nothing = Memo::new(move |_| {
        let refused = matches!(store.connection(), State::Refused { .. });
        refused && store.run(|view| view.events == 0)
    });
    let spoken = Memo::new(move |_| {
        let connection = words::connection_kind(store.connection());
        store.run(|view| speak(view, connection))
    });
    view! {
        <article class="monitor" part="monitor" aria-label="Run" node_ref=store.root()>
            <header class="monitor-head" part="head">
                <div class="monitor-title">
                    <h1>{name}</h1>
                    <code class="monitor-id">{move || known.get().then(|| id.clone())}</code>
                </div>
                <Connection store on_retry/>
                <p class="monitor-about">{about}</p>
            </header>
            <div class="monitor-state" part="state">
                <Standing store/>
                {on_cancel.map(|on_cancel| view! { <Cancel store on_cancel/> })}
                <div class:gone=move || nothing.get()><Progress store/></div>
            </div>
            <Gaps store/>
            <div part="overview" class:gone=move || nothing.get()><Overview store/></div>
            <div class="monitor-main" class:gone=move || nothing.get()>
                <Steps store actions/>
                <div class="monitor-side" part="side">
                    <Facts store/>
                    <Events store earlier/>
                </div>
            </div>
            <p class="sr-only" role="status" aria-live="polite">{spoken}</p>
        </article>
    }
    .into_any()
}

/// The button that asks for the run to be cancelled, as long as it runs.
#[component]
fn Cancel(store: Store, on_cancel: Callback<()>) -> impl IntoView {
    let ended = Memo::new(move |_| {
        let refused = matches!(store.connection(), State::Refused { .. });
        refused || store.run(|view| view.end.is_some())
    });
    let (asked, ask) = signal(false);
    let click = move |_| {
        ask.set(true);
        on_cancel.run(());
        // where the request is lost, the button comes back
        set_timeout(
            move || {
                let _gone = ask.try_set(false);
            },
            CANCEL_PATIENCE,
        );
    };
    view! {
        <button
            class="danger" type="button" data-testid="cancel"
            class:gone=move || ended.get() disabled=move || asked.get() || ended.get() on:click=click
        >{move || if asked.get() { "Cancelling…" } else { "Cancel run" }}</button>
    }
}

/// The run's input and output, folded.
#[component]
fn Facts(store: Store) -> AnyView {
    let input = Memo::new(move |_| store.run(|view| view.input.is_some()));
    let output = Memo::new(move |_| store.run(|view| view.output.is_some()));
    let usage = Memo::new(move |_| store.run(|view| model::usage(&view.usage)));
    let checkpoints = Memo::new(move |_| store.run(|view| view.checkpoints));
    let list_checkpoints = move |_| {
        store.filter_log(|filter| {
            *filter = Filter {
                kind: Some(EventType::CheckpointSaved),
                ..Filter::default()
            };
        });
    };
    let show = move |title: &'static str, read: fn(&RunView) -> &Option<Value>| {
        let preview = store.peek(|view| read(view).as_ref().map(output::line));
        let value = move || store.peek(|view| read(view).clone()).unwrap_or_default();
        view! { <Output title preview=preview.unwrap_or_default() read=value/> }
    };
    view! {
        <section class="facts" part="facts" aria-labelledby="facts-title">
            <h2 id="facts-title">"Run" <span class="facts-usage" data-testid="run-usage">{usage}</span></h2>
            {move || (checkpoints.get() > 0).then(|| view! {
                <p class="facts-checkpoints">
                    {words::counted(checkpoints.get(), "checkpoint")} " saved "
                    <button class="quiet" type="button" on:click=list_checkpoints>"List them"</button>
                </p>
            })}
            {move || input.get().then(|| show("Input", |view| &view.input))}
            {move || output.get().then(|| show("Output", |view| &view.output))}
            <Show when=move || !input.get() && !output.get()>
                <p class="empty">"Its input and output show here."</p>
            </Show>
        </section>
    }
    .into_any()
}

impl Summary {
    fn of(view: &RunView) -> Self {
        Self {
            name: view.name.clone(),
            status: run_status(view),
            ended: view.end.is_some(),
            percent: words::percent(view.progress()),
        }
    }
}

/// What a screen reader hears: each change of state, and progress by quarters.
fn speak(view: &RunView, connection: &str) -> String {
    let link = match connection {
        "waiting" | "connecting" if view.events > 0 => "Reconnecting. ",
        "offline" => "Offline. ",
        "refused" => "The server refused the connection. ",
        _ => "",
    };
    let counts = view.counts();
    let failed = match counts.failed + counts.failed_continued {
        0 => String::new(),
        n => format!(", {}", words::counted(n as u64, "failed step")),
    };
    if view.end.is_some() {
        return format!("{link}Run {}{failed}.", view.status_words());
    }
    let quarter = words::percent(view.progress()) / 25 * 25;
    format!(
        "{link}Run {}, {quarter} percent{failed}.",
        view.status_words()
    )
}

/// How long a cancellation may take before it can be asked for again.
const CANCEL_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
