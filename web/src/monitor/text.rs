//! Streamed text: what comes is appended, what is there stays where the reader left it.

use leptos::html;
use leptos::prelude::*;
use stepcast_core::view::{MAX_TEXT_BYTES, StepView};
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, Text};

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
    let first = step.peek(|step| (channel.of(step).0.to_owned(), Place::of(step, channel)));
    let (text, place) = first.unwrap_or_default();
    let tail = StoredValue::new_local(Tail {
        place,
        ..Tail::default()
    });
    let dropped = step.memo(move |step| channel.of(step).1 > 0);

    Effect::new(move |_| {
        let Some(area) = area.get() else { return };
        tail.update_value(|tail| tail.adopt(&area));
        step.read(|step| tail.update_value(|tail| tail.catch_up(&area, step, channel)));
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
    view! {
        <div class="text">
            <Show when=move || dropped.get()>
                <p class="text-dropped">"The beginning is no longer kept here."</p>
            </Show>
            <div class="text-area" data-testid=testid node_ref=area on:scroll=on_scroll tabindex="0" role="region" aria-label=label>
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

/// How far a text has come. Two places of one round differ by what was appended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Place {
    iteration: u64,
    attempt: u64,
    end: u64,
}

impl Place {
    fn of(step: &StepView, channel: Channel) -> Self {
        let (text, dropped) = channel.of(step);
        Self {
            iteration: step.iteration,
            attempt: step.attempt,
            end: dropped + text.len() as u64,
        }
    }

    /// What `text`, which ends at `self`, has beyond `earlier`; none where it must be shown anew.
    fn appended(self, earlier: Self, text: &str) -> Option<&str> {
        let same = self.iteration == earlier.iteration && self.attempt == earlier.attempt;
        let new = usize::try_from(self.end.checked_sub(earlier.end)?).ok()?;
        let from = text.len().checked_sub(new)?;
        same.then(|| text.get(from..)).flatten()
    }
}

/// The end of the text on the page.
#[derive(Debug, Default)]
struct Tail {
    place: Place,
    /// The block that is still appended to.
    node: Option<Text>,
    adopted: bool,
}

impl Tail {
    /// Goes on, once, with the block that was drawn with the component.
    fn adopt(&mut self, area: &HtmlElement) {
        if !std::mem::replace(&mut self.adopted, true) {
            let drawn = area
                .last_element_child()
                .and_then(|block| block.last_child());
            self.node = drawn.and_then(|node| node.dyn_into().ok());
        }
    }

    /// Brings the page up to the step's text.
    fn catch_up(&mut self, area: &HtmlElement, step: &StepView, channel: Channel) {
        let (whole, _) = channel.of(step);
        let place = Place::of(step, channel);
        let crowded = area.child_element_count() as usize * BLOCK_CHARS > 2 * MAX_TEXT_BYTES;
        match place.appended(self.place, whole) {
            Some("") => {}
            Some(text) if !crowded => self.append(area, text),
            _ => {
                area.set_text_content(None);
                self.node = None;
                self.append(area, whole);
            }
        }
        self.place = place;
    }

    /// Appends to the open block, and closes it where it is long: a long text is not laid out anew with
    /// each token.
    fn append(&mut self, area: &HtmlElement, mut text: &str) {
        while !text.is_empty() {
            let Some(node) = self.node.take().or_else(|| open_block(area)) else {
                return;
            };
            let (head, rest) = text.split_at(block_end(node.length() as usize, text));
            // fails only beyond 2^32 characters
            let _full = node.append_data(head);
            if rest.is_empty() && !is_closed(node.length() as usize, head) {
                self.node = Some(node);
            }
            text = rest;
        }
    }
}

/// How much of `text` goes into a block that holds `held` characters.
fn block_end(held: usize, text: &str) -> usize {
    let mut at = held;
    for (index, c) in text.char_indices() {
        at += 1;
        let end = index + c.len_utf8();
        if is_closed(at, text.get(..end).unwrap_or_default()) {
            return end;
        }
    }
    text.len()
}

/// Whether a block of so many characters that ends with this text is full: at a line end, or, where no line
/// ends for long, at a space.
fn is_closed(held: usize, text: &str) -> bool {
    held >= BLOCK_CHARS && text.ends_with('\n') || held >= 2 * BLOCK_CHARS && text.ends_with(' ')
}

/// A new block at the end of the area.
fn open_block(area: &HtmlElement) -> Option<Text> {
    let document = area.owner_document()?;
    let block = document.create_element("div").ok()?;
    let node = document.create_text_node("");
    block.append_child(&node).ok()?;
    area.append_child(&block).ok()?;
    Some(node)
}

/// A block of so many characters is closed at the next line end.
const BLOCK_CHARS: usize = 4 << 10;
/// This near to the end, in pixels, counts as at the end.
const SLACK: i32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_with_a_line_or_far_on_with_a_word() {
        assert_eq!(block_end(0, "a\nb"), 3);
        assert_eq!(block_end(BLOCK_CHARS, "a b\nc"), 4);
        assert_eq!(block_end(2 * BLOCK_CHARS, "ü b\nc"), 3);
        assert_eq!(block_end(2 * BLOCK_CHARS, "abc"), 3);
        assert!(!is_closed(2 * BLOCK_CHARS, "abc"));
    }

    #[test]
    fn only_what_is_new_is_appended() {
        let place = |iteration, end| Place {
            iteration,
            attempt: 1,
            end,
        };
        assert_eq!(place(1, 5).appended(place(1, 3), "Hello"), Some("lo"));
        assert_eq!(place(1, 5).appended(place(1, 5), "Hello"), Some(""));
        // another round, or more new than is kept: all anew
        assert_eq!(place(2, 5).appended(place(1, 3), "Hello"), None);
        assert_eq!(place(1, 90).appended(place(1, 3), "Hello"), None);
        // a shorter text is another one
        assert_eq!(place(1, 2).appended(place(1, 3), "He"), None);
        // never within a character
        assert_eq!(place(1, 3).appended(place(1, 2), "aü"), None);
    }
}
