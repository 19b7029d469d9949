//! The timeline of a run: each step's attempts and waits along one axis of time.

mod scale;

use leptos::prelude::*;
use stepcast_core::view::{Rate, RunView, StepView};

use self::scale::Scale;
pub(super) use self::scale::told;
use super::glyph::{Glyph, step_status};
use super::step::step_time;
use super::steps::go_to_step;
use super::words;
use crate::store::{Step, Store};

/// The timeline.
#[component]
pub fn Timeline(
    /// What is known of the run.
    store: Store,
) -> AnyView {
    let scale = Memo::new(move |_| {
        let ended = store.run(|view| view.end.is_some() || begin(view).is_none());
        let now = if ended { 0 } else { store.server_now() };
        store.run(|view| {
            let from = begin(view).unwrap_or(0);
            let until = view.end.and(view.ended_at).unwrap_or(now);
            Scale::of(from, until.max(last(view)), view.end.is_some())
        })
    });
    let now = Memo::new(move |_| {
        let live = store.run(|view| view.end.is_none() && view.events > 0);
        live.then(|| scale.get().place(store.server_now()))
    });
    let empty = Memo::new(move |_| store.run(|view| begin(view).is_none()));
    let ticks = move || {
        let ticks = scale.get().ticks().into_iter();
        let draw =
            |(at, words)| view! { <span class="time-tick" style:left=percent(at)>{words}</span> };
        ticks.map(draw).collect_view()
    };
    view! {
        <div class="time" data-testid="timeline">
            <div class="time-window" tabindex="0" role="region" aria-label="Timeline of the steps">
                <Show when=move || empty.get()>
                    <p class="graph-empty">"The first step that begins shows here."</p>
                </Show>
                <div class="time-inner">
                    <ol class="time-rows">
                        <For each=move || store.step_ids() key=String::clone let(id)>
                            <Row step=store.step(&id) scale/>
                        </For>
                    </ol>
                    <div class="time-over" aria-hidden="true">
                        {move || now.get().map(|at| view! { <span class="time-now" data-testid="time-now" style:left=percent(at)></span> })}
                    </div>
                </div>
            </div>
            <div class="time-axis" aria-hidden="true">{ticks}</div>
        </div>
    }
    .into_any()
}

/// One step's line.
#[component]
fn Row(step: Step, scale: Memo<Scale>) -> AnyView {
    let status = step.memo(|step| step.status);
    let status_name = Signal::derive(move || step_status(status.get()));
    let name = step.memo(|step| step.name.clone().unwrap_or_else(|| step.id.clone()));
    let begun = step.memo(|step| !step.spans.is_empty());
    let rate = step.memo(rate);
    let time = step_time(step);
    let more = step.memo(|step| match step.spans.len() as u64 + step.spans_dropped {
        0 | 1 => String::new(),
        n => words::counted(n, "attempt"),
    });
    let bars = Memo::new(move |_| {
        let open = step.read(|step| step.status.is_active()).unwrap_or(false);
        let now = if open { step.store().server_now() } else { 0 };
        step.read(|step| scale.get().bars(step, now))
            .unwrap_or_default()
    });
    let drawn = move || {
        let bars = bars.get().into_iter();
        let draw = |bar: scale::Bar| {
            view! {
                <span
                    class="time-bar" data-kind=bar.kind title=bar.words
                    style:left=percent(bar.left) style:width=percent(bar.width)
                ></span>
            }
        };
        bars.map(draw).collect_view()
    };
    let id = step.id();
    let key = id.clone();
    view! {
        <li class="time-row" data-testid="time-row" data-id=key data-status=status_name data-begun=move || begun.get().to_string()>
            <button type="button" class="time-name" on:click=move |_| go_to_step(step.store(), &id)>
                <Glyph status=status_name/>
                <span class="time-words">{name}</span>
                <span class="sr-only">{move || status.get().words()} " " {more}</span>
            </button>
            <span class="time-track" aria-hidden="true">{drawn}</span>
            <span class="time-rate" data-testid="time-rate">{rate}</span>
            <span class="time-took">{time}</span>
        </li>
    }
    .into_any()
}

/// When the run's first sign of life was.
fn begin(view: &RunView) -> Option<u64> {
    let steps = view.steps.iter().flat_map(|step| &step.spans);
    let first = steps
        .filter_map(|span| span.started_at.or(span.ended_at))
        .min();
    view.started_at.into_iter().chain(first).min()
}

/// The last thing that is drawn.
fn last(view: &RunView) -> u64 {
    let spans = view.steps.iter().flat_map(|step| &step.spans);
    spans
        .filter_map(|span| span.ended_at.or(span.started_at))
        .max()
        .unwrap_or(0)
}

/// How fast the newest attempt's text comes or came.
fn rate(step: &StepView) -> String {
    match step.spans.last().and_then(|span| span.rate()) {
        Some(Rate::Tokens(each)) => format!("{} tokens/s", rounded(each)),
        Some(Rate::Characters(each)) => format!("{} characters/s", rounded(each)),
        Some(_) | None => String::new(),
    }
}

fn rounded(each: f64) -> String {
    if each < 10.0 {
        format!("{each:.1}")
    } else {
        words::count(each.round() as u64)
    }
}

fn percent(part: f64) -> String {
    format!("{:.3}%", part * 100.0)
}
