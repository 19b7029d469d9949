//! Finds events in bytes as they come, without parsing anything else: frames, chunks and JSON are passed over.

use memchr::memmem::Finder;

use crate::event::{NUMBER, TIME, TOKENS};

/// Finds the number and the time of each event.
#[derive(Debug)]
pub(super) struct Scanner(Finder<'static>);

impl Default for Scanner {
    fn default() -> Self {
        Self(Finder::new(NUMBER))
    }
}

impl Scanner {
    /// Tells of each event; gives how many bytes are done with. The rest is too short to tell, and wants to stand
    /// before what comes next.
    pub(super) fn scan(&self, bytes: &[u8], mut found: impl FnMut(Found)) -> usize {
        let mut from = 0;
        while let Some(at) = self.0.find(&bytes[from..]) {
            let start = from + at;
            match event(&bytes[start + NUMBER.len()..]) {
                Some((event, length)) => {
                    found(event);
                    from = start + NUMBER.len() + length;
                }
                None => return start,
            }
        }
        from.max(bytes.len().saturating_sub(NUMBER.len() - 1))
    }
}

/// An event that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    /// Its number, or that of the last token in it.
    pub(super) n: u64,
    /// When it was made, or the first token in it.
    pub(super) at: u64,
    /// Tokens in it; 1 where it is no run of them.
    pub(super) tokens: u64,
}

/// `7,"at":1760000000000000,`: the event and the length; nothing where the end is not there yet.
fn event(bytes: &[u8]) -> Option<(Found, usize)> {
    let (n, digits) = number(bytes)?;
    let rest = &bytes[digits..];
    if rest.len() < TIME.len() {
        return None;
    }
    let (at, more) = number(&rest[TIME.len()..])?;
    let length = digits + TIME.len() + more;
    let rest = &bytes[length..];
    if rest.len() < TOKENS.len() && TOKENS.starts_with(rest) {
        return None;
    }
    let Some(rest) = rest.strip_prefix(TOKENS) else {
        return Some((Found { n, at, tokens: 1 }, length));
    };
    let (tokens, digits) = number(rest)?;
    Some((Found { n, at, tokens }, length + TOKENS.len() + digits))
}

/// Digits and how many; nothing where more could follow.
fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'9' => value = value * 10 + u64::from(byte - b'0'),
            _ => return Some((value, at)),
        }
    }
    None
}
