//! Cuts a body into lines as it arrives.

use bytes::{Buf as _, Bytes, BytesMut};

/// What has arrived and is no whole line yet.
#[derive(Debug)]
pub struct Lines {
    buffer: BytesMut,
    /// Where the search for the next line break goes on.
    searched: usize,
    /// The number of the last line given.
    number: u64,
    longest: usize,
}

/// A line is longer than it may be: which one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLong(pub u64);

impl Lines {
    /// Lines of at most `longest` bytes.
    pub fn new(longest: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            number: 0,
            longest,
        }
    }

    /// More has arrived.
    pub fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next whole line and its number, from 1, without the line break; none where more must arrive. Empty lines
    /// are counted, and passed over.
    pub fn take_line(&mut self) -> Result<Option<(u64, Bytes)>, TooLong> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = rest.iter().position(|byte| *byte == b'\n') else {
                self.searched = self.buffer.len();
                return self.checked(self.searched).map(|()| None);
            };
            let end = self.searched + found;
            self.checked(end)?;
            let line = self.buffer.split_to(end).freeze();
            self.buffer.advance(1);
            self.searched = 0;
            self.number += 1;
            let line = trimmed(&line);
            if !line.is_empty() {
                return Ok(Some((self.number, line)));
            }
        }
    }

    /// The body has ended: what is left of it is a line too.
    pub fn last(&mut self) -> Option<(u64, Bytes)> {
        let line = trimmed(&self.buffer.split().freeze());
        (!line.is_empty()).then_some((self.number + 1, line))
    }

    fn checked(&self, length: usize) -> Result<(), TooLong> {
        // a line may end with CR LF
        if length > self.longest + 1 {
            return Err(TooLong(self.number + 1));
        }
        Ok(())
    }
}

fn trimmed(line: &Bytes) -> Bytes {
    line.slice_ref(line.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<(u64, String)> {
        let text =
            |(number, line): (u64, Bytes)| (number, String::from_utf8_lossy(&line).into_owned());
        let mut found = Vec::new();
        while let Some(line) = lines.take_line().unwrap() {
            found.push(text(line));
        }
        found
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let body = b"{\"a\":1}\r\n\n  \n{\"b\":2}\n{\"c\":3}";
        for size in 1..body.len() {
            let (mut lines, mut found) = (Lines::new(100), Vec::new());
            for chunk in body.chunks(size) {
                lines.push(chunk);
                found.extend(all(&mut lines));
            }
            let (number, last) = lines.last().unwrap();
            found.push((number, String::from_utf8(last.to_vec()).unwrap()));
            let expected = [(1, "{\"a\":1}"), (4, "{\"b\":2}"), (5, "{\"c\":3}")];
            assert_eq!(
                found,
                expected.map(|(number, line)| (number, line.to_owned()))
            );
            assert_eq!(lines.last(), None);
        }
    }

    #[test]
    fn a_line_that_never_ends_is_refused_before_it_fills_memory() {
        let mut lines = Lines::new(10);
        lines.push(b"{}\n12345");
        assert_eq!(all(&mut lines).len(), 1);
        lines.push(b"6789012");
        assert_eq!(lines.take_line(), Err(TooLong(2)));
    }
}
