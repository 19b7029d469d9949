//! Streamed text as it is: what comes is appended, so that a long text is not laid out anew with each token.

use stepcast_core::view::MAX_TEXT_BYTES;
use web_sys::{HtmlElement, Text};

use super::place::Place;

/// The end of the text on the page.
#[derive(Debug, Default)]
pub(super) struct Tail {
    place: Place,
    /// The block that is still appended to.
    node: Option<Text>,
}

impl Tail {
    /// Brings the page up to a text that ends at `place`.
    pub(super) fn catch_up(&mut self, area: &HtmlElement, whole: &str, place: Place) {
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
}
