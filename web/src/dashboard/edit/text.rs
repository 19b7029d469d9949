//! A plain text area with numbered lines, of which some are marked.

use std::collections::BTreeSet;

use leptos::html;
use leptos::prelude::*;

use super::Mark;

/// The text, and beside it the numbers of its lines.
///
/// `go` is a line to lead to.
pub(super) fn numbered(
    text: RwSignal<String>,
    marks: Memo<Vec<Mark>>,
    go: RwSignal<Option<usize>>,
) -> AnyView {
    let area = NodeRef::<html::Textarea>::new();
    let top = RwSignal::new(0);
    let lines = Memo::new(move |_| text.with(|text| text.lines().count().max(1)));
    let marked = Memo::new(move |_| {
        let lines = |warning| {
            marks.with(|marks| {
                let marks = marks.iter().filter(|mark| mark.warning == warning);
                marks.map(|mark| mark.line).collect::<BTreeSet<_>>()
            })
        };
        (lines(false), lines(true))
    });
    Effect::new(move |_| {
        if let (Some(line), Some(area)) = (go.get(), area.get()) {
            go.set(None);
            show(&area, &text.get_untracked(), line);
        }
    });
    let numbers = move || {
        let (wrong, warned) = marked.get();
        let number = |line: usize| {
            let kind = if wrong.contains(&line) {
                Some("problem")
            } else {
                warned.contains(&line).then_some("warning")
            };
            view! { <span data-kind=kind>{(line + 1).to_string()}</span> }
        };
        (0..lines.get().min(MOST_NUMBERED))
            .map(number)
            .collect::<Vec<_>>()
    };
    let scrolled = move |_| {
        if let Some(area) = area.get_untracked() {
            top.set(area.scroll_top());
        }
    };
    let invalid = move || marked.with(|(wrong, _)| (!wrong.is_empty()).then_some("true"));
    view! {
        <div class="edit-text">
            <div class="edit-numbers" aria-hidden="true">
                <div style=("transform", move || format!("translateY(-{}px)", top.get()))>{numbers}</div>
            </div>
            <textarea
                data-testid="edit-text" aria-label="Definition of the pipeline, in JSON" node_ref=area wrap="off"
                spellcheck="false" autocomplete="off" autocapitalize="off" aria-invalid=invalid
                prop:value=move || text.get() on:scroll=scrolled
                on:input=move |event| text.set(event_target_value(&event))
            ></textarea>
        </div>
    }
    .into_any()
}

/// Selects a line and brings it into sight.
fn show(area: &web_sys::HtmlTextAreaElement, text: &str, line: usize) {
    let units = |text: &str| u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX);
    let mut lines = text.split('\n');
    let before: u32 = lines.by_ref().take(line).map(|line| units(line) + 1).sum();
    let end = before + lines.next().map_or(0, units);
    // fails for no text area
    let _selected = area.set_selection_range(before, end);
    let _focused = area.focus();
    let all = i32::try_from(text.split('\n').count().max(1)).unwrap_or(i32::MAX);
    let at = i32::try_from(line)
        .unwrap_or(i32::MAX)
        .saturating_mul(area.scroll_height() / all);
    area.set_scroll_top(at - area.client_height() / 3);
}

/// More lines than a pipeline has have no numbers.
const MOST_NUMBERED: usize = 10_000;
