//! Streamed Markdown: the block that is open is brought up to date, those that have ended are left alone.

mod blocks;
mod patch;
mod tree;

use web_sys::HtmlElement;

use self::blocks::Blocks;
use self::tree::Node;
use super::place::Place;

/// A Markdown text on the page.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    place: Place,
    blocks: Blocks,
    /// The block that is open, as it is shown at the end of the area.
    shown: Vec<Node>,
    ended: bool,
}

impl Markdown {
    /// Brings the page up to a text that ends at `place`.
    pub(super) fn catch_up(&mut self, area: &HtmlElement, text: &str, place: Place, ended: bool) {
        match place.appended(self.place, text) {
            Some("") if ended == self.ended => return,
            // links find the addresses that came after them
            Some(_) if ended && !self.ended && self.blocks.defines() => self.restart(area, text),
            Some(more) if (area.child_element_count() as usize) < MAX_BLOCKS => {
                self.blocks.push(more);
            }
            _ => self.restart(area, text),
        }
        (self.place, self.ended) = (place, ended);
        self.draw(area);
    }

    fn restart(&mut self, area: &HtmlElement, text: &str) {
        area.set_text_content(None);
        *self = Self::default();
        self.blocks.push(text);
    }

    fn draw(&mut self, area: &HtmlElement) {
        let Some(document) = area.owner_document() else {
            return;
        };
        let mut blocks = self.blocks.take(self.ended);
        let last = blocks.pop();
        let mut open = area.last_element_child().filter(|_| !self.shown.is_empty());
        for block in blocks.into_iter().chain(last) {
            let block = vec![block];
            match open.take() {
                Some(open) => patch::patch(&document, &open, &self.shown, &block),
                None => {
                    let Ok(made) = document.create_element("div") else {
                        return;
                    };
                    patch::patch(&document, &made, &[], &block);
                    // fails for no new node
                    let _appended = area.append_child(&made);
                }
            }
            self.shown = block;
        }
        if let Some(gone) = open {
            // what was open has turned out to be nothing that is shown
            gone.remove();
            self.shown.clear();
        }
    }

    /// How much text is looked at anew with each piece.
    pub(super) const fn open_len(&self) -> usize {
        self.blocks.open_len()
    }
}

/// More blocks than a text of the longest length that is kept usually has: then all is drawn anew.
const MAX_BLOCKS: usize = 20_000;
