//! Server-sent events: writing fields, and an incremental reader of them.
//!
//! The writer puts `id:` last. A connection that is cut in the middle of an event then leaves readers that
//! commit the id early (some widely used ones do) with the old id, and nothing is lost.

use std::fmt::Write as _;
use std::sync::Arc;

/// Appends one event with its fields in the order event, data, id.
///
/// `data` may hold line breaks; `event` and `id` may not, and are left out where they do.
pub fn write_event(out: &mut String, event: Option<&str>, data: &str, id: Option<&str>) {
    let one_line = |text: &&str| !text.contains(['\r', '\n', '\0']);
    if let Some(event) = event.filter(one_line) {
        let _ok = writeln!(out, "event: {event}");
    }
    for line in data.split('\n') {
        let _ok = writeln!(out, "data: {}", line.trim_end_matches('\r'));
    }
    if let Some(id) = id.filter(one_line) {
        let _ok = writeln!(out, "id: {id}");
    }
    out.push('\n');
}

/// One message read from an SSE stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Message {
    /// The `event:` field; `message` where there was none.
    pub event: String,
    /// The `data:` lines joined by line feeds.
    pub data: String,
    /// The last `id:` seen on the stream, this message's or an earlier one's.
    pub last_event_id: Arc<str>,
}

/// What an SSE stream says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Item {
    /// A message.
    Message(Message),
    /// A `retry:` field, in milliseconds.
    Retry(u64),
    /// A comment: the server lives.
    Comment,
}

/// Reads an SSE stream in whatever pieces it comes, by the rules of the HTML standard, section 9.2.6:
/// lines end with LF, CR or CRLF, one leading byte-order mark is dropped, invalid UTF-8 becomes U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    skip_lf: bool,
    started: bool,
    event: String,
    data: Option<String>,
    /// Shared: messages may be many, and it long.
    last_event_id: Arc<str>,
    limit: Option<usize>,
}

/// A line or a message is longer than the reader's limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an SSE message is longer than {0} bytes")]
pub struct TooLong(pub usize);

impl Reader {
    /// A reader that refuses messages of more than `bytes` bytes.
    pub fn with_limit(bytes: usize) -> Self {
        Self {
            limit: Some(bytes),
            ..Self::default()
        }
    }

    /// Takes the next piece and appends what it completes to `items`.
    ///
    /// # Errors
    /// Where a message is longer than the limit; the connection is of no more use then.
    pub fn push(&mut self, piece: &[u8], items: &mut Vec<Item>) -> Result<(), TooLong> {
        let mut rest = piece;
        while !rest.is_empty() {
            if std::mem::take(&mut self.skip_lf) && rest.first() == Some(&b'\n') {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            }
            let Some(at) = rest.iter().position(|&b| b == b'\n' || b == b'\r') else {
                self.line.extend_from_slice(rest);
                return self.check();
            };
            let (head, tail) = rest.split_at(at);
            self.skip_lf = tail.first() == Some(&b'\r');
            rest = tail.get(1..).unwrap_or_default();
            // most lines lie in one piece, and are read where they lie
            if self.line.is_empty() && head.len() <= self.room() {
                self.take_line(head, items);
                continue;
            }
            self.line.extend_from_slice(head);
            self.check()?;
            let line = std::mem::take(&mut self.line);
            self.take_line(&line, items);
        }
        Ok(())
    }

    fn check(&self) -> Result<(), TooLong> {
        match self.limit {
            Some(limit) if self.line.len() > self.room() => Err(TooLong(limit)),
            _ => Ok(()),
        }
    }

    /// How long a line may be beside the data that came before it.
    fn room(&self) -> usize {
        let held = self.data.as_ref().map_or(0, String::len);
        self.limit.unwrap_or(usize::MAX).saturating_sub(held)
    }

    fn take_line(&mut self, line: &[u8], items: &mut Vec<Item>) {
        let line = if std::mem::replace(&mut self.started, true) {
            line
        } else {
            line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line)
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if let Some(data) = self.data.take() {
                let event = if event.is_empty() {
                    "message".to_owned()
                } else {
                    event
                };
                items.push(Item::Message(Message {
                    event,
                    data,
                    last_event_id: self.last_event_id.clone(),
                }));
            }
            return;
        }
        let text = String::from_utf8_lossy(line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => items.push(Item::Comment),
            "event" => value.clone_into(&mut self.event),
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "id" if !value.contains('\0') => self.last_event_id = value.into(),
            "retry" if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                items.extend(value.parse().ok().map(Item::Retry));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> Vec<Item> {
        let (mut reader, mut items) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece, &mut items).unwrap();
        }
        items
    }

    fn message(event: &str, data: &str, id: &str) -> Item {
        Item::Message(Message {
            event: event.into(),
            data: data.into(),
            last_event_id: id.into(),
        })
    }

    #[test]
    fn what_is_written_is_read_in_whatever_pieces_it_comes() {
        let mut text = String::from("retry: 1500\n\n: hello\n\n");
        write_event(
            &mut text,
            Some("step_progress"),
            "{\"text\":\"grüße 🎈\"}",
            Some("1.7"),
        );
        write_event(&mut text, None, "two\nlines", None);
        let whole = read(&[text.as_bytes()]);
        assert_eq!(
            whole,
            [
                Item::Retry(1500),
                Item::Comment,
                message("step_progress", "{\"text\":\"grüße 🎈\"}", "1.7"),
                message("message", "two\nlines", "1.7"),
            ]
        );
        for cut in 0..text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
    }

    #[test]
    fn every_line_end_and_a_byte_order_mark_are_read() {
        let expected = [message("a", "1", "x"), message("message", "2", "x")];
        for end in ["\n", "\r", "\r\n"] {
            let text = format!("\u{feff}event:a{end}data:1{end}id:x{end}{end}data: 2{end}{end}");
            let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
            assert_eq!(read(&bytes), expected, "{end:?}");
        }
    }

    #[test]
    fn a_message_without_data_is_none_and_an_unfinished_one_is_not_delivered() {
        assert_eq!(read(&[b"event: a\nid: 1\n\ndata: cut\n"]), []);
        assert_eq!(read(&[b"id: 1\n\ndata\n\n"]), [message("message", "", "1")]);
        assert_eq!(
            read(&[b"retry: 1x\nid: a\0b\nnonsense\ndata: x\n\n"]),
            [message("message", "x", "")]
        );
    }

    #[test]
    fn a_message_over_the_limit_is_refused() {
        let mut reader = Reader::with_limit(10);
        assert_eq!(
            reader.push(b"data: 0123456789", &mut Vec::new()),
            Err(TooLong(10))
        );
    }

    #[test]
    fn an_id_with_a_line_break_is_not_written() {
        let mut text = String::new();
        write_event(&mut text, Some("a\nb"), "x", Some("1\r2"));
        assert_eq!(text, "data: x\n\n");
    }
}
