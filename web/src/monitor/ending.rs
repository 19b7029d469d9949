//! Where the run stands, and how the stream ended.

use leptos::prelude::*;
use stepcast_core::client::State;
use stepcast_core::control::EndReason;
use stepcast_core::view::RunView;

use super::error::ErrorNote;
use super::glyph::{Glyph, run_status};
use super::wait::go_to_question_in;
use super::words;
use crate::store::Store;

/// Where the run stands, in a place that is always there: nothing moves when it ends.
#[component]
pub fn Standing(
    /// What is known of the run.
    store: Store,
) -> impl IntoView {
    let ending = Memo::new(move |_| {
        let connection = store.connection();
        store.run(|view| tell(view, connection))
    });
    let under_way = Memo::new(move |_| {
        let since = store.run(|view| view.started_at.is_some() && view.end.is_none());
        let now = if since { store.server_now() } else { 0 };
        let connection = store.connection();
        store.run(|view| so_far(view, now, connection))
    });
    let told = Memo::new(move |_| ending.get().unwrap_or_else(|| under_way.get()));
    let status = Memo::new(move |_| told.with(|told| told.status));
    let asks =
        Memo::new(move |_| store.run(|view| view.end.is_none() && view.counts().waiting > 0));
    // a cancelled run's error only says again that it was cancelled
    let error = Memo::new(move |_| {
        store.run(|view| {
            let error = view.error.as_ref();
            let error = error.filter(|_| view.end != Some(EndReason::Cancelled));
            error.cloned()
        })
    });
    let go_to_question = move |_| {
        if let Some(root) = store.root().get_untracked() {
            go_to_question_in(&root);
        }
    };
    view! {
        <section
            class="standing" aria-label="Where it stands" data-status=status
            data-testid=move || ending.with(Option::is_some).then_some("ending")
        >
            <Glyph status/>
            <p class="standing-words" data-testid="run-status" data-status=status>
                {move || told.with(|told| told.words.clone())}
            </p>
            <p class="standing-more">
                {move || told.with(|told| told.more.clone())} " "
                {move || asks.get().then(|| view! {
                    <button class="quiet" type="button" data-testid="go-to-question" on:click=go_to_question>
                        "Go to the question"
                    </button>
                })}
            </p>
            {move || error.get().map(|error| view! { <ErrorNote error retried=Signal::stored(false)/> })}
        </section>
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Told {
    status: &'static str,
    words: String,
    more: String,
}

/// What there is to tell of a run that has not ended.
fn so_far(view: &RunView, now: u64, connection: State) -> Told {
    if let State::Refused { status } = connection {
        return Told {
            status: "unknown",
            words: "Nothing to show".to_owned(),
            more: words::refusal(status).to_owned(),
        };
    }
    let mut more = view
        .duration_ms(now)
        .map(|ms| format!("for {}, ", words::elapsed(ms)))
        .unwrap_or_default();
    more.push_str(&words::counted(view.events, "event"));
    more.push_str(&resumed(view));
    if view.events == 0 {
        "the first event will show here".clone_into(&mut more);
    }
    Told {
        status: run_status(view),
        words: capital(view.status_words()),
        more,
    }
}

/// That it did not run in one go, where it did not.
fn resumed(view: &RunView) -> String {
    match view.resumes {
        0 => String::new(),
        times => format!(", resumed {}", words::counted(times, "time")),
    }
}

/// The same words, begun with a capital.
fn capital(words: &str) -> String {
    let mut rest = words.chars();
    let first = rest.next().into_iter().flat_map(char::to_uppercase);
    first.chain(rest.clone()).collect()
}

/// What there is to tell of one that has: its own end, or that the stream stopped before it.
fn tell(view: &RunView, connection: State) -> Option<Told> {
    if let Some(end) = view.end_words() {
        let mut more = match view.duration_ms(0) {
            Some(ms) => format!("After {}, ", words::duration(ms)),
            None => String::new(),
        };
        more.push_str(&format!("with {}", words::counted(view.last_seq, "event")));
        more.push_str(&resumed(view));
        // a hole that nobody announced does not exist: the client machine sees to that
        more.push_str(match view.missing {
            0 => ". Nothing is missing.",
            _ => ". Not all of them are here.",
        });
        return Some(Told {
            status: run_status(view),
            words: capital(end),
            more,
        });
    }
    let (words, more) = if matches!(connection, State::Ended { .. }) {
        (
            "Ended without its last event",
            "The server says that the run is over, but its end is among the events that are missing.",
        )
    } else if matches!(connection, State::Refused { .. }) && view.events > 0 {
        (
            "Not known how it ended",
            "The server no longer streams this run. What came before is here.",
        )
    } else {
        return None;
    };
    Some(Told {
        status: "unknown",
        words: words.to_owned(),
        more: more.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_missing_is_called_so() {
        let mut view = RunView::default();
        assert_eq!(tell(&view, State::Idle), None);
        assert_eq!(tell(&view, State::Refused { status: 404 }), None);
        let reason = EndReason::Complete;
        let told = tell(&view, State::Ended { reason }).unwrap();
        assert_eq!(told.status, "unknown");
        assert_eq!(so_far(&view, 0, State::Idle).words, "Not started");
        view.events = 3;
        assert!(tell(&view, State::Refused { status: 410 }).is_some());
    }
    #[test]
    fn a_run_that_was_resumed_is_told_so() {
        let mut view = RunView::default();
        assert_eq!(resumed(&view), "");
        view.events = 3;
        assert_eq!(so_far(&view, 0, State::Idle).more, "3 events");
        view.resumes = 1;
        assert_eq!(
            so_far(&view, 0, State::Idle).more,
            "3 events, resumed 1 time"
        );
    }
}
