//! Streamed text: what comes is appended, what is there stays where the reader left it.

mod markdown;
mod place;
mod plain;

use leptos::html;
use leptos::prelude::*;
use stepcast_core::time::Time;
use stepcast_core::view::StepView;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

use self::markdown::Markdown;
use self::place::Place;
use self::plain::Tail;
use super::copy::{Copy, copy_text};
use crate::clock::{self, Timer};
use crate::kept;
use crate::store::Step;

/// What is streamed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Channel {
    /// What the step says.
    Text,
    /// What a model thinks before it says it.
    Reasoning,
}

impl Channel {
    /// The end of it, and how much was dropped in front.
    fn of(self, step: &StepView) -> (&str, u64) {
        match self {
            Self::Text => (&step.text, step.text_dropped),
            Self::Reasoning => (&step.reasoning, step.reasoning_dropped),
        }
    }
}

/// How a text is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Plain,
    Markdown,
}

impl Form {
    /// Programs print, and everything else writes.
    fn of(step: &StepView) -> Self {
        match step.kind.as_deref() {
            Some("command") => Self::Plain,
            _ => Self::Markdown,
        }
    }

    /// What the reader chose last.
    fn kept() -> Option<Self> {
        match kept::read(KEPT)?.as_str() {
            "plain" => Some(Self::Plain),
            "markdown" => Some(Self::Markdown),
            _ => None,
        }
    }

    fn choose(self) {
        let word = match self {
            Self::Plain => "plain",
            Self::Markdown => "markdown",
        };
        kept::write(KEPT, word);
    }
}

/// The text that a step streams, in a box of fixed height. It follows the end until the reader scrolls up.
#[component]
pub fn StreamedText(
    /// The step.
    step: Step,
    /// What of it.
    #[prop(default = Channel::Text)]
    channel: Channel,
) -> AnyView {
    let area = NodeRef::<html::Div>::new();
    let (following, follow) = signal(true);
    let first = step.peek(|step| (channel.of(step).0.to_owned(), Form::of(step)));
    let (text, form) = first.unwrap_or((String::new(), Form::Plain));
    let (form, set_form) = signal(form);
    let drawing = StoredValue::new_local(Drawing::default());
    let late = Trigger::new();
    let dropped = step.memo(move |step| channel.of(step).1 > 0);

    // before the first drawing
    Effect::new(move |_| {
        if let Some(kept) = Form::kept() {
            set_form.set(kept);
        }
    });
    Effect::new(move |_| {
        late.track();
        let (Some(area), form) = (area.get(), form.get()) else {
            return;
        };
        step.read(|step| {
            drawing.update_value(|drawing| {
                drawing.catch_up(&area, step, channel, form, move || late.notify());
            });
        });
        if following.get() {
            area.set_scroll_top(area.scroll_height());
        }
    });
    let seen = StoredValue::new(0_i32);
    let on_scroll = move |_| {
        let Some(area) = area.get_untracked() else {
            return;
        };
        let (now, before) = (area.scroll_top(), seen.get_value());
        seen.set_value(now);
        // text that arrives between a scroll and its event must not look like the reader's own move
        if now >= area.scroll_height() - area.client_height() - SLACK {
            follow.set(true);
        } else if now < before {
            follow.set(false);
        }
    };
    let (what, testid) = match channel {
        Channel::Text => ("Text", "step-text"),
        Channel::Reasoning => ("Reasoning", "step-reasoning"),
    };
    let label = format!("{what} of {}", step.id());
    let whole = move || step.peek(|step| channel.of(step).0.to_owned());
    let switch = move |to: Form, word: &'static str| {
        let choose = move |_| {
            to.choose();
            set_form.set(to);
        };
        view! {
            <button class="quiet" type="button" aria-pressed=move || (form.get() == to).to_string() on:click=choose>
                {word}
            </button>
        }
    };
    view! {
        <div class="text">
            <div class="text-head">
                <span class="text-forms" role="group" aria-label=format!("{label} as")>
                    {switch(Form::Markdown, "Markdown")} {switch(Form::Plain, "Plain")}
                </span>
                <Copy text=move || whole().unwrap_or_default()/>
            </div>
            <Show when=move || dropped.get()>
                <p class="text-dropped">"The beginning is no longer kept here."</p>
            </Show>
            <div
                class="text-area" class:markdown=move || form.get() == Form::Markdown
                data-testid=testid node_ref=area on:scroll=on_scroll on:click=copy_code
                tabindex="0" role="region" aria-label=label
            >
                <div>{text}</div>
            </div>
            <button
                class="text-follow" type="button" class:hidden=move || following.get()
                on:click=move |_| follow.set(true)
            >"Follow the end"</button>
        </div>
    }
    .into_any()
}

/// Copies the block of code whose button was clicked.
fn copy_code(event: leptos::ev::MouseEvent) {
    let clicked = event.target().and_then(|it| it.dyn_into::<Element>().ok());
    let Some(button) = clicked.filter(|it| it.class_list().contains("md-copy")) else {
        return;
    };
    let block = button.closest(".md-code").ok().flatten();
    let code = block.and_then(|block| block.query_selector("code").ok().flatten());
    let text = code.and_then(|code| code.text_content());
    copy_text(text.unwrap_or_default(), move |done| {
        button.set_text_content(Some(if done { "Copied" } else { "Not copied" }));
    });
}

/// The text as it is on the page.
#[derive(Debug, Default)]
struct Drawing {
    drawn: Drawn,
    /// Not sooner than this again, and what wakes us then.
    rest: Option<(Time, Timer)>,
}

#[derive(Debug, Default)]
enum Drawn {
    #[default]
    Nothing,
    Plain(Tail),
    Markdown(Markdown),
}

impl Drawing {
    /// Brings the page up to the step's text; `late` is called where that has to wait.
    fn catch_up(
        &mut self,
        area: &HtmlElement,
        step: &StepView,
        channel: Channel,
        form: Form,
        late: impl FnOnce() + 'static,
    ) {
        let ((text, _), place) = (channel.of(step), Place::of(step, channel));
        match (&mut self.drawn, form) {
            (Drawn::Plain(tail), Form::Plain) => tail.catch_up(area, text, place),
            (Drawn::Markdown(markdown), Form::Markdown) => {
                let begun = clock::now();
                if self.rest.as_ref().is_some_and(|(until, _)| begun < *until) {
                    return;
                }
                self.rest = None;
                markdown.catch_up(area, text, place, step.status.is_ended());
                if markdown.open_len() > LONG_BLOCK {
                    // a block that is looked at whole with each token takes a fifth of the time at most
                    let wait = clock::now().since(begun) * 4;
                    self.rest = Some((begun + wait, Timer::after(wait, late)));
                }
            }
            (drawn, form) => {
                area.set_text_content(None);
                *drawn = match form {
                    Form::Plain => Drawn::Plain(Tail::default()),
                    Form::Markdown => Drawn::Markdown(Markdown::default()),
                };
                self.rest = None;
                self.catch_up(area, step, channel, form, late);
            }
        }
    }
}

/// The key under which the browser keeps the form that the reader chose.
const KEPT: &str = "stepcast-text";
/// This near to the end, in pixels, counts as at the end.
const SLACK: i32 = 8;
/// An open block of so many bytes is not looked at with every frame.
const LONG_BLOCK: usize = 16 << 10;
