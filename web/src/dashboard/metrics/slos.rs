//! The objectives: what each has attained, and how much of its budget is left.

use leptos::prelude::*;
use serde_json::Value;

use super::Held;
use super::answer::Slo;
use crate::monitor::metrics::lamp::{Lamp, Light};
use crate::monitor::metrics::reading::share;
use crate::monitor::words;

/// The section of objectives.
pub(super) fn slos(held: RwSignal<Held>) -> AnyView {
    let told = Memo::new(move |_| held.with(|held| held.slos.clone()));
    let body = move || {
        match told.get() {
        None => view! { <p class="empty">"Loading…"</p> }.into_any(),
        Some(Err(error)) => view! { <p class="note" data-tone="warning">{format!("Not known: {error}.")}</p> }.into_any(),
        Some(Ok(slos)) if slos.is_empty() => view! {
            <p class="empty" data-testid="slos-none">
                "None is set. An objective says which share of runs or steps is to be well over some days; \
                 what may go wrong meanwhile is its budget. Who runs the server sets them in " <code>"stepcast.toml"</code> "."
            </p>
        }
        .into_any(),
        Some(Ok(slos)) => view! { <ul class="slos">{slos.into_iter().map(slo).collect_view()}</ul> }.into_any(),
    }
    };
    view! {
        <section class="report-slos" aria-labelledby="slos-title" data-testid="slos">
            <h2 id="slos-title">"Objectives and their budgets"</h2>
            {body}
        </section>
    }
    .into_any()
}

fn slo(slo: Slo) -> AnyView {
    let light = match slo.attained {
        None => Light::NoData,
        Some(attained) if attained >= slo.target => Light::Met,
        Some(_) => Light::Missed,
    };
    let attained = slo.attained.map_or_else(|| "no data".to_owned(), share);
    let left = slo.budget_remaining;
    // more may have gone wrong than was allowed
    let bar = left.unwrap_or(0.0).clamp(0.0, 1.0) * 100.0;
    let budget = match left {
        None => "no data".to_owned(),
        Some(left) if left < 0.0 => format!("used up, {} over", share(-left)),
        Some(left) => format!("{} left", share(left)),
    };
    let (tone, alert) = match slo.alert.as_str() {
        "fast" => ("failed", Some("burning fast")),
        "slow" => ("warning", Some("burning slowly")),
        _ => ("", None),
    };
    let burn: Vec<String> = slo
        .burn
        .iter()
        .map(|burn| {
            let rate = burn
                .rate
                .map_or_else(|| "no data".to_owned(), |rate| format!("{rate:.1}×"));
            format!("{} {rate}", window(burn.window_seconds))
        })
        .collect();
    let about = objective(&slo.objective);
    let sums = format!(
        "{} of {} well in {}",
        words::count(slo.good),
        words::count(slo.total),
        window(slo.window_seconds)
    );
    view! {
        <li class="slo" data-testid="slo" data-light=light.name() data-alert=slo.alert>
            <div class="slo-head">
                <Lamp light=light/>
                <h3>{slo.name}</h3>
                <span class="slo-attained">{attained}</span>
                <span class="slo-target">"of at least " {share(slo.target)}</span>
            </div>
            <p class="slo-about">{about} {sums}</p>
            <div class="slo-budget" role="img" aria-label=format!("Budget: {budget}")>
                <span style:width=format!("{bar:.1}%")></span>
            </div>
            <p class="slo-words">
                "Budget " {budget}
                {alert.map(|alert| view! { <strong class="slo-alert" data-tone=tone>{alert}</strong> })}
            </p>
            <p class="slo-burn" class:gone=burn.is_empty()>"Burn rate " {burn.join(", ")}</p>
        </li>
    }
    .into_any()
}

/// What an objective is about, where it says so in a word.
fn objective(objective: &Value) -> Option<String> {
    objective
        .as_str()
        .map(|words| format!("{}: ", words.replace('_', " ")))
}

/// A stretch of time as people set it: `30 days`, `6 h`, `5 min`.
fn window(seconds: u64) -> String {
    match seconds {
        0..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => words::counted(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_read_as_they_were_set() {
        assert_eq!(window(300), "5 min");
        assert_eq!(window(21_600), "6 h");
        assert_eq!(window(86_400), "24 h");
        assert_eq!(window(30 * 86_400), "30 days");
    }
}
