//! The event log: a list of which only the visible rows are drawn, so that 100,000 events stay fast.

use std::time::Duration;

use leptos::ev::KeyboardEvent;
use leptos::html;
use leptos::prelude::*;
use stepcast_core::event::EventType;

use super::output::OutputOf;
use super::summary::summary;
use super::words;
use crate::clock::Timer;
use crate::log::{Filter, Log};
use crate::store::Store;

/// The log of events, with a filter by type and the chosen event in full.
#[component]
pub fn Events(
    /// What is known of the run.
    store: Store,
    /// The address of the events from the first on, for those that have left the page.
    #[prop(into)]
    earlier: String,
) -> impl IntoView {
    let chosen = RwSignal::new(None::<usize>);
    let total = Memo::new(move |_| store.run(|view| view.events));
    let passing = Memo::new(move |_| store.log(|log| log.len()));
    let kinds = Memo::new(move |_| {
        store.log(|log| {
            log.counts()
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        })
    });
    let filter = Memo::new(move |_| store.filter());
    Effect::new(move |_| {
        // places are others under another filter
        filter.track();
        chosen.set(None);
    });
    let count = move || match filter.with(|filter| !filter.is_empty()) {
        true => format!(
            "{} of {}",
            words::count(passing.get() as u64),
            words::counted(total.get(), "event")
        ),
        false => words::counted(total.get(), "event"),
    };
    view! {
        <section class="events" part="events" aria-labelledby="events-title">
            <div class="events-head">
                <h2 id="events-title">"Events"</h2>
                <span class="events-count" data-testid="event-count" data-count=move || total.get().to_string()>{count}</span>
            </div>
            <FilterBar store kinds filter/>
            <Dropped store earlier/>
            <Rows store chosen/>
            <Detail store chosen/>
        </section>
    }
    .into_any()
}

/// What to list: by type, by step, by what an event holds.
#[component]
fn FilterBar(store: Store, kinds: Memo<Vec<String>>, filter: Memo<Filter>) -> AnyView {
    let kind = move || {
        filter.with(|filter| {
            filter
                .kind
                .as_ref()
                .map_or(String::new(), ToString::to_string)
        })
    };
    let on_kind = move |event| {
        let value = event_target_value(&event);
        let kind = (!value.is_empty()).then(|| EventType::from(value.as_str()));
        store.filter_log(|filter| filter.kind = kind);
    };
    let on_step = move |event| store.filter_log(|filter| filter.step = event_target_value(&event));
    let typing = StoredValue::new_local(None::<Timer>);
    let on_text = move |event| {
        let text = event_target_value(&event);
        // all events are looked at: once, when the typing rests
        let look = move || store.filter_log(|filter| filter.text = text);
        typing.set_value(Some(Timer::after(TYPING_RESTS, look)));
    };
    view! {
        <div class="events-filter" role="search" aria-label="Events">
            <select id="events-filter" aria-label="Show events of type" prop:value=kind on:change=on_kind>
                <option value="">"all types"</option>
                <For each=move || kinds.get() key=String::clone let(kind)>
                    <option>{kind}</option>
                </For>
            </select>
            <select id="events-step" aria-label="Show events of step" prop:value=move || filter.with(|filter| filter.step.clone()) on:change=on_step>
                <option value="">"all steps"</option>
                <For each=move || store.step_ids() key=String::clone let(id)>
                    <option>{id}</option>
                </For>
            </select>
            <input
                type="search" id="events-text" aria-label="Show events that hold" placeholder="holds…"
                autocomplete="off" spellcheck="false" prop:value=move || filter.with(|filter| filter.text.clone()) on:input=on_text
            />
        </div>
    }
    .into_any()
}

/// How much of the log is no longer in the page, and where it is.
#[component]
fn Dropped(store: Store, earlier: String) -> impl IntoView {
    let dropped = Memo::new(move |_| store.log(|log| log.dropped()));
    move || {
        let dropped = dropped.get();
        (dropped > 0).then(|| {
            view! {
                <p class="note">
                    {words::counted(dropped, "earlier event")} " left this page to keep it fast. "
                    <a href=earlier.clone() target="_blank" rel="noopener">"Read them from the server"</a>
                </p>
            }
        })
    }
}

/// The visible rows.
#[component]
fn Rows(store: Store, chosen: RwSignal<Option<usize>>) -> impl IntoView {
    let list = NodeRef::<html::Div>::new();
    let top = RwSignal::new(0_i32);
    let height = RwSignal::new(DEFAULT_HEIGHT);
    let (following, follow) = signal(true);
    let len = Memo::new(move |_| store.log(|log| log.len()));
    let range = Memo::new(move |_| {
        // what follows is drawn at the end at once: the scroll event comes a frame later
        let top = if following.get() { i32::MAX } else { top.get() };
        visible(top, height.get(), len.get())
    });
    let rows = move || {
        let (from, to) = range.get();
        store.log(|log| {
            (from..to)
                .filter_map(|place| Row::at(log, place))
                .collect::<Vec<_>>()
        })
    };
    let on_scroll = move |_| {
        let Some(list) = list.get_untracked() else {
            return;
        };
        let (now, before) = (list.scroll_top(), top.get_untracked());
        let end = list.scroll_height() - list.client_height();
        height.set(list.client_height());
        top.set(now);
        // rows that arrive between a scroll and its event must not look like the reader's own move
        if now >= end - ROW / 2 {
            follow.set(true);
        } else if now < before {
            follow.set(false);
        }
    };
    let resized = Trigger::new();
    Effect::new(move |_| {
        let listener = window_event_listener(leptos::ev::resize, move |_| resized.notify());
        on_cleanup(move || listener.remove());
    });
    Effect::new(move |_| {
        len.track();
        resized.track();
        let Some(list) = list.get() else { return };
        height.set(list.client_height());
        if following.get() {
            list.set_scroll_top(i32::MAX);
        }
    });
    let on_key = move |event: KeyboardEvent| {
        let last = len.get_untracked().saturating_sub(1);
        let Some(place) = key_target(&event.key(), chosen.get_untracked(), last) else {
            return;
        };
        event.prevent_default();
        chosen.set(place);
        if let (Some(place), Some(list)) = (place, list.get_untracked()) {
            follow.set(false);
            reveal(&list, place);
        }
    };
    view! {
        <div
            class="event-list" data-testid="event-log" node_ref=list tabindex="0" role="listbox" aria-label="Events"
            aria-activedescendant=move || chosen.get().map(row_id)
            on:scroll=on_scroll on:keydown=on_key
        >
            <div class="event-space" role="presentation" style=("height", move || format!("{}px", len.get() as i64 * i64::from(ROW)))>
                <div
                    class="event-rows" role="presentation"
                    style=("transform", move || format!("translateY({}px)", range.get().0 as i64 * i64::from(ROW)))
                >
                    <For each=rows key=|row| (row.place, row.seq) let(row)>
                        <RowItem row chosen len/>
                    </For>
                </div>
            </div>
        </div>
        <div class="event-foot">
            <button class="quiet" type="button" class:hidden=move || following.get() on:click=move |_| follow.set(true)>
                "Follow the end"
            </button>
        </div>
    }
}

/// One row.
#[component]
fn RowItem(row: Row, chosen: RwSignal<Option<usize>>, len: Memo<usize>) -> impl IntoView {
    let place = row.place;
    let kind = row.kind.clone();
    let gap = (row.missing > 0).then(|| format!("{} missing before", words::count(row.missing)));
    let is_chosen = Memo::new(move |_| chosen.get() == Some(place));
    let choose = move |_| chosen.set((!is_chosen.get_untracked()).then_some(place));
    view! {
        <div
            class="event-row" id=row_id(place) role="option" data-type=kind data-seq=row.seq.to_string()
            aria-selected=move || is_chosen.get().to_string()
            aria-posinset=(place + 1).to_string() aria-setsize=move || len.get().to_string()
            on:click=choose
        >
            <span class="event-seq">{row.seq.to_string()}</span>
            <span class="event-time">{row.time}</span>
            <span class="event-type">{row.kind}</span>
            <span class="event-step">{row.step}</span>
            <span class="event-sum">
                {gap.map(|gap| view! { <b class="event-gap">{gap}</b> " " })} {row.summary}
            </span>
        </div>
    }
}

/// The chosen event in full.
#[component]
fn Detail(store: Store, chosen: RwSignal<Option<usize>>) -> impl IntoView {
    move || {
        let place = chosen.get()?;
        // read once: an event never changes
        let event = store.peek_log(|log| serde_json::to_value(log.at(place)?).ok())?;
        Some(view! {
            <div class="event-detail" data-testid="event-detail">
                <OutputOf title="Event" value=event open=true/>
            </div>
        })
    }
}

/// A row as it is drawn.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    place: usize,
    seq: u64,
    missing: u64,
    time: String,
    kind: String,
    step: String,
    summary: String,
}

impl Row {
    fn at(log: &Log, place: usize) -> Option<Self> {
        let event = log.at(place)?;
        let step = event.step_id.as_ref();
        Some(Self {
            place,
            seq: event.seq,
            missing: log.missing_before(place),
            time: words::time_of_day(&event.timestamp),
            kind: event.event_type.to_string(),
            step: step.map(ToString::to_string).unwrap_or_default(),
            summary: summary(event),
        })
    }
}

/// The places drawn: those in sight and some around them.
fn visible(top: i32, height: i32, len: usize) -> (usize, usize) {
    let rows = |pixels: i32| usize::try_from(pixels.max(0) / ROW).unwrap_or(0);
    let first = rows(top).min(len.saturating_sub(rows(height)));
    let from = first.saturating_sub(OVERSCAN);
    (from, len.min(first + rows(height) + 1 + OVERSCAN))
}

/// Which place a key leads to: outer none for a key that is none of ours, inner none for leaving.
fn key_target(key: &str, chosen: Option<usize>, last: usize) -> Option<Option<usize>> {
    Some(match key {
        "ArrowDown" => Some(chosen.map_or(0, |place| last.min(place + 1))),
        "ArrowUp" => Some(chosen.map_or(last, |place| place.saturating_sub(1))),
        "PageDown" => Some(chosen.map_or(0, |place| last.min(place + 10))),
        "PageUp" => Some(chosen.map_or(last, |place| place.saturating_sub(10))),
        "Home" => Some(0),
        "End" => Some(last),
        "Escape" => None,
        _ => return None,
    })
}

/// Scrolls as little as brings the row into sight.
fn reveal(list: &web_sys::HtmlElement, place: usize) {
    let at = i32::try_from(place).unwrap_or(i32::MAX).saturating_mul(ROW);
    let (top, height) = (list.scroll_top(), list.client_height());
    if at < top {
        list.set_scroll_top(at);
    } else if at + ROW > top + height {
        list.set_scroll_top(at + ROW - height);
    }
}

fn row_id(place: usize) -> String {
    format!("event-{place}")
}

/// So long after the last key a filter is applied.
const TYPING_RESTS: Duration = Duration::from_millis(200);
/// A row's height in pixels; the styles say the same.
const ROW: i32 = 26;
/// Rows drawn beyond those in sight, either way.
const OVERSCAN: usize = 8;
/// The list's height before it was measured.
const DEFAULT_HEIGHT: i32 = 640;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_sight_is_drawn() {
        assert_eq!(visible(0, 260, 100_000), (0, 19));
        assert_eq!(visible(26 * 50_000, 260, 100_000), (49_992, 50_019));
        assert_eq!(visible(i32::MAX, 260, 100_000), (99_982, 100_000));
        assert_eq!(visible(500, 260, 3), (0, 3));
    }

    #[test]
    fn keys_move_the_choice_and_stay_inside() {
        assert_eq!(key_target("ArrowDown", None, 9), Some(Some(0)));
        assert_eq!(key_target("ArrowDown", Some(9), 9), Some(Some(9)));
        assert_eq!(key_target("ArrowUp", Some(0), 9), Some(Some(0)));
        assert_eq!(key_target("End", None, 9), Some(Some(9)));
        assert_eq!(key_target("Escape", Some(3), 9), Some(None));
        assert_eq!(key_target("a", Some(3), 9), None);
    }
}
