//! The run at a glance, in one place of fixed height: its graph, or its timeline.

use leptos::html;
use leptos::prelude::*;

use super::graph::Graph;
use super::timeline::Timeline;
use crate::kept;
use crate::store::Store;

/// The panel, with a tab for each way to look at the run. The choice is kept in the browser.
#[component]
pub fn Overview(
    /// What is known of the run.
    store: Store,
) -> AnyView {
    let shown = RwSignal::new(Way::Graph);
    Effect::new(move |_| {
        if kept::read(KEY).as_deref() == Some(Way::Timeline.id()) {
            shown.set(Way::Timeline);
        }
    });
    let tabs = NodeRef::<html::Div>::new();
    let choose = move |way: Way| {
        shown.set(way);
        kept::write(KEY, way.id());
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        if !matches!(event.key().as_str(), "ArrowLeft" | "ArrowRight") {
            return;
        }
        event.prevent_default();
        let other = shown.get_untracked().other();
        choose(other);
        let tab = tabs.get_untracked();
        let chosen = tab.and_then(|it| it.query_selector(&format!("#tab-{}", other.id())).ok()?);
        if let Some(tab) = chosen {
            let tab: web_sys::HtmlElement = wasm_bindgen::JsCast::unchecked_into(tab);
            // fails for no element that is in the page
            let _focused = tab.focus();
        }
    };
    let tab = move |way: Way| {
        let chosen = move || shown.get() == way;
        view! {
            <button
                class="tab" type="button" role="tab" id=format!("tab-{}", way.id()) data-testid=format!("tab-{}", way.id())
                aria-controls="overview-panel" aria-selected=move || chosen().to_string()
                tabindex=move || if chosen() { "0" } else { "-1" } on:click=move |_| choose(way)
            >{way.title()}</button>
        }
    };
    view! {
        <section class="overview" aria-label="Overview">
            <div class="tabs" role="tablist" aria-label="Ways to look at the run" node_ref=tabs on:keydown=key>
                {tab(Way::Graph)} {tab(Way::Timeline)}
            </div>
            <div id="overview-panel" role="tabpanel" aria-labelledby=move || format!("tab-{}", shown.get().id())>
                {move || match shown.get() {
                    Way::Graph => view! { <Graph store/> }.into_any(),
                    Way::Timeline => view! { <Timeline store/> }.into_any(),
                }}
            </div>
        </section>
    }
    .into_any()
}

/// A way to look at a run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    Graph,
    Timeline,
}

impl Way {
    const fn id(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Timeline => "timeline",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Graph => "Graph",
            Self::Timeline => "Timeline",
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Graph => Self::Timeline,
            Self::Timeline => Self::Graph,
        }
    }
}

const KEY: &str = "stepcast.overview";
