//! Trends: a small chart for each metric, all over the same time; or the same as a table.

use leptos::prelude::*;
use stepcast_core::metrics::Metric;
use wasm_bindgen::JsCast;
use web_sys::{Element, PointerEvent};

use super::Held;
use super::answer::Report;
use super::plot::{Plot, Times};
use crate::monitor::metrics::reading::{Reading, value_of};
use crate::monitor::words;

/// A chart for each metric. What the pointer is over in one of them is told in all.
pub(super) fn trends(held: RwSignal<Held>) -> AnyView {
    let times = Memo::new(move |_| held.with(Held::times));
    let at = RwSignal::new(None::<usize>);
    let charts = Metric::ALL.map(|metric| {
        let reading = Memo::new(move |_| held.with(|held| held.reading(metric)));
        let plot = Memo::new(move |_| {
            let target = reading.with(|reading| reading.target);
            held.with(|held| Plot::new(metric, target, &times.get(), &held.report()))
        });
        chart(metric, reading, plot, times, at)
    });
    view! { <div class="trends">{charts.collect_view()}</div> }.into_any()
}

fn chart(
    metric: Metric,
    reading: Memo<Reading>,
    plot: Memo<Plot>,
    times: Memo<Times>,
    at: RwSignal<Option<usize>>,
) -> AnyView {
    let target = move || reading.with(Reading::target_words);
    let said = move || {
        let Some(at) = at.get() else {
            let target = target();
            return if target.is_empty() {
                "no target".to_owned()
            } else {
                target
            };
        };
        let value = plot.with(|plot| plot.values.get(at).copied().flatten());
        let value = value.map_or_else(|| "no data".to_owned(), |value| value_of(metric, value));
        format!("{}: {value}", times.with(|times| times.words(at)))
    };
    let point = move |event: PointerEvent| {
        let plane = event
            .current_target()
            .and_then(|it| it.dyn_into::<Element>().ok());
        let Some(plane) = plane else { return };
        let rim = plane.get_bounding_client_rect();
        let fraction = (f64::from(event.client_x()) - rim.left()) / rim.width().max(1.0);
        at.set(times.with(|times| times.at(fraction)));
    };
    let path = move |part: fn(&Plot) -> &String| move || plot.with(|plot| part(plot).clone());
    let heights = move || {
        let told = plot.with(|plot| plot.heights.clone()).into_iter();
        told.map(|(top, words)| view! { <span style:top=percent(top)>{words}</span> })
            .collect_view()
    };
    let below = move || {
        let told = times.with(Times::ticks).into_iter();
        told.map(|(left, words)| view! { <span style:left=percent(left)>{words}</span> })
            .collect_view()
    };
    let grid = move || {
        let lines = plot.with(|plot| {
            plot.heights
                .iter()
                .map(|(y, _)| format!("M0 {y:.1}H1000"))
                .collect::<String>()
        });
        let ticks = times.with(Times::ticks).into_iter();
        ticks.fold(lines, |lines, (x, _)| {
            format!("{lines}M{:.1} 0V100", x * 10.0)
        })
    };
    let limit = move || {
        plot.with(|plot| {
            plot.target
                .map_or_else(String::new, |y| format!("M0 {y:.1}H1000"))
        })
    };
    let bad = move || {
        plot.with(|plot| {
            let y = plot
                .target
                .unwrap_or(if plot.above_is_bad { 0.0 } else { 100.0 });
            let to = if plot.above_is_bad { 0.0 } else { 100.0 };
            format!("M0 {y:.1}H1000V{to}H0Z")
        })
    };
    let empty = Memo::new(move |_| plot.with(|plot| plot.line.is_empty()));
    let now = move || {
        let at = at.get()?;
        let left = times.with(|times| times.middle(at));
        Some(view! { <span class="trend-at" style:left=percent(left)></span> })
    };
    let id = metric.as_str();
    view! {
        <figure class="trend" data-testid="trend" data-metric=id data-light=move || reading.with(Reading::light).name()>
            <figcaption>
                <span class="metric-short">{id.to_uppercase()}</span>
                <span class="trend-name">{metric.name()}</span>
                <span class="trend-said">{said}</span>
            </figcaption>
            <div class="trend-frame">
                <div class="trend-heights" aria-hidden="true">{heights}</div>
                <div class="trend-plane" on:pointermove=point on:pointerdown=point on:pointerleave=move |_| at.set(None)>
                    <svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label=move || plot.with(|plot| plot.words.clone())>
                        <path class="trend-bad" d=bad></path>
                        <path class="trend-grid" d=grid></path>
                        <path class="trend-limit" d=limit></path>
                        <path class="trend-line" d=path(|plot| &plot.line)></path>
                        <path class="trend-dots" d=path(|plot| &plot.dots)></path>
                        <path class="trend-missed" d=path(|plot| &plot.missed)></path>
                    </svg>
                    {now}
                    <span class="trend-none" class:gone=move || !empty.get()>"no data"</span>
                </div>
                <div class="trend-times" aria-hidden="true">{below}</div>
            </div>
        </figure>
    }
    .into_any()
}

/// The same as numbers, the newest first.
pub(super) fn table(held: RwSignal<Held>) -> AnyView {
    let rows = move || {
        held.with(|held| {
            let (times, report) = (held.times(), held.report());
            let places = times.groups.iter().enumerate().rev();
            let told = places.filter_map(|(at, group)| Some((times.words(at), (*group)?)));
            told.filter_map(|(words, group)| row(words, &report, group))
                .collect_view()
        })
    };
    view! {
        <div class="trend-table" tabindex="0" role="region" aria-label="Trends as numbers">
            <table data-testid="trend-table">
                <thead>
                    <tr>
                        <th scope="col">"From (UTC)"</th>
                        <th scope="col">"Runs"</th>
                        {Metric::ALL.map(|metric| view! {
                            <th scope="col"><abbr title=metric.name()>{metric.as_str().to_uppercase()}</abbr></th>
                        }).collect_view()}
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn row(words: String, report: &Report, group: usize) -> Option<AnyView> {
    let group = report.groups.get(group)?;
    let cells = Metric::ALL.map(|metric| {
        let value = group.value(metric);
        let target = report.reading(metric).target;
        let missed = value
            .zip(target)
            .is_some_and(|(value, target)| !target.is_met(value));
        let words = value.map_or_else(|| "–".to_owned(), |value| value_of(metric, value));
        view! {
            <td data-metric=metric.as_str() class:missed=missed>
                {words}
                {missed.then(|| view! { <span class="sr-only">", missed"</span> })}
            </td>
        }
    });
    let runs = words::count(group.counts.runs);
    Some(
        view! { <tr><th scope="row">{words}</th><td>{runs}</td>{cells.collect_view()}</tr> }
            .into_any(),
    )
}

fn percent(of: f64) -> String {
    format!("{of:.2}%")
}
