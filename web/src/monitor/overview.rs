//! The run at a glance, in one place of fixed height: its graph, its timeline, or its metrics.

use leptos::html;
use leptos::prelude::*;

use super::graph::Graph;
use super::metrics::lamp::Lamp;
use super::metrics::{self, Metrics};
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
        let kept = kept::read(KEY);
        let way = Way::ALL
            .into_iter()
            .find(|way| kept.as_deref() == Some(way.id()));
        if let Some(way) = way {
            shown.set(way);
        }
    });
    let tabs = NodeRef::<html::Div>::new();
    let choose = move |way: Way| {
        shown.set(way);
        kept::write(KEY, way.id());
    };
    let key = move |event: leptos::ev::KeyboardEvent| {
        let Some(other) = shown.get_untracked().by_key(&event.key()) else {
            return;
        };
        event.prevent_default();
        choose(other);
        let tab = tabs.get_untracked();
        let chosen = tab.and_then(|it| it.query_selector(&format!("#tab-{}", other.id())).ok()?);
        if let Some(tab) = chosen {
            let tab: web_sys::HtmlElement = wasm_bindgen::JsCast::unchecked_into(tab);
            // fails for no element that is in the page
            let _focused = tab.focus();
        }
    };
    let readings = metrics::readings(store);
    let sum = Memo::new(move |_| readings.with(|all| metrics::sum(all)));
    let lights = move || {
        view! {
            <span class="tab-light" data-testid="metrics-light" title=move || sum.get().1>
                <Lamp light=Signal::derive(move || sum.get().0)/>
                <span class="sr-only">{move || sum.get().1}</span>
            </span>
        }
    };
    let tab = move |way: Way| {
        let chosen = move || shown.get() == way;
        view! {
            <button
                class="tab" type="button" role="tab" id=format!("tab-{}", way.id()) data-testid=format!("tab-{}", way.id())
                aria-controls="overview-panel" aria-selected=move || chosen().to_string()
                tabindex=move || if chosen() { "0" } else { "-1" } on:click=move |_| choose(way)
            >
                {way.title()}
                {(way == Way::Metrics).then(lights)}
            </button>
        }
    };
    view! {
        <section class="overview" aria-label="Overview">
            <div class="tabs" role="tablist" aria-label="Ways to look at the run" node_ref=tabs on:keydown=key>
                {Way::ALL.map(tab).collect_view()}
            </div>
            <div id="overview-panel" role="tabpanel" aria-labelledby=move || format!("tab-{}", shown.get().id())>
                {move || match shown.get() {
                    Way::Graph => view! { <Graph store/> }.into_any(),
                    Way::Timeline => view! { <Timeline store/> }.into_any(),
                    Way::Metrics => view! { <Metrics store/> }.into_any(),
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
    Metrics,
}

impl Way {
    const ALL: [Self; 3] = [Self::Graph, Self::Timeline, Self::Metrics];

    const fn id(self) -> &'static str {
        match self {
            Self::Graph => "graph",
            Self::Timeline => "timeline",
            Self::Metrics => "metrics",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Graph => "Graph",
            Self::Timeline => "Timeline",
            Self::Metrics => "Metrics",
        }
    }

    /// Where a key leads from this tab; none where it leads nowhere.
    fn by_key(self, key: &str) -> Option<Self> {
        let at = Self::ALL.iter().position(|way| *way == self)?;
        let last = Self::ALL.len() - 1;
        let to = match key {
            "ArrowLeft" => at.checked_sub(1).unwrap_or(last),
            "ArrowRight" => (at + 1) % Self::ALL.len(),
            "Home" => 0,
            "End" => last,
            _ => return None,
        };
        Self::ALL.get(to).copied()
    }
}

const KEY: &str = "stepcast.overview";
