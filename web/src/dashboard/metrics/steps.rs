//! The steps that stand out, each with the way to its trend and to its pipeline's runs.

use leptos::prelude::*;

use super::super::filter::Filter;
use super::Held;
use super::answer::{Step, Top};
use crate::monitor::words;

/// A list of steps: by what they are in it.
#[derive(Clone, Copy)]
struct Ranking {
    id: &'static str,
    title: &'static str,
    /// What stands where no step belongs there.
    none: &'static str,
    /// The columns beside the step.
    columns: [&'static str; 3],
    list: fn(&Top) -> &Vec<Step>,
    /// By what they are ranked.
    weight: fn(&Step) -> f64,
    /// What stands in the columns.
    cells: fn(&Step) -> [String; 3],
}

const RANKINGS: [Ranking; 3] = [
    Ranking {
        id: "slowest",
        title: "Slowest steps",
        none: "No step has told how long it took.",
        columns: ["Mean", "p95", "Ended"],
        list: |top| &top.slowest,
        weight: |step| step.step_ms.map_or(0.0, |ms| ms.mean),
        cells: |step| {
            let ms = step.step_ms.unwrap_or_default();
            [
                words::duration(ms.mean),
                words::duration(ms.p95),
                words::count(step.ended()),
            ]
        },
    },
    Ranking {
        id: "most-retried",
        title: "Most retried steps",
        none: "No step was tried again.",
        columns: ["Retries", "Each time", "Ended"],
        list: |top| &top.most_retried,
        weight: |step| step.retries as f64,
        cells: |step| {
            [
                words::count(step.retries),
                each(step, step.retries),
                words::count(step.ended()),
            ]
        },
    },
    Ranking {
        id: "most-expensive",
        title: "Most expensive steps",
        none: "No step has told of tokens.",
        columns: ["Tokens", "In + out", "Each time"],
        list: |top| &top.most_expensive,
        weight: |step| step.tokens() as f64,
        cells: |step| {
            let parts = [step.input_tokens, step.output_tokens]
                .map(words::count)
                .join(" + ");
            let mean = step
                .tokens()
                .checked_div(step.ended())
                .unwrap_or_else(|| step.tokens());
            [words::count(step.tokens()), parts, words::count(mean)]
        },
    },
];

/// The three lists.
pub(super) fn steps(held: RwSignal<Held>) -> AnyView {
    let left_out = Memo::new(move |_| held.with(|held| held.top(|top| top.left_out)));
    view! {
        <div class="report-steps">
            {RANKINGS.map(|ranking| list(ranking, held)).collect_view()}
        </div>
        <p class="metrics-note" data-testid="steps-left-out" class:gone=move || !left_out.get()>
            "There are more than 1,000 steps: those of the newest runs are ranked, the others are not."
        </p>
    }
    .into_any()
}

fn list(ranking: Ranking, held: RwSignal<Held>) -> AnyView {
    let of = move || held.with(|held| held.top(|top| (ranking.list)(top).clone()));
    let all = Memo::new(move |_| of());
    let keys = Memo::new(move |_| all.with(|all| all.iter().map(key).collect::<Vec<_>>()));
    let most =
        Memo::new(move |_| all.with(|all| all.iter().map(ranking.weight).fold(0.0, f64::max)));
    let title = format!("{}-title", ranking.id);
    let labelled = title.clone();
    let [first, second, third] = ranking.columns;
    view! {
        <section class="ranking" aria-labelledby=labelled data-testid=ranking.id>
            <h2 id=title>{ranking.title}</h2>
            <p class="empty" class:gone=move || keys.with(|keys| !keys.is_empty())>{ranking.none}</p>
            <table class:gone=move || keys.with(Vec::is_empty)>
                <thead><tr>
                    <th scope="col">"Step"</th><th scope="col">{first}</th><th scope="col">{second}</th><th scope="col">{third}</th>
                </tr></thead>
                <tbody>
                    <For each=move || keys.get() key=Clone::clone let(key)>{row(ranking, key, all, most, held)}</For>
                </tbody>
            </table>
        </section>
    }
    .into_any()
}

/// One step. The row stays while its numbers change: focus is never lost to new ones.
fn row(
    ranking: Ranking,
    key: (String, String),
    all: Memo<Vec<Step>>,
    most: Memo<f64>,
    held: RwSignal<Held>,
) -> AnyView {
    let (pipeline, step_id) = key.clone();
    let step = Memo::new(move |_| {
        all.with(|all| {
            all.iter()
                .find(|step| self::key(step) == key)
                .cloned()
                .unwrap_or_default()
        })
    });
    let cells = Memo::new(move |_| step.with(ranking.cells));
    let cell = move |at: usize| move || cells.with(|cells| cells.get(at).cloned());
    let share = move || {
        let share = step.with(ranking.weight) / most.get().max(f64::MIN_POSITIVE);
        format!("{:.1}%", share * 100.0)
    };
    let runs = Filter {
        text: pipeline.clone(),
        ..Filter::default()
    };
    let failed_runs = Filter {
        status: "failed".to_owned(),
        ..runs.clone()
    };
    let failed = move || {
        let failed = step.with(|step| step.steps_failed);
        let address = failed_runs.address();
        (failed > 0).then(|| view! { <a class="ranking-failed" href=address>{words::count(failed)} " failed"</a> })
    };
    let (of_step, id) = (pipeline.clone(), step_id.clone());
    let trend = move || held.with(|held| held.question.of_step(&of_step, &id).address());
    view! {
        <tr>
            <th scope="row">
                <a class="ranking-step" href=trend title="The trends of this step">{step_id}</a>
                <span class="ranking-where">
                    <a href=runs.address() title="The runs of this pipeline">{pipeline}</a>
                    {failed}
                </span>
            </th>
            <td class="ranking-weight">{cell(0)}<span class="ranking-bar" style:width=share></span></td>
            <td>{cell(1)}</td>
            <td>{cell(2)}</td>
        </tr>
    }
    .into_any()
}

fn key(step: &Step) -> (String, String) {
    (step.pipeline.clone(), step.step_id.clone())
}

/// So many for each time that the step ended.
fn each(step: &Step, of: u64) -> String {
    format!("{:.2}", of as f64 / step.ended().max(1) as f64)
}
