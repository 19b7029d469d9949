//! The lightest clients there can be: bytes from a socket, and no more of them looked at than a table asks for.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::recorded::ID;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wire {
    Sse,
    WebSocket,
}

/// What a frame says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Said {
    /// The stream is open; its last event.
    Hello { epoch: u64, last_seq: u64 },
    /// An event: its place, and when it was made.
    Event { seq: u64, at: u64 },
    /// The execution has ended with this event.
    Closed { last_seq: u64 },
    /// Something else.
    Other,
}

/// A connection that has sent its request.
pub(crate) struct Connection {
    stream: TcpStream,
    wire: Wire,
    buffer: Vec<u8>,
    opened: bool,
}

impl Wire {
    pub(crate) const BOTH: [Self; 2] = [Self::Sse, Self::WebSocket];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sse => "SSE",
            Self::WebSocket => "WebSocket",
        }
    }

    /// Connects; `after` is a cursor, `now` or `earliest`.
    pub(crate) async fn connect(self, address: &str, after: &str) -> std::io::Result<Connection> {
        let mut stream = TcpStream::connect(address).await?;
        // HTTP/1.0 has no chunks: the body is the stream, and ends with the connection.
        let request = match self {
            Self::Sse => {
                format!(
                    "GET /stream/pipeline/{ID}?after={after} HTTP/1.0\r\nHost: {address}\r\n\r\n"
                )
            }
            Self::WebSocket => format!(
                "GET /ws/pipeline/{ID}?after={after} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ),
        };
        stream.write_all(request.as_bytes()).await?;
        Ok(Connection {
            stream,
            wire: self,
            buffer: Vec::new(),
            opened: false,
        })
    }
}

impl Connection {
    /// Reads once, and tells every frame that is whole by then; false at the end.
    pub(crate) async fn read(&mut self, mut tell: impl FnMut(Said)) -> std::io::Result<bool> {
        self.frames(|text| tell(said(text))).await
    }

    /// [`Connection::read`], with each frame's text.
    pub(crate) async fn frames(&mut self, mut tell: impl FnMut(&[u8])) -> std::io::Result<bool> {
        self.buffer.reserve(PIECE);
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            return Ok(false);
        }
        let mut at = 0;
        if !self.opened {
            let Some(end) = find(&self.buffer, b"\r\n\r\n") else {
                return Ok(true);
            };
            at = end + 4;
            self.opened = true;
        }
        let mut open = true;
        while let Some((length, text)) = match self.wire {
            Wire::Sse => message(&self.buffer[at..]),
            Wire::WebSocket => frame(&self.buffer[at..]),
        } {
            // A server that closes waits for an answer.
            open &= self.wire == Wire::Sse || self.buffer[at] != CLOSE;
            tell(text);
            at += length;
        }
        self.buffer.drain(..at);
        Ok(open)
    }

    /// Reads what is there now and then never again.
    pub(crate) async fn stall(&mut self) {
        while !self.opened {
            assert!(self.read(|_| {}).await.unwrap());
        }
    }
}

/// One SSE message: its length, and itself.
fn message(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut from = 0;
    loop {
        let line = from + bytes[from..].iter().position(|byte| *byte == b'\n')? + 1;
        if bytes.get(line) == Some(&b'\n') {
            return Some((line + 1, &bytes[..line]));
        }
        from = line;
    }
}

/// One frame of a server (RFC 6455, section 5.2): its length, and its payload.
fn frame(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, length) = match *bytes.get(1)? {
        126 => (
            4,
            u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        ),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)),
        short => (2, u64::from(short)),
    };
    let end = head + usize::try_from(length).unwrap();
    Some((end, bytes.get(head..end)?))
}

fn said(text: &[u8]) -> Said {
    let number = |name: &[u8]| -> Option<u64> {
        let rest = &text[find(text, name)? + name.len()..];
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
        Some(digits.fold(0, |n, byte| n * 10 + u64::from(byte - b'0')))
    };
    if let Some(seq) = number(b"\"seq\":") {
        let at = number(b"\"at\":").unwrap_or(0);
        return Said::Event { seq, at };
    }
    let last_seq = || number(b"\"last_seq\":").unwrap();
    if find(text, b"\"hello\"").is_some() {
        let epoch = number(b"\"epoch\":").unwrap();
        Said::Hello {
            epoch,
            last_seq: last_seq(),
        }
    } else if find(text, b"\"closed\"").is_some() {
        Said::Closed {
            last_seq: last_seq(),
        }
    } else {
        Said::Other
    }
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(part) {
            return Some(at);
        }
        from = at + 1;
    }
}

/// The first byte of a close frame.
const CLOSE: u8 = 0x88;

/// Bytes asked for at once.
const PIECE: usize = 64 << 10;
