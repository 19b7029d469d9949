//! A button that puts a text on the clipboard.

use std::time::Duration;

use leptos::prelude::*;
use wasm_bindgen_futures::JsFuture;

/// Copies a text that is made when it is asked for.
#[component]
pub fn Copy(
    /// The text.
    text: impl Fn() -> String + Send + 'static,
    /// What the button says.
    #[prop(default = "Copy")]
    label: &'static str,
) -> AnyView {
    let (said, say) = signal(label);
    let copy = move |_| {
        copy_text(text(), move |done| {
            // none where the button is gone
            let _gone = say.try_set(if done { "Copied" } else { "Not copied" });
            let again = move || {
                let _gone = say.try_set(label);
            };
            set_timeout(again, SHOWN);
        });
    };
    view! {
        <button class="quiet copy" type="button" aria-live="polite" on:click=copy>{said}</button>
    }
    .into_any()
}

/// Puts a text on the clipboard, and says whether it is there. A browser has none for a page that came over plain
/// HTTP from another machine.
pub(super) fn copy_text(text: String, then: impl FnOnce(bool) + 'static) {
    let Some(window) = web_sys::window().filter(web_sys::Window::is_secure_context) else {
        return then(false);
    };
    let copied = JsFuture::from(window.navigator().clipboard().write_text(&text));
    leptos::task::spawn_local(async move { then(copied.await.is_ok()) });
}

/// How long the button says what came of it.
const SHOWN: Duration = Duration::from_secs(2);
