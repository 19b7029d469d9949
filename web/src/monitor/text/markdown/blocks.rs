//! A text that grows, block by block: what has ended is not looked at again.

use super::tree::{Node, parse};

/// The end of a text: the block that may still grow.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    open: String,
    defines: bool,
}

impl Blocks {
    /// Appends to the text.
    pub(super) fn push(&mut self, text: &str) {
        self.open.push_str(text);
    }

    /// The blocks from the one on that was open so far; the last of them is the open one now. Once the text has
    /// `ended`, all of it is there, else without a line of which one cannot tell yet what it will be.
    pub(super) fn take(&mut self, ended: bool) -> Vec<Node> {
        let told = if ended {
            self.open.len()
        } else {
            certain(&self.open)
        };
        let (blocks, defines) = parse(self.open.get(..told).unwrap_or_default());
        self.defines |= defines;
        if let [_, .., (last, _)] = blocks.as_slice() {
            // what is in front of it in its line is its indent
            let line = self
                .open
                .get(..last.start)
                .and_then(|before| before.rfind('\n'));
            self.open.drain(..line.map_or(0, |at| at + 1));
        }
        blocks.into_iter().map(|(_, block)| block).collect()
    }

    /// Whether links of the text may lead to addresses that another block gives.
    pub(super) const fn defines(&self) -> bool {
        self.defines
    }

    /// How much text is looked at anew with each piece.
    pub(super) const fn open_len(&self) -> usize {
        self.open.len()
    }
}

/// How much of a growing text can be shown: all but an unfinished line of signs, which may make a heading of
/// the line before it, or a table, or a block of code, and an unfinished row of a table.
fn certain(text: &str) -> usize {
    let line = text.rfind('\n').map_or(0, |at| at + 1);
    let last = text.get(line..).unwrap_or_default();
    let trimmed = last.trim_start();
    let signs = trimmed
        .chars()
        .all(|c| "-=*_#>`~+|:. ".contains(c) || c.is_ascii_digit());
    if last.len() <= MAX_HELD && (signs || trimmed.starts_with('|')) {
        line
    } else {
        text.len()
    }
}

/// The longest line that is held back.
const MAX_HELD: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    /// All blocks of a text that came in pieces, as the page would have put them together.
    fn pieced(text: &str, size: usize) -> Vec<Node> {
        let (mut blocks, mut drawn) = (Blocks::default(), Vec::new());
        let chars: Vec<char> = text.chars().collect();
        let pieces = chars
            .chunks(size)
            .map(|piece| piece.iter().collect::<String>());
        for (piece, ended) in pieces
            .map(|piece| (piece, false))
            .chain([(String::new(), true)])
        {
            blocks.push(&piece);
            drawn.pop();
            drawn.extend(blocks.take(ended));
        }
        drawn
    }

    #[test]
    fn pieces_give_what_the_whole_gives() {
        let text = "# Title\n\nA paragraph\nof two lines.\n\n- one\n- two\n\n  more of two\n- three\n\n    code?\n\n1. a\n2. b\n\n\
            ```js\nlet a = 1;\n\nlet b;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nSetext\n======\n\n> quote\n> more\n\n\
            <div>\nmarkup\n</div>\n\n    indented\n    code\n\nüöä *em* **strong\nstill** end\n***\nlast";
        let whole: Vec<Node> = parse(text).0.into_iter().map(|(_, block)| block).collect();
        assert!(whole.len() > 10);
        for size in [1, 2, 3, 7, 50, 1000] {
            assert_eq!(pieced(text, size), whole, "pieces of {size}");
        }
    }

    #[test]
    fn a_block_that_has_ended_is_not_looked_at_again() {
        let mut blocks = Blocks::default();
        blocks.push(&"A paragraph of some words.\n\n".repeat(1000));
        assert_eq!(blocks.take(false).len(), 1000);
        assert!(blocks.open_len() < 40);
    }

    #[test]
    fn a_line_of_which_nothing_can_be_told_waits() {
        let shown = |text: &str| text.get(..certain(text)).unwrap().to_owned();
        assert_eq!(shown("a\n-"), "a\n");
        assert_eq!(shown("a\n- b"), "a\n- b");
        assert_eq!(shown("a\n| x | y"), "a\n");
        assert_eq!(shown("a\n| x | y |\n"), "a\n| x | y |\n");
        assert_eq!(shown("a\n``"), "a\n");
        assert_eq!(shown("1."), "");
        assert_eq!(shown("1. b"), "1. b");
        let long = "|".repeat(MAX_HELD + 1);
        assert_eq!(shown(&long), long);
    }

    #[test]
    fn a_text_says_whether_it_gives_addresses() {
        let mut blocks = Blocks::default();
        blocks.push("See [a].\n\n");
        blocks.take(false);
        assert!(!blocks.defines());
        blocks.push("[a]: https://a.example\n");
        blocks.take(false);
        assert!(blocks.defines());
    }
}
