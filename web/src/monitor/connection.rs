//! The connection, shown honestly and quietly: what it does now, and what is missing.

use leptos::prelude::*;
use stepcast_core::client::State;
use stepcast_core::time::Time;

use super::words;
use crate::store::Store;

/// What the connection does, in words, with a button where a person can hurry it.
#[component]
pub fn Connection(
    /// What is known of the run.
    store: Store,
    /// Called to connect again now.
    on_retry: Callback<()>,
) -> impl IntoView {
    let kind = Memo::new(move |_| words::connection_kind(store.connection()));
    let said = Memo::new(move |_| {
        let state = store.connection();
        // only what the words need is tracked
        let now = if matches!(state, State::Waiting { .. }) {
            store.now().monotonic
        } else {
            Time::ZERO
        };
        let seq = if matches!(state, State::CatchingUp { .. }) {
            store.run(|view| view.last_seq)
        } else {
            0
        };
        words::connection(state, now, seq)
    });
    let age = Memo::new(move |_| {
        let state = store.connection();
        let heard = store.heard()?;
        words::last_word(state, store.now().monotonic.since(heard))
    });
    let retry = Memo::new(move |_| {
        let state = store.connection();
        if matches!(state, State::Waiting { .. }) {
            Some("Try now")
        } else if matches!(state, State::Refused { .. } | State::Stopped) {
            Some("Try again")
        } else {
            None
        }
    });
    view! {
        <div class="connection" part="connection" data-testid="connection" data-state=kind>
            <span class="connection-mark" aria-hidden="true"></span>
            <span class="connection-words">{move || said.get().0}</span>
            <span class="connection-more">{move || said.get().1}</span>
            <span class="connection-age" data-testid="connection-age">{move || age.get()}</span>
            {move || {
                retry.get().map(|words| {
                    view! {
                        <button class="quiet" type="button" on:click=move |_| on_retry.run(())>{words}</button>
                    }
                })
            }}
        </div>
    }
}

/// What is missing from the run, where something is.
#[component]
pub fn Gaps(
    /// What is known of the run.
    store: Store,
) -> impl IntoView {
    let gaps = Memo::new(move |_| store.run(|view| (view.missing, view.gaps.last().copied())));
    move || {
        let (missing, last) = gaps.get();
        let last = last?;
        let (sum, reason) = (words::counted(missing, "event"), words::gap(last.reason));
        let verb = if missing == 1 { "is" } else { "are" };
        Some(view! {
            <p class="note" data-tone="warning" data-testid="gap">
                {format!("{sum} {verb} missing: {reason} (the last gap: {} to {}).", last.from, last.to)}
            </p>
        })
    }
}
