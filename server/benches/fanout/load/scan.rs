//! Finds events in bytes as they come, without parsing anything else: frames, chunks and JSON are passed over.

use memchr::memmem::Finder;

use crate::event::{NUMBER, TIME};

/// Finds the number and the time of each event.
#[derive(Debug)]
pub(super) struct Scanner(Finder<'static>);

impl Default for Scanner {
    fn default() -> Self {
        Self(Finder::new(NUMBER))
    }
}

impl Scanner {
    /// Tells of each event's number and time; gives how many bytes are done with. The rest is too short to tell,
    /// and wants to stand before what comes next.
    pub(super) fn scan(&self, bytes: &[u8], mut found: impl FnMut(u64, u64)) -> usize {
        let mut from = 0;
        while let Some(at) = self.0.find(&bytes[from..]) {
            let start = from + at;
            match event(&bytes[start + NUMBER.len()..]) {
                Some((n, micros, length)) => {
                    found(n, micros);
                    from = start + NUMBER.len() + length;
                }
                None => return start,
            }
        }
        from.max(bytes.len().saturating_sub(NUMBER.len() - 1))
    }
}

/// `7,"at":1760000000000000,`: number, time, length; nothing where the end is not there yet.
fn event(bytes: &[u8]) -> Option<(u64, u64, usize)> {
    let (n, digits) = number(bytes)?;
    let rest = &bytes[digits..];
    if rest.len() < TIME.len() {
        return None;
    }
    let (micros, more) = number(&rest[TIME.len()..])?;
    Some((n, micros, digits + TIME.len() + more))
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
