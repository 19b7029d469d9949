//! Whether the end of a text may be half a character, as people see it: a grapheme cluster of Unicode's annex 29.

use unicode_segmentation::UnicodeSegmentation as _;

/// What is known of the last cluster of a text whose continuation is not there yet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Open {
    /// It is whole, as far as texts go.
    No,
    /// It may go on: an emoji that a skin tone may follow.
    Maybe,
    /// It is a half of something: a joiner without what it joins, the first letter of a flag, a CR before its LF.
    Surely,
}

/// Where the last cluster begins if it may go on, else the end of the text. Where marks come alone (`careful`),
/// every cluster may.
pub fn open_end(text: &str, careful: bool) -> (usize, Open) {
    let whole = (text.len(), Open::No);
    let Some(last) = text.chars().next_back() else {
        return whole;
    };
    if last.is_ascii() && last != '\r' && !(careful && last.is_ascii_graphic()) {
        return whole;
    }
    let Some((at, cluster)) = text.grapheme_indices(true).next_back() else {
        return whole;
    };
    if cluster.len() > LONGEST {
        return whole;
    }
    if is_half(cluster, last) {
        (at, Open::Surely)
    } else if careful || JAMO.contains(&last) || joins(cluster, "\u{200D}\u{1F468}") {
        (at, Open::Maybe)
    } else {
        whole
    }
}

/// Whether a text begins with what belongs to the character before it.
pub fn begins_with_mark(text: &str) -> bool {
    text.chars()
        .next()
        .is_some_and(|first| !first.is_ascii() && joins("a", first.encode_utf8(&mut [0; 4])))
}

fn is_half(cluster: &str, last: char) -> bool {
    // asked by what would join: the tables stay in the library
    last == ZWJ
        || last == '\r'
        || LEADING_JAMO.contains(&last)
        || joins(cluster, "\u{1F1E6}")
        || joins(cluster, "\u{0915}")
}

fn joins(cluster: &str, next: &str) -> bool {
    let mut both = String::with_capacity(cluster.len() + next.len());
    both.push_str(cluster);
    both.push_str(next);
    both.graphemes(true).nth(1).is_none()
}

const ZWJ: char = '\u{200D}';

/// Parts of Korean syllables that are nothing without the next part.
const LEADING_JAMO: std::ops::RangeInclusive<char> = '\u{1100}'..='\u{115F}';

/// Parts of Korean syllables. Whole syllables have characters of their own, and nothing follows them.
const JAMO: std::ops::RangeInclusive<char> = '\u{1160}'..='\u{11FF}';

/// Longer clusters are no writing: they are not waited for.
const LONGEST: usize = 256;
