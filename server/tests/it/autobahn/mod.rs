//! The cases of Autobahn's test suite for WebSocket servers, by its numbers, against our own framing: what is read of
//! them, and what the server does on the wire.

mod frames;
mod sizes;
mod texts;

use stepcast::log::Budget;
use stepcast::untrusted::{Incoming, Message};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use self::frames::{fragments, framing, opcodes, pings, reserved};
use self::sizes::{deflated, sizes};
use self::texts::{closes, utf8};
use crate::harness::{Server, soon};

const LARGEST: usize = 1 << 20;
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const CONTINUE: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// A client's frame: masked.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..=125 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    bytes.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    bytes
}

fn text(payload: &str) -> Vec<u8> {
    frame(FIN | TEXT, payload.as_bytes())
}

fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

fn said(text: &str) -> Message {
    Message::Text(text.to_owned())
}

fn ping(payload: &[u8]) -> Message {
    Message::Ping(payload.to_vec())
}

/// A case: its number, what is sent, what is read of it, and the code that it is refused with where it is.
struct Case {
    number: String,
    bytes: Vec<u8>,
    read: Vec<Message>,
    refused: Option<u16>,
    deflates: bool,
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn good(&mut self, number: &str, frames: &[Vec<u8>], read: &[Message]) {
        self.add(number, frames, read, None, false);
    }

    fn bad(&mut self, number: &str, frames: &[Vec<u8>], read: &[Message], code: u16) {
        self.add(number, frames, read, Some(code), false);
    }

    fn add(
        &mut self,
        number: &str,
        frames: &[Vec<u8>],
        read: &[Message],
        refused: Option<u16>,
        deflates: bool,
    ) {
        self.0.push(Case {
            number: number.to_owned(),
            bytes: frames.concat(),
            read: read.to_vec(),
            refused,
            deflates,
        });
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Cases::default();
    for add in [
        framing, pings, reserved, opcodes, fragments, utf8, closes, sizes, deflated,
    ] {
        add(&mut cases);
    }
    let mut unmasked = text("Hello");
    unmasked[1] &= 0x7f;
    // not one of theirs: their client always masks
    cases.bad("mask", &[unmasked], &[], 1002);
    cases.0
}

#[test]
fn every_case_is_read_as_it_is_meant_however_its_bytes_arrive() {
    let cases = cases();
    assert!(cases.len() > 220, "{} cases", cases.len());
    for case in &cases {
        // a long one byte by byte takes too long, and shows nothing more
        let sizes = [1, 997, 65_536, usize::MAX].into_iter();
        for size in sizes.filter(|size| case.bytes.len() / size < 20_000) {
            let (mut incoming, mut read, mut refused) =
                (Incoming::new(case.deflates), Vec::new(), None);
            'parts: for part in case.bytes.chunks(size) {
                incoming.push(part);
                loop {
                    match incoming.next(LARGEST) {
                        Ok(Some(message)) => read.push(message),
                        Ok(None) => break,
                        Err(code) => {
                            refused = Some(code.code());
                            break 'parts;
                        }
                    }
                }
            }
            assert!(read == case.read, "{} in parts of {size}", case.number);
            assert_eq!(refused, case.refused, "{} in parts of {size}", case.number);
        }
    }
}

/// The frames that the server sends, but for its text.
async fn control(socket: &mut TcpStream) -> Option<(u8, Vec<u8>)> {
    loop {
        let first = soon(socket.read_u8()).await.ok()?;
        let length = match soon(socket.read_u8()).await.ok()? {
            126 => usize::from(soon(socket.read_u16()).await.ok()?),
            127 => usize::try_from(soon(socket.read_u64()).await.ok()?).unwrap(),
            length => usize::from(length),
        };
        let mut payload = vec![0; length];
        soon(socket.read_exact(&mut payload)).await.ok()?;
        if first & 0x0f != TEXT {
            return Some((first & 0x0f, payload));
        }
    }
}

async fn connect(server: &Server, extensions: &str) -> TcpStream {
    let mut socket = TcpStream::connect(&server.address).await.unwrap();
    let request = format!(
        "GET /ws/executions HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extensions}\r\n"
    );
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon(socket.read_u8()).await.unwrap());
    }
    assert!(
        head.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&head)
    );
    socket
}

#[tokio::test]
async fn the_server_answers_each_case_with_pongs_and_the_right_close() {
    let server = Server::with(|config| config.compression.streams = true).await;
    let _context = server.execution("run", Budget::default());
    for case in cases() {
        // a text that is none of ours is refused by what it says, not by how it is framed
        let frames_only =
            |message: &&Message| matches!(message, Message::Ping(_) | Message::Close(_));
        if case.read.iter().any(|message| !frames_only(&message)) || case.refused == Some(1009) {
            continue;
        }
        let extensions = match case.deflates {
            true => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            false => "",
        };
        let mut socket = connect(&server, extensions).await;
        // the server may close before it has read all of it
        let _may_be_closed = socket.write_all(&case.bytes).await;
        for message in &case.read {
            let expected = match message {
                Message::Ping(payload) => (PONG, payload.clone()),
                Message::Close(code) => (CLOSE, code.unwrap_or(1000).to_be_bytes().to_vec()),
                Message::Text(_) | Message::Binary(_) => continue,
            };
            assert_eq!(
                control(&mut socket).await,
                Some(expected),
                "{}",
                case.number
            );
        }
        if let Some(code) = case.refused {
            let refused = Some((CLOSE, code.to_be_bytes().to_vec()));
            assert_eq!(control(&mut socket).await, refused, "{}", case.number);
        } else if !matches!(case.read.last(), Some(Message::Close(_))) {
            socket
                .write_all(&frame(FIN | PING, b"still there"))
                .await
                .unwrap();
            let pong = Some((PONG, b"still there".to_vec()));
            assert_eq!(control(&mut socket).await, pong, "{}", case.number);
        }
    }
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_answered_behind_a_close() {
    let server = Server::start().await;
    let ping = frame(FIN | PING, b"late");
    let whole = frame(FIN | TEXT, &vec![b'*'; 256 << 10]);
    for (number, before, behind) in [
        ("7.1.2", vec![], close(1000, b"")),
        ("7.1.3", vec![], ping.clone()),
        ("7.1.4", vec![], text("Hello World!")),
        ("7.1.5", frame(TEXT, b"fragment1"), frame(FIN, b"fragment2")),
        ("7.1.6", frame(FIN | PONG, b""), [whole, ping].concat()),
    ] {
        let mut socket = connect(&server, "").await;
        let bytes = [before, close(1000, b""), behind].concat();
        let _may_be_closed = socket.write_all(&bytes).await;
        let closed = Some((CLOSE, 1000_u16.to_be_bytes().to_vec()));
        assert_eq!(control(&mut socket).await, closed, "{number}");
        assert_eq!(control(&mut socket).await, None, "{number}");
    }
    server.stop().await;
}
