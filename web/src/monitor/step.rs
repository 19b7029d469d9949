//! One step: its state, timings, progress, and what it says and gives.

use leptos::prelude::*;
use stepcast_core::view::{LogView, StepStatus, StepView};

use super::actions::Actions;
use super::artifact::Artifacts;
use super::attempts::Attempts;
use super::error::ErrorNote;
use super::glyph::{Glyph, step_status};
use super::model::Models;
use super::output::changes::Changes;
use super::output::{self, Output};
use super::steps::anchor;
use super::text::{Channel, StreamedText};
use super::wait::Waits;
use super::words;
use crate::store::Step;

/// A step as a station on the line.
#[component]
pub fn StepItem(
    /// The step.
    step: Step,
    /// What a person can set off.
    actions: Actions,
) -> impl IntoView {
    let status = step.memo(|step| step.status);
    let status_name = Signal::derive(move || step_status(status.get()));
    let name = step.memo(|step| step.name.clone().unwrap_or_else(|| step.id.clone()));
    let kind = step.memo(|step| step.kind.clone().unwrap_or_default());
    let turn = step.memo(turn);
    let says = step.memo(says);
    let error = step.memo(|step| step.error.clone());
    let percent = step.memo(|step| {
        (step.status == StepStatus::Running)
            .then(|| step.progress.map(words::percent))
            .flatten()
    });
    let retried = Signal::derive(move || {
        !matches!(
            status.get(),
            StepStatus::Failed | StepStatus::FailedContinued
        )
    });
    view! {
        <li class="step" part="step" id=anchor(&step.id()) tabindex="-1" data-testid="step" data-step-id=step.id() data-status=status_name>
            <div class="step-mark"><Glyph status=status_name/></div>
            <div class="step-body">
                <div class="step-head">
                    <h3 class="step-name">{name}</h3>
                    <span class="step-status">{move || status.get().words()}</span>
                    <StepTime step/>
                </div>
                <p class="step-sub">
                    <span class="tag">{kind}</span>
                    <span class="step-turn">{turn}</span>
                    <span class="step-says">{says}</span>
                </p>
                <div class="step-bar">
                    {move || percent.get().map(|percent| view! {
                        <progress max="100" value=percent.to_string() aria-label=move || format!("Progress of {}", name.get())>
                        </progress>
                    })}
                </div>
                {move || error.get().map(|error| view! { <ErrorNote error retried/> })}
                <Attempts step/>
                <Says step/>
                <Gives step actions/>
            </div>
        </li>
    }
    .into_any()
}

/// What it streams: whom it asks, what a model thinks and calls, the text.
#[component]
fn Says(step: Step) -> AnyView {
    let models = step.memo(|step| !step.models.is_empty());
    let reasoning = step.memo(|step| step.reasoning.len() as u64 + step.reasoning_dropped);
    let reasons = Memo::new(move |_| reasoning.get() > 0);
    let text = step.memo(|step| !step.text.is_empty());
    // the output of a step that failed half way says so itself
    let incomplete = step.memo(|step| step.partial && step.output.is_none());
    let (drawn, draw) = signal(false);
    view! {
        <Show when=move || reasons.get()>
            <details class="fold" data-testid="reasoning" on:toggle=move |_| draw.set(true)>
                <summary>
                    "Reasoning " <span class="fold-more">{move || words::bytes(reasoning.get())}</span>
                </summary>
                <Show when=move || drawn.get()><StreamedText step channel=Channel::Reasoning/></Show>
            </details>
        </Show>
        <Show when=move || models.get()><Models step/></Show>
        <Show when=move || text.get()><StreamedText step/></Show>
        <Show when=move || incomplete.get()><Incomplete/></Show>
    }
    .into_any()
}

/// What it gives: files, questions, log lines, its output.
#[component]
fn Gives(step: Step, actions: Actions) -> AnyView {
    let waits = step.memo(|step| !step.waits.is_empty());
    let artifacts = step.memo(|step| !step.artifacts.is_empty());
    let logs = step.memo(|step| !step.logs.is_empty());
    let output = step.memo(|step| {
        let seq = step.output_seq.unwrap_or(step.last_seq);
        step.output.is_some().then_some((seq, step.partial))
    });
    view! {
        <Show when=move || artifacts.get()><Artifacts step actions/></Show>
        <Show when=move || waits.get()><Waits step actions/></Show>
        <Show when=move || logs.get()><Logs step/></Show>
        {move || output.get().map(|(_, partial)| {
            let preview = step.peek(|step| step.output.as_ref().map(output::line)).flatten();
            let value = move || step.peek(|step| step.output.clone()).flatten().unwrap_or_default();
            view! {
                {partial.then(|| view! { <Incomplete/> })}
                <Output title="Output" preview=preview.unwrap_or_default() read=value/>
                <Changes step/>
            }
        })}
    }
    .into_any()
}

/// That a step gave only a part before it failed.
#[component]
fn Incomplete() -> impl IntoView {
    view! { <p class="incomplete" data-testid="incomplete">"Incomplete: the step failed here."</p> }
}

/// How long the step took, or has taken so far.
#[component]
fn StepTime(step: Step) -> impl IntoView {
    let words = step_time(step);
    view! { <span class="step-time">{words}</span> }
}

/// How long a step took, or has taken so far, in words; empty before it begins.
pub(super) fn step_time(step: Step) -> Memo<String> {
    let words = move || {
        let ended = step.read(|step| step.status.is_ended())?;
        if ended {
            return step
                .read(|step| step.duration_ms(0))
                .flatten()
                .map(words::duration);
        }
        let now = step.store().server_now();
        let ms = step.read(|step| step.duration_ms(now)).flatten();
        ms.map(words::elapsed)
    };
    Memo::new(move |_| words().unwrap_or_default())
}

/// The step's log lines, folded.
#[component]
fn Logs(step: Step) -> AnyView {
    let lines = step.memo(|step| step.logs.clone());
    let count = step.memo(|step| step.logs.len() as u64 + step.logs_dropped);
    view! {
        <details class="fold">
            <summary>"Log "<span class="fold-more">{move || words::counted(count.get(), "line")}</span></summary>
            <ol class="logs" tabindex="0" aria-label="Log lines">
                <For each=move || lines.get() key=|line| line.seq let(line)>
                    <LogItem line/>
                </For>
            </ol>
        </details>
    }
    .into_any()
}

#[component]
fn LogItem(line: LogView) -> impl IntoView {
    let level = line.level.clone();
    view! {
        <li data-level=level><span class="log-level">{line.level}</span>" "<span>{line.message}</span></li>
    }
}

/// Which time through a loop and which try, where it is not the first.
fn turn(step: &StepView) -> String {
    let mut words = Vec::with_capacity(2);
    if step.iteration > 1 {
        words.push(format!("round {}", step.iteration));
    }
    if step.attempt > 1 {
        words.push(match step.max_attempts {
            Some(most) => format!("attempt {} of {most}", step.attempt),
            None => format!("attempt {}", step.attempt),
        });
    }
    if step.fallback {
        words.push("by its fallback".to_owned());
    }
    if let Some(circuit) = step.circuit.as_ref().filter(|it| it.state != "closed") {
        let name = circuit.name.as_deref().unwrap_or_default();
        words.push(format!("{} {name}", circuit.words()).trim_end().to_owned());
    }
    words.join(", ")
}

/// The one line under the name. It is always there, so that nothing moves when it fills.
fn says(step: &StepView) -> String {
    let words = match step.status {
        StepStatus::Skipped => Some("The run ended without it."),
        StepStatus::Unknown => Some("What came of it is among the missing events."),
        StepStatus::Pending
        | StepStatus::Running
        | StepStatus::Retrying
        | StepStatus::Waiting
        | StepStatus::Completed
        | StepStatus::FailedContinued
        | StepStatus::Failed
        | _ => step.message.as_deref(),
    };
    words.unwrap_or_default().to_owned()
}
