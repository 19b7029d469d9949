//! The page of metrics: how all runs fare, against their targets and over time.

mod answer;
mod plot;
mod question;
mod slos;
mod steps;
mod trend;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use leptos::prelude::*;
use stepcast_core::metrics::Metric;
use stepcast_core::time::Timestamp;

use self::answer::{Report, Slo, Top};
use self::plot::Times;
use self::question::{By, Question, Span};
use super::api;
use super::poll::Poll;
use crate::api::ApiError;
use crate::clock;
use crate::monitor::metrics::MetricRow;
use crate::monitor::metrics::reading::Reading;
use crate::monitor::words;

/// What the page holds.
#[derive(Clone, Debug, Default)]
struct Held {
    question: Question,
    /// The newest answer, with the question that it is to and the time of the asking.
    answer: Option<Answer>,
    error: Option<ApiError>,
    slos: Option<Result<Vec<Slo>, ApiError>>,
    /// The names to choose a pipeline from, and of which span they are.
    pipelines: (Option<Span>, Vec<String>),
    /// Runs that were seen to have ended when the answer was asked for.
    ended: Vec<String>,
}

#[derive(Clone, Debug)]
struct Answer {
    question: Question,
    report: Arc<Report>,
    /// Milliseconds since 1970.
    at: u64,
}

impl Held {
    fn report(&self) -> Arc<Report> {
        self.answer
            .as_ref()
            .map(|answer| answer.report.clone())
            .unwrap_or_default()
    }

    fn reading(&self, metric: Metric) -> Reading {
        let answer = self.answer.as_ref();
        answer.map_or_else(
            || Reading::none(metric),
            |answer| answer.report.reading(metric),
        )
    }

    fn times(&self) -> Times {
        let answer = self.answer.as_ref();
        let times = answer.map(|answer| Times::of(&answer.question, &answer.report, answer.at));
        times.unwrap_or_default()
    }

    fn top<T: Default>(&self, read: impl FnOnce(&Top) -> T) -> T {
        let answer = self.answer.as_ref();
        answer
            .map(|answer| read(&answer.report.top))
            .unwrap_or_default()
    }

    /// Whether the answer is to what is asked now.
    fn is_of_now(&self) -> bool {
        let answer = self.answer.as_ref();
        answer.is_some_and(|answer| answer.question.asks_as(&self.question))
    }
}

/// The page.
pub(super) fn metrics_page() -> AnyView {
    let read = || Question::parse(&location().hash().unwrap_or_default());
    let held = RwSignal::new(Held {
        question: read(),
        ..Held::default()
    });
    let poll = StoredValue::new_local(None::<Rc<Poll>>);
    Effect::new(move |_| poll.set_value(Some(Poll::start(move || ask(held)))));
    let listener = window_event_listener(leptos::ev::hashchange, move |_| {
        let other = read();
        held.update(|held| held.question = other);
        poll.with_value(|poll| {
            if let Some(poll) = poll {
                poll.arm(Duration::ZERO);
            }
        });
    });
    on_cleanup(move || listener.remove());
    let error = Memo::new(move |_| held.with(|held| held.error.as_ref().map(ToString::to_string)));
    let state = Memo::new(move |_| held.with(State::of));
    let stale = Memo::new(move |_| held.with(|held| !held.is_of_now()));
    view! {
        <div class="report" data-testid="metrics-page" aria-busy=move || stale.get().to_string()>
            <div class="report-head">
                <h1>"Metrics"</h1>
                <p class="report-about">{move || held.with(about)}</p>
                {choices(held)}
            </div>
            <p class="report-error" role="status" data-testid="metrics-error">
                {move || {
                    // where there is nothing, that is told in its place
                    let error = error.get().filter(|_| state.get() != State::Failed);
                    error.map(|error| format!("Not up to date: {error}. Trying again."))
                }}
            </p>
            <div class="report-main" class:stale=move || stale.get()>
                {move || match state.get() {
                    State::Loading => skeleton(),
                    State::Failed => failed(error),
                    State::Nothing => nothing(held),
                    State::Some => numbers(held),
                }}
            </div>
        </div>
    }
    .into_any()
}

/// What there is to show.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Loading,
    /// Nothing was ever told.
    Failed,
    Nothing,
    Some,
}

impl State {
    fn of(held: &Held) -> Self {
        match &held.answer {
            None if held.error.is_some() => Self::Failed,
            None => Self::Loading,
            Some(answer) if answer.report.executions == 0 => Self::Nothing,
            Some(_) => Self::Some,
        }
    }
}

/// Of how many runs the numbers are, and of when.
fn about(held: &Held) -> Option<String> {
    let answer = held.answer.as_ref()?;
    let at = Timestamp::from_unix_millis(answer.at);
    let at = at.as_str().get(11..19).unwrap_or_default();
    let runs = words::counted(answer.report.executions, "run");
    Some(format!("{runs}, as of {at} UTC"))
}

/// Which numbers are shown: every choice is an address. A link stays while what it leads to changes, so that the focus
/// stays in it.
fn choices(held: RwSignal<Held>) -> AnyView {
    let question = Memo::new(move |_| held.with(|held| held.question.clone()));
    let spans = Span::ALL.map(|span| choice(question, span.words(), move |asked| asked.over(span)));
    let by = move || {
        let choices = question.with(|question| question.span.choices());
        if choices.len() > 1 { choices } else { &[] }
    };
    let by_one = move |by: By| choice(question, by.words(), move |asked| asked.with_by(by));
    let looks = [("Charts", false), ("Table", true)]
        .map(|(words, table)| choice(question, words, move |asked| asked.as_table(table)));
    view! {
        <div class="report-choices">
            <nav class="segments" aria-label="Time" data-testid="metrics-span">{spans.collect_view()}</nav>
            <nav class="segments" aria-label="One point for each" class:gone=move || by().is_empty()>
                <For each=move || by().to_vec() key=|by| by.name() let(by)>{by_one(by)}</For>
            </nav>
            <nav class="segments" aria-label="Trends as" data-testid="metrics-view">{looks.collect_view()}</nav>
            {pipelines(held, question)}
        </div>
        {move || {
            let asked = question.get();
            let all = asked.of_pipeline(&asked.pipeline).address();
            (!asked.step.is_empty()).then(|| view! {
                <p class="report-step" data-testid="metrics-step">
                    "Only the step " <code>{asked.step}</code> ". " <a href=all>"Show all steps"</a>
                </p>
            })
        }}
    }
    .into_any()
}

/// One choice, and whether it is the one that was made.
fn choice(
    question: Memo<Question>,
    words: &'static str,
    to: impl Fn(&Question) -> Question + Copy + Send + Sync + 'static,
) -> AnyView {
    let address = move || question.with(|asked| to(asked).address());
    let current =
        move || question.with(|asked| (to(asked).address() == asked.address()).then_some("true"));
    view! { <a href=address aria-current=current>{words}</a> }.into_any()
}

/// The choice of a pipeline.
fn pipelines(held: RwSignal<Held>, question: Memo<Question>) -> AnyView {
    let names = Memo::new(move |_| {
        let mut names = held.with(|held| held.pipelines.1.clone());
        let chosen = question.with(|question| question.pipeline.clone());
        // one that has not run in this time can still be in the address
        if !chosen.is_empty() && !names.contains(&chosen) {
            names.push(chosen);
        }
        names
    });
    let chosen = Memo::new(move |_| question.with(|question| question.pipeline.clone()));
    let choose = move |event| {
        let address = question
            .with_untracked(|question| question.of_pipeline(&event_target_value(&event)).address());
        // fails for no hash
        let _gone = location().set_hash(&address);
    };
    let option = move |name: String| {
        let (value, same) = (name.clone(), name.clone());
        view! { <option value=value prop:selected=move || chosen.with(|chosen| *chosen == same)>{name}</option> }
    };
    view! {
        <select aria-label="Pipeline" data-testid="metrics-pipeline" on:change=choose>
            <option value="" prop:selected=move || chosen.with(String::is_empty)>"all pipelines"</option>
            <For each=move || names.get() key=Clone::clone let(name)>{option(name)}</For>
        </select>
    }
    .into_any()
}

/// What stands where the numbers will, as large as they.
fn skeleton() -> AnyView {
    let boxes = (0..9).map(|_| view! { <div class="trend skeleton"></div> });
    view! {
        <div class="report-lights skeleton" aria-label="Loading"></div>
        <div class="report-trends"><div class="trends">{boxes.collect_view()}</div></div>
    }
    .into_any()
}

fn failed(error: Memo<Option<String>>) -> AnyView {
    view! {
        <div class="blank" data-testid="metrics-failed" role="alert">
            <h2>"There are no numbers to show"</h2>
            <p>{move || error.get()}</p>
            <p>"Trying again."</p>
        </div>
    }
    .into_any()
}

fn nothing(held: RwSignal<Held>) -> AnyView {
    let asked = move || held.with(|held| held.question.clone());
    let wider = move || {
        let asked = asked();
        (asked.span != Span::All).then(|| {
            let address = asked.over(Span::All).address();
            view! { <p><a href=address>"Look at all the time that there is"</a></p> }
        })
    };
    let others = move || {
        let asked = asked();
        (!asked.pipeline.is_empty() || !asked.step.is_empty()).then(|| {
            let address = asked.of_pipeline("").address();
            view! { <p><a href=address>"Look at all pipelines"</a></p> }
        })
    };
    view! {
        <div class="blank" data-testid="metrics-nothing">
            <h2>"Nothing has run in this time"</h2>
            <p>"Metrics are counted out of the events of runs, from their first one on."</p>
            {wider}
            {others}
            <p><a href="#/">"See the runs"</a></p>
        </div>
    }
    .into_any()
}

/// All numbers.
fn numbers(held: RwSignal<Held>) -> AnyView {
    let rows = Metric::ALL.map(|metric| {
        let reading = Memo::new(move |_| held.with(|held| held.reading(metric)));
        view! { <MetricRow metric reading/> }
    });
    let table = Memo::new(move |_| held.with(|held| held.question.table));
    let incomplete = Memo::new(move |_| held.with(|held| held.report().incomplete));
    let left_out = Memo::new(move |_| held.with(|held| held.report().groups_left_out));
    view! {
        <section class="report-lights" aria-labelledby="lights-title" data-testid="lights">
            <h2 id="lights-title">"Against the targets"</h2>
            <ul class="metric-list">{rows.collect_view()}</ul>
            <p class="metrics-note" class:gone=move || incomplete.get() == 0>
                {move || words::counted(incomplete.get(), "run")}
                " had lost events before they were counted: what those would have added is not in these numbers."
            </p>
        </section>
        <section class="report-trends" aria-labelledby="trends-title">
            <h2 id="trends-title">{move || held.with(|held| format!("By {}, in UTC", held.question.by().name()))}</h2>
            {move || if table.get() { trend::table(held) } else { trend::trends(held) }}
            <p class="metrics-note" class:gone=move || !left_out.get()>
                "There are more than 1,000 of them: the newest are shown."
            </p>
        </section>
        {slos::slos(held)}
        {steps::steps(held)}
    }
    .into_any()
}

/// Asks what has ended, and for the numbers where that is something new; how long until it is asked again.
async fn ask(held: RwSignal<Held>) -> Duration {
    let Some(question) = held.try_with_untracked(|held| held.question.clone()) else {
        return INTERVAL;
    };
    // before the numbers, so that none is passed over
    let runs = api::executions(LOOKED_AT, "").await;
    let ended: Vec<String> = match runs {
        Ok(page) => {
            let ended = page
                .executions
                .into_iter()
                .filter(|run| run.ended_at.is_some());
            ended.map(|run| run.execution_id).collect()
        }
        Err(error) => {
            let _gone = held.try_update(|held| held.error = Some(error));
            return INTERVAL;
        }
    };
    let (began, at) = (clock::now(), clock::unix_millis());
    let news = held.try_with_untracked(|held| {
        let old = held
            .answer
            .as_ref()
            .is_none_or(|answer| answer.at + OLD_MS < at);
        old || held.error.is_some() || !held.is_of_now() || held.ended != ended
    });
    if news != Some(true) {
        return INTERVAL;
    }
    let report = answer::report(&question, at).await;
    let slos = answer::slos().await;
    let took = clock::now().since(began);
    let fits = held.try_update(|held| {
        held.slos = Some(slos);
        // what was asked for before another choice was made is no answer to it
        let fits = held.question.asks_as(&question);
        match report {
            Ok(report) if fits => {
                let report = Arc::new(report);
                held.answer = Some(Answer {
                    question: question.clone(),
                    report,
                    at,
                });
                held.ended = ended;
                held.error = None;
            }
            Ok(_) => {}
            Err(error) => held.error = Some(error),
        }
        fits
    });
    match fits {
        Some(true) => {}
        Some(false) => return Duration::ZERO,
        None => return INTERVAL,
    }
    let known = held.try_with_untracked(|held| held.pipelines.0) == Some(Some(question.span));
    if !known && let Ok(names) = answer::pipelines(&question, at).await {
        let _gone = held.try_update(|held| held.pipelines = (Some(question.span), names));
    }
    // a window of many runs takes a while to add up: the server is not kept busy by those who look
    INTERVAL.max(took * REST)
}

/// How often it is looked for runs that have ended, as in the list of runs.
const INTERVAL: Duration = Duration::from_secs(2);
/// After how long the numbers are asked for whatever has ended: runs under way count too.
const OLD_MS: u64 = 30_000;
/// Among how many runs, the newest, one that has ended is looked for.
const LOOKED_AT: u32 = 50;
/// How many times as long as an answer takes none is asked for.
const REST: u32 = 10;
