//! Light, dark, or as the system has it.

use leptos::prelude::*;

use crate::kept;

/// The button that goes through the themes. The choice is kept in the browser.
#[component]
pub fn ThemeButton() -> impl IntoView {
    let theme = RwSignal::new(stored().unwrap_or(Theme::System));
    Effect::new(move |_| apply(theme.get()));
    let next = move |_| {
        theme.update(|theme| *theme = theme.next());
        kept::write(KEY, theme.get_untracked().name());
    };
    view! {
        <button class="quiet" type="button" data-testid="theme" on:click=next>
            "Theme: " {move || theme.get().name()}
        </button>
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Theme {
    System,
    Light,
    Dark,
}

impl Theme {
    const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }

    const fn next(self) -> Self {
        match self {
            Self::System => Self::Light,
            Self::Light => Self::Dark,
            Self::Dark => Self::System,
        }
    }
}

fn stored() -> Option<Theme> {
    let text = kept::read(KEY)?;
    [Theme::Light, Theme::Dark]
        .into_iter()
        .find(|theme| theme.name() == text)
}

fn apply(theme: Theme) {
    if let Some(root) = document().document_element() {
        // fails for no attribute name
        let _set = match theme {
            Theme::System => root.remove_attribute("data-theme"),
            Theme::Light | Theme::Dark => root.set_attribute("data-theme", theme.name()),
        };
    }
}

const KEY: &str = "stepcast.theme";
