//! The metrics of one run: counted in this page out of the run's own events, by the formulas that the server uses.

pub mod lamp;
pub mod reading;

use leptos::prelude::*;
use stepcast_core::metrics::{Metric, Numbers};

use self::lamp::{Lamp, Light};
use self::reading::Reading;
use super::words;
use crate::delivery::{Lateness, MOST};
use crate::store::Store;

/// The metrics of the run, and how late its events come here.
#[component]
pub fn Metrics(
    /// What is known of the run.
    store: Store,
) -> AnyView {
    let readings = readings(store);
    let usual = Memo::new(move |_| store.targets().is_none());
    let incomplete = Memo::new(move |_| store.metrics(|metrics| metrics.incomplete));
    view! {
        <div class="metrics" data-testid="metrics">
            <div class="metrics-window" tabindex="0" role="region" aria-label="Metrics of the run">
                <section class="metrics-all" aria-labelledby="metrics-title">
                    <h2 id="metrics-title">"Reliability of this run"</h2>
                    <p class="metrics-note" data-testid="metrics-incomplete" class:gone=move || !incomplete.get()>
                        "Events are missing: what they would have added is not in these numbers."
                    </p>
                    <ul class="metric-list">
                        {Metric::ALL.into_iter().zip(0..).map(|(metric, at)| {
                            let reading = Memo::new(move |_| readings.with(|all| all.get(at).copied().unwrap_or_else(|| Reading::none(metric))));
                            view! { <MetricRow metric reading/> }
                        }).collect_view()}
                    </ul>
                    <p class="metrics-note">
                        {move || if usual.get() { "Against the usual targets; the server's own are not known here." } else { "Against the server's targets." }}
                    </p>
                </section>
                <Delivered store/>
            </div>
        </div>
    }
    .into_any()
}

/// Every metric of the run, as it stands.
pub(super) fn readings(store: Store) -> Memo<Vec<Reading>> {
    Memo::new(move |_| {
        let targets = store.targets().unwrap_or_default();
        store.metrics(|metrics| {
            let counts = &metrics.total;
            let numbers = Numbers::from(counts);
            let read = |metric: Metric| Reading {
                metric,
                value: metric.value(counts),
                target: targets.of(metric),
                numbers,
            };
            Metric::ALL.map(read).to_vec()
        })
    })
}

/// One metric; opened, its formula with the numbers in it.
#[component]
pub fn MetricRow(
    /// Which.
    metric: Metric,
    /// Its value.
    reading: Memo<Reading>,
) -> AnyView {
    let light = Signal::derive(move || reading.with(Reading::light));
    let id = metric.as_str();
    view! {
        <li>
            <details class="metric" data-testid="metric" data-metric=id data-light=move || light.get().name()>
                <summary>
                    <Lamp light/>
                    <span class="metric-short">{id.to_uppercase()}</span>
                    <span class="metric-name">{metric.name()}</span>
                    <span class="metric-value">{move || reading.with(Reading::value_words)}</span>
                    <span class="metric-light">{move || light.get().words()}</span>
                    <span class="metric-target">{move || reading.with(Reading::target_words)}</span>
                </summary>
                <div class="metric-more">
                    <p><code>{metric.formula()}</code></p>
                    <p data-testid="metric-sum">{move || reading.with(Reading::sum_words)}</p>
                </div>
            </details>
        </li>
    }
    .into_any()
}

/// How late events come to this page.
#[component]
fn Delivered(store: Store) -> AnyView {
    // once a second: numbers that change with every event can be read by nobody
    let told = Memo::new(move |_| {
        store.now();
        store.lateness()
    });
    let rows = move || {
        match told.get() {
        None => view! {
            <p class="metrics-note" data-testid="lateness-none">
                "No data: no event has come here while it happened. What was fetched from the past does not tell how long the way is."
            </p>
        }
        .into_any(),
        Some(told) => view! {
            <dl class="metrics-late" data-testid="lateness">
                {late(&told).map(|(what, value)| view! { <div><dt>{what}</dt><dd>{value}</dd></div> }).collect_view()}
            </dl>
            <p class="metrics-note">{fastest(&told)}</p>
        }
        .into_any(),
    }
    };
    view! {
        <section class="metrics-delivery" aria-labelledby="metrics-delivery-title">
            <h2 id="metrics-delivery-title">"Delivery to this page"</h2>
            {rows}
        </section>
    }
    .into_any()
}

fn late(told: &Lateness) -> [(&'static str, String); 4] {
    let ms = |ms: u64| format!("+ {}", words::duration(ms as f64));
    let looked_at = told.seen.min(MOST as u64);
    [
        ("half within", ms(told.p50)),
        ("95 of 100 within", ms(told.p95)),
        ("the latest", ms(told.latest)),
        ("measured", words::counted(looked_at, "event")),
    ]
}

/// What the numbers are counted from, and what two clocks cannot tell.
fn fastest(told: &Lateness) -> String {
    let took = match told.fastest {
        ms @ 0.. => format!("took {}", words::duration(ms as f64)),
        ms => format!(
            "came {} before it was sent",
            words::duration(ms.unsigned_abs() as f64)
        ),
    };
    format!(
        "Counted from the fastest of the newest events, which {took} by this computer's clock and the server's: \
         what the two clocks differ by is in that, and in no other number here."
    )
}

/// The lights together: whether a target is missed, and how many.
pub(super) fn sum(readings: &[Reading]) -> (Light, String) {
    let count = |light| {
        let with = readings.iter().filter(|reading| reading.light() == light);
        with.count()
    };
    match (count(Light::Missed), count(Light::Met)) {
        (0, 0) => (Light::NoData, "no data yet".to_owned()),
        (0, _) => (Light::Met, "no target missed".to_owned()),
        (missed, _) => (
            Light::Missed,
            format!("{} missed", words::counted(missed as u64, "target")),
        ),
    }
}
