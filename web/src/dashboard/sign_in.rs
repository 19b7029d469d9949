//! Signing in, on a server with accounts: a token is given once, and a cookie that no script reads takes its place.

use std::time::Duration;

use gloo_net::http::Request;
use leptos::prelude::*;
use serde::Deserialize;
use serde_json::json;
use stepcast_core::time::Timestamp;

use crate::api::{ApiError, accept, read};
use crate::clock::{self, Timer};

/// Who the server takes this browser for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
struct Session {
    /// Whether anybody has to say who it is.
    #[serde(default)]
    accounts: bool,
    #[serde(default)]
    signed_in: bool,
    /// None where a link to a shared run is all that was shown.
    #[serde(default)]
    user: Option<String>,
    /// What they may do.
    #[serde(default)]
    scopes: Vec<String>,
    /// RFC 3339; none where it does not expire.
    #[serde(default)]
    expires_at: Option<String>,
}

impl Session {
    /// How long it is still good, in milliseconds; none where nobody has signed in.
    fn left(&self, now: u64) -> Option<u64> {
        self.user.as_ref()?;
        let until = Timestamp::from(self.expires_at.clone()?).unix_millis()?;
        Some(until.saturating_sub(now))
    }
}

/// Whether everybody's runs are shown here, on a server with accounts: whose each is, is worth telling then. In the
/// context of what is in [`SignedIn`].
#[derive(Clone, Copy, Debug)]
pub(super) struct OfEverybody(pub(super) Memo<bool>);

/// Shows what is in it to who may see it, and a form for a token to everybody else.
#[component]
pub fn SignedIn(children: ChildrenFn) -> impl IntoView {
    // nothing is known before the server has answered; a server of an earlier version has no accounts
    let session = RwSignal::new(None::<Session>);
    let ask = move || {
        leptos::task::spawn_local(async move {
            let found = match shared_link() {
                Some((id, token)) => arrive(&id, &token).await,
                None => ask().await.ok(),
            };
            // none where the page was left meanwhile
            let _gone = session.try_set(Some(found.unwrap_or_default()));
        });
    };
    Effect::new(move |_| ask());
    // a session that has ended meanwhile shows when somebody comes back to the page
    let listener = window_event_listener(leptos::ev::focus, move |_| {
        if session.with_untracked(|it| it.as_ref().is_some_and(|it| it.accounts)) {
            ask();
        }
    });
    on_cleanup(move || listener.remove());
    let state =
        Memo::new(move |_| session.with(|it| it.as_ref().map(|it| !it.accounts || it.signed_in)));
    keep(session);
    let everybody = |it: &Session| it.accounts && it.scopes.iter().any(|scope| scope == "admin");
    let everybody = Memo::new(move |_| session.with(|it| it.as_ref().is_some_and(everybody)));
    provide_context(OfEverybody(everybody));
    move || match state.get() {
        None => ().into_any(),
        Some(true) => children().into_any(),
        Some(false) => view! { <Form on_done=Callback::new(move |()| ask())/> }.into_any(),
    }
}

/// Renews the session whenever half of what is left of it is over, so that nobody is sent away from an open page. One that
/// is not to be renewed any more comes to its end.
fn keep(session: RwSignal<Option<Session>>) {
    let timer = StoredValue::new_local(None::<Timer>);
    let renew = move || {
        leptos::task::spawn_local(async move {
            let renewed = renew().await;
            let held = session.try_get_untracked().flatten();
            match renewed {
                // its end is where it was: there is no more to be had
                Ok(renewed) if held.is_none_or(|held| held.expires_at == renewed.expires_at) => {}
                Ok(renewed) => drop(session.try_set(Some(renewed))),
                Err(ApiError::Refused(_)) => {}
                Err(_) => drop(session.try_update(|_| ())),
            }
        });
    };
    Effect::new(move |_| {
        let left = session.with(|it| it.as_ref()?.left(clock::unix_millis()));
        let half = left.map(|left| Duration::from_millis(left / 2).max(SOONEST));
        timer.set_value(half.map(|half| Timer::after(half, renew)));
    });
}

/// Who is signed in, and the way out.
#[component]
pub fn SignOut() -> impl IntoView {
    let user = RwSignal::new(None::<String>);
    Effect::new(move |_| {
        leptos::task::spawn_local(async move {
            let found = ask().await.unwrap_or_default();
            let _gone = user.try_set(found.user);
        });
    });
    let leave = move |_| {
        leptos::task::spawn_local(async move {
            if accept(Request::delete(SESSION).send().await).await.is_ok() {
                // fails for no page
                let _reloaded = location().reload();
            }
        });
    };
    view! {
        <Show when=move || user.with(Option::is_some)>
            <button class="quiet" type="button" data-testid="sign-out" on:click=leave>
                "Sign out " {move || user.get().unwrap_or_default()}
            </button>
        </Show>
    }
}

#[component]
fn Form(on_done: Callback<()>) -> impl IntoView {
    let (token, set_token) = signal(String::new());
    let (busy, set_busy) = signal(false);
    let (problem, set_problem) = signal(None::<String>);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        set_busy.set(true);
        set_problem.set(None);
        leptos::task::spawn_local(async move {
            let answer = show(token.get_untracked().trim()).await;
            let _gone = set_busy.try_set(false);
            match answer {
                Ok(_) => {
                    let _gone = set_token.try_set(String::new());
                    on_done.run(());
                }
                Err(error) => {
                    let _gone = set_problem.try_set(Some(error.to_string()));
                }
            }
        });
    };
    view! {
        <section class="lost" aria-labelledby="sign-in-title">
            <h1 id="sign-in-title">"Sign in"</h1>
            <p>"This server wants to know who you are. Who runs it makes a token with "<code>"stepcast token create"</code>"."</p>
            <form class="field sign-in" data-testid="sign-in" on:submit=submit>
                <label for="sign-in-token">"Token"</label>
                <input id="sign-in-token" type="password" autocomplete="current-password" required=true
                    prop:value=move || token.get()
                    on:input=move |event| set_token.set(event_target_value(&event))/>
                <button type="submit" disabled=move || busy.get()>"Sign in"</button>
                <p class="note" data-tone="failed" role="alert" data-testid="sign-in-problem" hidden=move || problem.with(Option::is_none)>
                    {move || problem.get()}
                </p>
            </form>
        </section>
    }
}

async fn ask() -> Result<Session, ApiError> {
    read(Request::get(SESSION).send().await).await
}

/// Has the session go on.
async fn renew() -> Result<Session, ApiError> {
    read(Request::put(SESSION).send().await).await
}

/// Shows a token, for a cookie.
async fn show(token: &str) -> Result<Session, ApiError> {
    let request = Request::post(SESSION)
        .json(&json!({ "token": token }))
        .map_err(|error| ApiError::Unreadable(error.to_string()))?;
    read(request.send().await).await
}

/// Somebody has followed a link to a shared run: its secret becomes a cookie, and leaves the address and the history.
async fn arrive(id: &str, token: &str) -> Option<Session> {
    // a link that is not valid any more shows as a run that cannot be seen
    let shown = show(token).await.is_ok();
    // fails for no address
    let _moved = location().replace(&format!("#/runs/{id}"));
    let session = ask().await.ok();
    if shown {
        session
    } else {
        session.filter(|it| it.accounts)
    }
}

/// The run and the secret of a link: `#/shared/{id}/{token}`.
fn shared_link() -> Option<(String, String)> {
    let hash = location().hash().ok()?;
    let (id, token) = parse_shared(&hash)?;
    Some((id.to_owned(), token.to_owned()))
}

fn parse_shared(hash: &str) -> Option<(&str, &str)> {
    let (id, token) = hash.strip_prefix("#/shared/")?.split_once('/')?;
    (!id.is_empty() && !token.is_empty()).then_some((id, token))
}

const SESSION: &str = "/api/session";
/// How soon a session is renewed, or tried again, at the soonest.
const SOONEST: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_names_a_run_and_its_secret() {
        assert_eq!(parse_shared("#/shared/run/secret"), Some(("run", "secret")));
        for hash in [
            "",
            "#/shared/run",
            "#/shared//secret",
            "#/shared/run/",
            "#/runs/run",
        ] {
            assert_eq!(parse_shared(hash), None, "{hash}");
        }
    }
}
