//! The dashboard: the runs, one run, and the way between them.

pub mod api;
mod edit;
mod filter;
pub mod help;
mod metrics;
mod path;
mod poll;
pub mod router;
pub mod runs;
pub mod sign_in;
pub mod start;
pub mod theme;

use leptos::prelude::*;
use stepcast_core::id::ExecutionId;

use self::edit::edit_page;
use self::help::Help;
use self::metrics::metrics_page;
use self::router::{Route, use_route};
use self::runs::Runs;
use self::sign_in::{SignOut, SignedIn};
use self::start::StartPanel;
use self::theme::ThemeButton;
use crate::monitor::{StreamingPipelineMonitor, Summary};

/// Mounts the dashboard to the page's body.
pub fn mount() {
    mount_to_body(Dashboard);
}

/// The page.
#[component]
fn Dashboard() -> impl IntoView {
    let route = use_route();
    Effect::new(move |_| match route.get() {
        Route::Run { .. } => {}
        Route::Edit(name) if name.is_empty() => set_title("A new pipeline"),
        Route::Edit(name) => set_title(&name),
        Route::Metrics => set_title("Metrics"),
        Route::Runs | Route::Unknown(_) => set_title("Runs"),
    });
    view! {
        <a class="skip" href="#main" on:click=skip_to_main>"Skip to the content"</a>
        <header class="bar">
            <a class="brand" href="#/">
                <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
                    <path d="M3 14h4V9h4V4h6v3h-3v5h-4v5H3z"></path>
                </svg>
                "Stepcast"
            </a>
            <nav aria-label="Pages">
                <a href="#/" aria-current=move || (route.get() == Route::Runs).then_some("page")>"Runs"</a>
                <a href="#/metrics" aria-current=move || (route.get() == Route::Metrics).then_some("page")>"Metrics"</a>
            </nav>
            <SignOut/>
            <Help/>
            <ThemeButton/>
        </header>
        <main id="main" tabindex="-1">
            <SignedIn>
                {move || match route.get() {
                    Route::Runs => view! { <RunsPage/> }.into_any(),
                    Route::Run { id, .. } => view! { <RunPage id/> }.into_any(),
                    Route::Edit(name) => edit_page(name),
                    Route::Metrics => metrics_page(),
                    Route::Unknown(place) => view! { <NotFound place/> }.into_any(),
                }}
            </SignedIn>
        </main>
    }
}

#[component]
fn RunsPage() -> impl IntoView {
    view! {
        <div class="home">
            <Runs/>
            <StartPanel/>
        </div>
    }
}

#[component]
fn RunPage(id: ExecutionId) -> impl IntoView {
    let (problem, set_problem) = signal(None::<String>);
    let cancelled = id.clone();
    let on_cancel = Callback::new(move |()| {
        let id = cancelled.clone();
        leptos::task::spawn_local(async move {
            let answer = api::cancel(&id).await;
            // none where the page was left meanwhile
            let _gone = set_problem.try_set(answer.err().map(|error| error.to_string()));
        });
    });
    let fallback = id.to_string();
    let on_change = Callback::new(move |summary: Summary| {
        let name = summary.name.as_deref().unwrap_or(&fallback);
        set_title(&if summary.ended || summary.status == "waiting" {
            format!("{}: {name}", summary.status)
        } else {
            format!("{} % {name}", summary.percent)
        });
    });
    view! {
        <Show when=move || problem.with(Option::is_some)>
            <p class="note" data-tone="failed" role="alert">
                "The run could not be cancelled: " {move || problem.get().unwrap_or_default()}
            </p>
        </Show>
        <StreamingPipelineMonitor execution_id=id on_cancel on_change/>
    }
}

#[component]
fn NotFound(place: String) -> impl IntoView {
    view! {
        <section class="lost">
            <h1>"There is nothing here"</h1>
            <p>"No page has the address " <code>{place}</code> "."</p>
            <p><a href="#/">"See the runs"</a></p>
        </section>
    }
}

/// Moves the focus without touching the address, which is the router's.
fn skip_to_main(event: leptos::ev::MouseEvent) {
    event.prevent_default();
    if let Some(main) = document().get_element_by_id("main") {
        let main: web_sys::HtmlElement = wasm_bindgen::JsCast::unchecked_into(main);
        // fails for no element that is in the page
        let _focused = main.focus();
    }
}

fn set_title(page: &str) {
    document().set_title(&format!("{page} · Stepcast"));
}
