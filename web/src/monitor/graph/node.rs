//! A step as a box of the graph, and what is said of the one that is chosen.

use leptos::prelude::*;
use stepcast_core::view::StepView;

use super::super::glyph::{Glyph, step_status};
use super::super::step::step_time;
use super::Scene;
use super::plan::STEP;
use super::window::Fingers;

/// A step.
pub(super) fn node(scene: Scene, number: usize) -> AnyView {
    let id = scene
        .plan
        .with_untracked(|plan| plan.steps.get(number).cloned());
    let Some(id) = id else {
        return ().into_any();
    };
    let (x, y) = scene.drawing.with_untracked(|drawing| drawing.step(number));
    let step = scene.store.step(&id);
    let status = step.memo(|step| step.status);
    let name = step.memo(|step| step.name.clone().unwrap_or_else(|| step.id.clone()));
    let turn = step.memo(turn);
    let time = step_time(step);
    let fill = step.memo(|step| step.progress.filter(|_| step.status.is_active()));
    let chosen = Memo::new(move |_| scene.chosen.get() == Some(number));
    let click = move |_| {
        if !scene.fingers.with_value(Fingers::dragged) {
            scene.choose(number);
        }
    };
    let status_name = Signal::derive(move || step_status(status.get()));
    view! {
        <div
            class="graph-step" id=node_id(number) role="option" data-testid="graph-step" data-id=id
            data-status=status_name aria-selected=move || chosen.get().to_string() title=name
            style:left=format!("{:.1}px", x - STEP.0 / 2.0) style:top=format!("{:.1}px", y - STEP.1 / 2.0)
            on:click=click on:dblclick=move |_| scene.open(number)
        >
            <Glyph status=status_name/>
            <span class="graph-name">{name}</span>
            <span class="sr-only">{move || status.get().words()}</span>
            <span class="graph-sub">
                <span class="graph-turn">{turn}</span>
                <span class="graph-time">{time}</span>
            </span>
            <span class="graph-fill" aria-hidden="true" style=("--fill", move || format!("{:.3}", fill.get().unwrap_or(0.0)))></span>
        </div>
    }
    .into_any()
}

/// The line under the graph: the chosen step, or what can be done.
pub(super) fn foot(scene: Scene) -> AnyView {
    let told = Memo::new(move |_| {
        let number = scene.chosen.get()?;
        scene.store.run(|view| {
            let step = view.steps.get(number)?;
            Some((number, tell(step)))
        })
    });
    let at = Memo::new(move |_| told.with(|told| told.as_ref().map(|(number, _)| *number)));
    view! {
        <div class="graph-foot">
            <p class="graph-told" data-testid="graph-told" data-hint=move || at.get().is_none().to_string()>
                {move || told.with(|told| told.as_ref().map_or_else(|| HINT.to_owned(), |(_, words)| words.clone()))}
            </p>
            <button
                class="quiet" type="button" class:hidden=move || at.get().is_none() data-testid="graph-open"
                on:click=move |_| if let Some(number) = at.get_untracked() { scene.open(number) }
            >"Go to the step"</button>
            <div class="graph-tools" role="group" aria-label="View of the graph">
                <button class="quiet" type="button" aria-label="Smaller" title="Smaller (-)" on:click=move |_| scene.zoom(1.0 / super::ZOOM, None)>"−"</button>
                <button class="quiet" type="button" aria-label="Larger" title="Larger (+)" on:click=move |_| scene.zoom(super::ZOOM, None)>"+"</button>
                <button class="quiet" type="button" title="Show all of it (0)" data-testid="graph-fit" on:click=move |_| scene.fit()>"Fit"</button>
                <button
                    class="quiet" type="button" title="Go along with what happens (f)" data-testid="graph-follow"
                    aria-pressed=move || scene.following.get().to_string() on:click=move |_| scene.following.update(|on| *on = !*on)
                >"Follow"</button>
            </div>
        </div>
    }
    .into_any()
}

/// The element of a step.
pub(super) fn node_id(number: usize) -> String {
    format!("graph-step-{number}")
}

/// How often it came by, and how often it was tried.
fn turn(step: &StepView) -> String {
    let mut words = match step.iteration {
        0 | 1 => String::new(),
        round => format!("round {round}"),
    };
    if step.attempt > 1 {
        let sep = if words.is_empty() { "" } else { ", " };
        words.push_str(&format!("{sep}try {}", step.attempt));
    }
    words
}

fn tell(step: &StepView) -> String {
    let name = step.name.as_deref().unwrap_or(&step.id);
    let mut words = format!("{name}: {}", step.status.words());
    let turn = turn(step);
    if !turn.is_empty() {
        words.push_str(&format!(", {turn}"));
    }
    match step.error.as_ref().filter(|_| step.status.is_ended()) {
        Some(error) => words.push_str(&format!(". {}", error.message)),
        None => {
            if let Some(message) = &step.message {
                words.push_str(&format!(". {message}"));
            }
        }
    }
    words
}

/// What can be done with the graph.
const HINT: &str = "Arrow keys go from step to step, Enter opens one. Drag to move; Ctrl and the wheel, + and − zoom.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_told_in_one_line() {
        let mut step = StepView::default();
        step.id = "draft".to_owned();
        assert_eq!(tell(&step), "draft: pending");
        step.iteration = 3;
        step.attempt = 2;
        step.message = Some("reading".to_owned());
        assert_eq!(tell(&step), "draft: pending, round 3, try 2. reading");
    }
}
