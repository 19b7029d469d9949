//! WebSocket frames as a server writes and reads them (RFC 6455, section 5).
//!
//! A server's frames carry no mask: one encoding serves all readers.

use std::io::Cursor;

use bytes::{Buf as _, BufMut as _, BytesMut};
use flate2::{Decompress, FlushDecompress, Status};
use stepcast_core::wire::close::CloseCode;
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::text::Utf8;
use crate::transport::coding::FLUSHED;

/// What a frame of ours is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Opcode {
    /// A whole text message.
    Text,
    /// A whole binary message.
    Binary,
    /// A question for a pong.
    Ping,
    /// The answer to a ping.
    Pong,
    /// The last frame.
    Close,
}

/// Writes one unmasked frame.
pub(crate) fn write(out: &mut BytesMut, opcode: Opcode, payload: &[u8]) {
    write_head(out, opcode, payload.len());
    out.put_slice(payload);
}

/// Writes what stands before a payload of so many bytes.
pub(crate) fn write_head(out: &mut BytesMut, opcode: Opcode, length: usize) {
    let first = match opcode {
        Opcode::Text => TEXT,
        Opcode::Binary => BINARY,
        Opcode::Close => 0x88,
        Opcode::Ping => 0x89,
        Opcode::Pong => 0x8a,
    };
    out.put_u8(first);
    match length {
        length @ 0..=125 => out.put_u8(u8::try_from(length).unwrap_or_default()),
        length => match u16::try_from(length) {
            Ok(length) => {
                out.put_u8(126);
                out.put_u16(length);
            }
            Err(_longer) => {
                out.put_u8(127);
                out.put_u64(length as u64);
            }
        },
    }
}

/// Writes a message that is compressed, of the kind of the one whose head this was.
pub(crate) fn write_compressed(out: &mut BytesMut, head: &[u8], payload: &[u8]) {
    let start = out.len();
    let opcode = match head.first() {
        Some(&BINARY) => Opcode::Binary,
        _ => Opcode::Text,
    };
    write(out, opcode, payload);
    if let Some(first) = out.get_mut(start) {
        *first |= COMPRESSED;
    }
}

/// A frame of ours in front: its head, its payload, and what stands behind it.
pub(crate) fn split(frames: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let mut cursor = Cursor::new(frames);
    let (_, length) = FrameHeader::parse(&mut cursor).ok()??;
    let (head, rest) = frames.split_at_checked(cursor.position().try_into().ok()?)?;
    let (payload, rest) = rest.split_at_checked(length.try_into().ok()?)?;
    Some((head, payload, rest))
}

/// Whether this is the head of a message, text or binary.
pub(crate) fn is_message(head: &[u8]) -> bool {
    matches!(head.first(), Some(&(TEXT | BINARY)))
}

/// The first byte of a whole text message.
const TEXT: u8 = 0x81;

/// The first byte of a whole binary message.
const BINARY: u8 = 0x82;

/// RSV1: the message is compressed (RFC 7692).
const COMPRESSED: u8 = 0x40;

/// Writes the last frame.
pub(crate) fn write_close(out: &mut BytesMut, code: u16) {
    write(out, Opcode::Close, &code.to_be_bytes());
}

/// What a client said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Message {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// To be answered with the same payload.
    Ping(Vec<u8>),
    /// The client closes, with this code.
    Close(Option<u16>),
}

/// What a client has sent, until it is a message.
#[derive(Debug, Default)]
pub struct Incoming {
    read: BytesMut,
    /// The message that has begun in frames before.
    begun: Option<Begun>,
    /// Whether messages may be compressed.
    inflates: bool,
    /// The text of a message whose first frame is on its way.
    text: Utf8,
    /// Bytes of the frame in front whose text was looked at before the whole frame is there.
    seen: usize,
}

#[derive(Debug)]
struct Begun {
    is_text: bool,
    is_compressed: bool,
    bytes: Vec<u8>,
    text: Utf8,
}

impl Incoming {
    /// One that has read nothing, of a client that may compress its messages or not.
    pub fn new(inflates: bool) -> Self {
        Self {
            inflates,
            ..Self::default()
        }
    }

    /// Takes bytes as they arrive.
    pub fn push(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// Whether nothing waits for more of it.
    pub fn is_idle(&self) -> bool {
        self.read.is_empty() && self.begun.is_none()
    }

    /// The next message, where it is whole.
    ///
    /// # Errors
    /// The code to close with: 1002 for a frame that breaks the protocol, 1007 for text that is not UTF-8, 1009 for a message
    /// that is past `largest`, be it once it is decompressed.
    pub fn next(&mut self, largest: usize) -> Result<Option<Message>, CloseCode> {
        loop {
            let mut cursor = Cursor::new(&self.read);
            let Some((header, length)) =
                FrameHeader::parse(&mut cursor).map_err(|_malformed| CloseCode::Protocol)?
            else {
                if self.read.is_empty() {
                    self.read = BytesMut::new();
                }
                return Ok(None);
            };
            let at = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length <= largest)
                .ok_or(CloseCode::TooBig)?;
            let is_control = matches!(header.opcode, OpCode::Control(_));
            // what is compressed says so once, in its first frame
            let begins = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
            let is_compressed = header.rsv1 && self.inflates && begins;
            let reserved = (header.rsv1 && !is_compressed) || header.rsv2 || header.rsv3;
            if reserved || (is_control && (length > 125 || !header.is_final)) {
                return Err(CloseCode::Protocol);
            }
            // a client masks every frame
            let mask = header.mask.ok_or(CloseCode::Protocol)?;
            self.look(&header, at, length, mask)?;
            if self.read.len() < at + length {
                return Ok(None);
            }
            self.seen = 0;
            self.read.advance(at);
            let mut payload = self.read.split_to(length).to_vec();
            for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
                *byte ^= mask;
            }
            if let Some(message) = self.frame(&header, payload, largest)? {
                return Ok(Some(message));
            }
        }
    }

    /// Looks at text as it arrives: what is none is refused at its first wrong byte, however much is said to follow.
    fn look(
        &mut self,
        header: &FrameHeader,
        at: usize,
        length: usize,
        mask: [u8; 4],
    ) -> Result<(), CloseCode> {
        let text = match (header.opcode, &mut self.begun) {
            (OpCode::Data(Data::Text), None) if !header.rsv1 => &mut self.text,
            (OpCode::Data(Data::Continue), Some(begun))
                if begun.is_text && !begun.is_compressed =>
            {
                &mut begun.text
            }
            _ => return Ok(()),
        };
        let there = self.read.get(at..).unwrap_or_default();
        let there = there.get(..length.min(there.len())).unwrap_or_default();
        let masks = mask.iter().cycle().skip(self.seen % mask.len());
        let new = there.iter().skip(self.seen);
        let new: Vec<u8> = new.zip(masks).map(|(byte, mask)| byte ^ mask).collect();
        self.seen = there.len();
        text.go_on(&new).then_some(()).ok_or(CloseCode::NotText)
    }

    fn frame(
        &mut self,
        header: &FrameHeader,
        payload: Vec<u8>,
        largest: usize,
    ) -> Result<Option<Message>, CloseCode> {
        let message = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Message::Ping(payload))),
            OpCode::Control(Control::Pong) => return Ok(None),
            OpCode::Control(Control::Close) => return closing(&payload).map(Some),
            OpCode::Data(kind @ (Data::Text | Data::Binary)) if self.begun.is_none() => Begun {
                is_text: kind == Data::Text,
                is_compressed: header.rsv1,
                bytes: payload,
                text: std::mem::take(&mut self.text),
            },
            OpCode::Data(Data::Continue) => {
                let mut begun = self.begun.take().ok_or(CloseCode::Protocol)?;
                if begun.bytes.len() + payload.len() > largest {
                    return Err(CloseCode::TooBig);
                }
                begun.bytes.extend_from_slice(&payload);
                begun
            }
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(_) => {
                return Err(CloseCode::Protocol);
            }
        };
        if !header.is_final {
            self.begun = Some(message);
            return Ok(None);
        }
        let bytes = match message.is_compressed {
            true => inflate(&message.bytes, largest)?,
            false => message.bytes,
        };
        if !message.is_text {
            return Ok(Some(Message::Binary(bytes)));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(Message::Text(text))),
            Err(_not_text) => Err(CloseCode::NotText),
        }
    }
}

/// A message that refers to none before it: clients are told so. What it comes to is bounded before it is made.
fn inflate(compressed: &[u8], largest: usize) -> Result<Vec<u8>, CloseCode> {
    let mut inflater = Decompress::new(false);
    let mut bytes = Vec::new();
    for part in [compressed, &FLUSHED] {
        let mut rest = part;
        loop {
            let mut buffer = [0; 4096];
            let (read, written) = (inflater.total_in(), inflater.total_out());
            let status = inflater
                .decompress(rest, &mut buffer, FlushDecompress::Sync)
                .map_err(|_corrupt| CloseCode::Protocol)?;
            let count =
                |total: u64, before: u64| usize::try_from(total - before).unwrap_or_default();
            let (taken, made) = (
                count(inflater.total_in(), read),
                count(inflater.total_out(), written),
            );
            bytes.extend_from_slice(buffer.get(..made).unwrap_or_default());
            rest = rest.get(taken..).unwrap_or_default();
            if bytes.len() > largest {
                return Err(CloseCode::TooBig);
            }
            // a last block ends the message, whatever stands behind it
            if status == Status::StreamEnd {
                return Ok(bytes);
            }
            if made < buffer.len() && (rest.is_empty() || taken == 0) {
                break;
            }
        }
        if !rest.is_empty() {
            return Err(CloseCode::Protocol);
        }
    }
    Ok(bytes)
}

/// A close frame holds nothing, or a code that may be sent and a reason in UTF-8.
fn closing(payload: &[u8]) -> Result<Message, CloseCode> {
    let Some((code, reason)) = payload.split_first_chunk::<2>() else {
        return if payload.is_empty() {
            Ok(Message::Close(None))
        } else {
            Err(CloseCode::Protocol)
        };
    };
    let code = u16::from_be_bytes(*code);
    let sendable = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
    if !sendable {
        return Err(CloseCode::Protocol);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Message::Close(Some(code))),
        Err(_not_text) => Err(CloseCode::NotText),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGEST: usize = 1 << 20;

    /// A client's frame: masked.
    fn client(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        write(&mut bytes, Opcode::Text, payload);
        let header = bytes.len() - payload.len();
        bytes[0] = first;
        bytes[1] |= 0x80;
        let mask = [7, 11, 13, 17];
        let masked = payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        [&bytes[..header], &mask, &masked.collect::<Vec<u8>>()].concat()
    }

    fn read(bytes: &[u8]) -> Result<Option<Message>, CloseCode> {
        let mut incoming = Incoming::default();
        incoming.push(bytes);
        incoming.next(LARGEST)
    }

    fn text(text: &str) -> Message {
        Message::Text(text.to_owned())
    }

    #[test]
    fn what_is_written_is_read_by_another_implementation() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = "x".repeat(length);
            let mut bytes = BytesMut::new();
            write(&mut bytes, Opcode::Text, payload.as_bytes());
            let mut cursor = Cursor::new(bytes.as_ref());
            let (header, found) = FrameHeader::parse(&mut cursor).unwrap().unwrap();
            assert!(header.is_final && header.mask.is_none());
            assert_eq!(header.opcode, OpCode::Data(Data::Text));
            assert_eq!(usize::try_from(found).unwrap(), length);
            assert_eq!(
                bytes.len() - usize::try_from(cursor.position()).unwrap(),
                length
            );
        }
    }

    #[test]
    fn a_message_is_the_same_however_its_bytes_arrive() {
        let long = "a long text, ä€𝄞 ".repeat(500);
        let bytes = [
            client(0x81, b"one"),
            client(0x01, "t\u{e4}".as_bytes().get(..2).unwrap()),
            client(0x89, b"ping in between"),
            client(0x80, "t\u{e4}wo".as_bytes().get(2..).unwrap()),
            client(0x81, long.as_bytes()),
            client(0x8a, b"a pong nobody asked for"),
            client(0x82, b"\xff"),
            client(0x88, &[3, 232, b'o', b'k']),
        ]
        .concat();
        let expected = [
            text("one"),
            Message::Ping(b"ping in between".to_vec()),
            text("t\u{e4}wo"),
            text(&long),
            Message::Binary(vec![0xff]),
            Message::Close(Some(1000)),
        ];
        for size in [1, 2, 3, 7, 4096, bytes.len()] {
            let (mut incoming, mut read) = (Incoming::default(), Vec::new());
            for part in bytes.chunks(size) {
                incoming.push(part);
                while let Some(message) = incoming.next(LARGEST).unwrap() {
                    read.push(message);
                }
            }
            assert_eq!(read, expected, "in parts of {size}");
            assert!(incoming.is_idle());
        }
    }

    /// What a client makes of a message that it compresses.
    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut compress = flate2::Compress::new(flate2::Compression::new(6), false);
        let mut bytes = Vec::with_capacity(text.len() + 1024);
        let flush = flate2::FlushCompress::Sync;
        compress.compress_vec(text, &mut bytes, flush).unwrap();
        bytes.truncate(bytes.len() - FLUSHED.len());
        bytes
    }

    /// A client's message, compressed.
    fn deflated(text: &[u8]) -> Vec<u8> {
        client(0xc1, &compressed(text))
    }

    fn inflated(bytes: &[u8]) -> Result<Option<Message>, CloseCode> {
        let mut incoming = Incoming::new(true);
        incoming.push(bytes);
        incoming.next(LARGEST)
    }

    #[test]
    fn compressed_messages_are_read_where_that_was_agreed() {
        let long = "a long text, again and again ".repeat(900);
        for message in ["", "x", "grüße", &long] {
            let bytes = deflated(message.as_bytes());
            assert_eq!(inflated(&bytes), Ok(Some(text(message))));
            assert_eq!(read(&bytes), Err(CloseCode::Protocol), "it was not agreed");
        }
        // in parts: the first says that it is compressed
        let payload = compressed(long.as_bytes());
        let (a, b) = payload.split_at(payload.len() / 2);
        let parts = [client(0x41, a), client(0x89, b"?"), client(0x80, b)].concat();
        let mut incoming = Incoming::new(true);
        incoming.push(&parts);
        assert_eq!(
            incoming.next(LARGEST),
            Ok(Some(Message::Ping(b"?".to_vec())))
        );
        assert_eq!(incoming.next(LARGEST), Ok(Some(text(&long))));
        assert_eq!(inflated(&client(0x81, b"plain")), Ok(Some(text("plain"))));
    }

    #[test]
    fn a_compressed_message_that_is_none_or_too_large_is_refused() {
        let bomb = deflated(&vec![b'x'; 64 * LARGEST]);
        assert!(bomb.len() < LARGEST, "its frame is small");
        for (bytes, code) in [
            (bomb, CloseCode::TooBig),
            (client(0xc1, &[0xff; 40]), CloseCode::Protocol),
            (client(0xc9, b"a ping"), CloseCode::Protocol),
            (client(0xc0, b"nothing begun"), CloseCode::Protocol),
            (
                [client(0x41, b""), client(0xc0, b"")].concat(),
                CloseCode::Protocol,
            ),
            (client(0xa1, b"another bit"), CloseCode::Protocol),
            (deflated(&[0xff]), CloseCode::NotText),
        ] {
            assert_eq!(inflated(&bytes), Err(code), "{:02x?}", bytes.get(..8));
        }
    }

    #[test]
    fn what_breaks_the_protocol_is_named() {
        let unmasked = [0x81, 1, b'x'];
        let too_long = [[0x81, 0xff].as_slice(), &u64::MAX.to_be_bytes(), &[0; 4]].concat();
        let mut fragments = client(0x01, &vec![b'x'; LARGEST]);
        fragments.extend(client(0x80, b"x"));
        let mut interleaved = client(0x01, b"x");
        interleaved.extend(client(0x81, b"y"));
        for (bytes, code) in [
            (unmasked.to_vec(), CloseCode::Protocol),
            (client(0xc1, b"x"), CloseCode::Protocol),
            (client(0x83, b"x"), CloseCode::Protocol),
            (client(0x8b, b"x"), CloseCode::Protocol),
            (client(0x80, b"nothing begun"), CloseCode::Protocol),
            (interleaved, CloseCode::Protocol),
            (client(0x09, b"a ping in parts"), CloseCode::Protocol),
            (client(0x89, &[b'x'; 126]), CloseCode::Protocol),
            (client(0x88, &[3]), CloseCode::Protocol),
            (client(0x88, &[3, 237]), CloseCode::Protocol),
            (client(0x88, &[3, 232, 0xff]), CloseCode::NotText),
            (client(0x81, &[0xff]), CloseCode::NotText),
            (too_long, CloseCode::TooBig),
            (fragments, CloseCode::TooBig),
        ] {
            assert_eq!(
                read(&bytes).err(),
                Some(code),
                "{:02x?}",
                bytes.get(..bytes.len().min(8))
            );
        }
        assert_eq!(read(&client(0x88, b"")), Ok(Some(Message::Close(None))));
    }
}
