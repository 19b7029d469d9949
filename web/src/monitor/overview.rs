//! The run at a glance, in one place of fixed height: its graph, or its timeline.

use leptos::prelude::*;

use super::graph::Graph;
use crate::store::Store;

/// The panel.
#[component]
pub fn Overview(
    /// What is known of the run.
    store: Store,
) -> AnyView {
    view! {
        <section class="overview" aria-label="Overview">
            <Graph store/>
        </section>
    }
    .into_any()
}
