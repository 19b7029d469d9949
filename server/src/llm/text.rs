//! Text as models send it: cut anywhere, in the middle of a character too.
//!
//! Some servers cut an emoji between its two halves of UTF-16 and send each as an escape by itself, `"\ud83d"` and
//! then `"\ude00"`. No Rust string can hold such a half, and a JSON reader refuses it; read as bytes, serde_json
//! gives it in the encoding WTF-8. The halves are put together here. One that stays alone becomes U+FFFD.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// A piece of text that may begin or end with half a character.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Fragment(Vec<u8>);

impl From<&str> for Fragment {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl<'de> Deserialize<'de> for Fragment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Fragment;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of parts that have a `text`")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Fragment, E> {
        Ok(Fragment(bytes.to_vec()))
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Fragment, E> {
        Ok(Fragment(bytes))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Fragment, A::Error> {
        let mut whole = Vec::new();
        while let Some(part) = parts.next_element::<Part>()? {
            whole.extend(part.text.unwrap_or_default().0);
        }
        Ok(Fragment(whole))
    }
}

#[derive(serde::Deserialize)]
struct Part {
    text: Option<Fragment>,
}

/// Puts the pieces of one text together.
#[derive(Debug, Default)]
pub(crate) struct Joiner {
    /// The first half of a character, waiting for the second.
    half: Vec<u8>,
}

impl Joiner {
    /// What is whole by this piece.
    pub(crate) fn push(&mut self, fragment: &Fragment) -> String {
        let mut bytes = std::mem::take(&mut self.half);
        bytes.extend_from_slice(&fragment.0);
        let mut text = String::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(2).position(is_half) {
            let (before, from) = rest.split_at(at);
            text.push_str(&String::from_utf8_lossy(before));
            let (half, after) = from.split_at(from.len().min(LENGTH));
            let first = unit(half).filter(|unit| FIRST.contains(unit));
            let second = after.get(..LENGTH).and_then(unit);
            rest = after;
            match (first, second) {
                (Some(_), None) if after.is_empty() => self.half = half.to_vec(),
                (Some(first), Some(second)) if SECOND.contains(&second) => {
                    let units = [first, second];
                    text.extend(char::decode_utf16(units).map(|char| char.unwrap_or(LOST)));
                    rest = after.get(LENGTH..).unwrap_or_default();
                }
                _ => text.push(LOST),
            }
        }
        text.push_str(&String::from_utf8_lossy(rest));
        text
    }

    /// What is left when nothing follows.
    pub(crate) fn finish(&mut self) -> Option<char> {
        let alone = !std::mem::take(&mut self.half).is_empty();
        alone.then_some(LOST)
    }
}

/// Whether bytes begin a surrogate: in UTF-8 no such pair exists.
fn is_half(pair: &[u8]) -> bool {
    matches!(pair, [0xED, 0xA0..=0xBF])
}

/// The UTF-16 unit that three bytes encode, where it is a surrogate.
fn unit(bytes: &[u8]) -> Option<u16> {
    match bytes {
        [0xED, high @ 0xA0..=0xBF, low] => {
            Some(0xD000 | u16::from(high & 0x3F) << 6 | u16::from(low & 0x3F))
        }
        _ => None,
    }
}

const LENGTH: usize = 3;
const LOST: char = '\u{FFFD}';
const FIRST: std::ops::RangeInclusive<u16> = 0xD800..=0xDBFF;
const SECOND: std::ops::RangeInclusive<u16> = 0xDC00..=0xDFFF;

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(pieces: &[&str]) -> Vec<String> {
        let mut joiner = Joiner::default();
        let mut texts: Vec<String> = pieces
            .iter()
            .map(|json| joiner.push(&serde_json::from_str(json).unwrap()))
            .collect();
        texts.extend(joiner.finish().map(String::from));
        texts
    }

    #[test]
    fn halves_of_a_character_find_each_other() {
        assert_eq!(joined(&[r#""a\ud83d""#, r#""\ude00b""#]), ["a", "😀b"]);
        assert_eq!(
            joined(&[r#""\ud83d\ude00""#, r#""grüße""#]),
            ["😀", "grüße"]
        );
        assert_eq!(
            joined(&[r#""\ud83d""#, r#""""#, r#""\ude00\ud83d""#, r#""\ude01""#]),
            ["", "", "😀", "😁"]
        );
    }

    #[test]
    fn a_half_that_stays_alone_is_told_as_lost() {
        assert_eq!(joined(&[r#""a\ude00b""#]), ["a\u{FFFD}b"]);
        assert_eq!(joined(&[r#""\ud83dx""#]), ["\u{FFFD}x"]);
        assert_eq!(
            joined(&[r#""\ud83d""#, r#""\ud83d\ude00""#]),
            ["", "\u{FFFD}😀"]
        );
        assert_eq!(joined(&[r#""x\ud83d""#]), ["x", "\u{FFFD}"]);
    }

    #[test]
    fn a_list_of_parts_is_a_text_too() {
        let parts = r#"[{"type":"text","text":"a\ud83d"},{"type":"image"},{"type":"text","text":"\ude00"}]"#;
        assert_eq!(joined(&[parts]), ["a😀"]);
    }
}
