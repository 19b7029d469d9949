//! One subscriber: a socket, the steps until it is attached, and its place in the stream.

use std::io::{ErrorKind, Read as _, Write as _};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::decode::Decoder;
use super::scan::{Found, Scanner};
use super::sequence::Sequence;
use crate::job::{Coding, Resume, Target, Transport};

/// A subscriber of the load generator.
pub(super) struct Subscriber {
    socket: Option<TcpStream>,
    pub(super) stream: usize,
    pub(super) sequence: Sequence,
    /// Reads nothing once it is attached.
    pub(super) stalls: bool,
    state: State,
    /// Bytes that are part of something that is not all there.
    rest: Vec<u8>,
    /// The last `id:` of the server's, where it is what a subscriber comes back with.
    last_event_id: Option<String>,
    /// Where it wants its bytes compressed: for what follows the head.
    decoder: Option<Box<Decoder>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Connecting,
    /// Waits for this step of the handshake.
    Handshake(usize),
    Attached,
}

/// What came of reading.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// New events.
    pub(super) events: u64,
    /// Bytes as they came.
    pub(super) bytes: u64,
    /// It has come to be attached.
    pub(super) attached: bool,
    /// The server has ended the connection.
    pub(super) ended: bool,
}

impl Subscriber {
    pub(super) fn new(stream: usize, stalls: bool, coding: Coding) -> Self {
        Self {
            socket: None,
            stream,
            sequence: Sequence::default(),
            stalls,
            state: State::Connecting,
            rest: Vec::new(),
            last_event_id: None,
            decoder: Decoder::new(coding).map(Box::new),
        }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self, target: &Target, registry: &Registry, token: Token) {
        let mut socket = TcpStream::connect(target.http).unwrap();
        if self.stalls {
            // what the kernel takes in for it would hide the stall
            rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 4 << 10).unwrap();
        }
        let both = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut socket, token, both).unwrap();
        self.socket = Some(socket);
        self.state = State::Connecting;
        self.rest.clear();
    }

    /// Cuts the connection off.
    pub(super) fn cut(&mut self) {
        self.socket = None;
        self.state = State::Connecting;
    }

    pub(super) fn is_attached(&self) -> bool {
        self.state == State::Attached
    }

    /// The connection is there: asks.
    pub(super) fn writable(&mut self, target: &Target) {
        if let (State::Connecting, Some(mut socket)) = (self.state, self.socket.as_ref()) {
            if let Some(error) = socket.take_error().unwrap() {
                panic!("{}: {error}", target.http);
            }
            socket.set_nodelay(true).unwrap();
            let after = match &target.resume {
                Resume::LastEventId => self.last_event_id.clone(),
                Resume::After(prefix) => match self.sequence.last {
                    0 => None,
                    seen => Some(format!("{prefix}{seen}")),
                },
                Resume::None => None,
            };
            let request = request(target, self.stream, after.as_deref());
            socket.write_all(request.as_bytes()).unwrap();
            self.state = State::Handshake(0);
        }
    }

    /// Reads all there is; `now` is the time of the reading, and `late` is told how old each event is.
    pub(super) fn readable(
        &mut self,
        target: &Target,
        scanner: &Scanner,
        buffer: &mut [u8],
        now: u64,
        mut late: impl FnMut(u64),
    ) -> Taken {
        let mut taken = Taken::default();
        let was_attached = self.is_attached();
        while let Some(socket) = &mut self.socket {
            if self.stalls && self.state == State::Attached {
                break;
            }
            // what is left of a text does not stand before compressed bytes
            let is_head = self.state == State::Handshake(0);
            let kept = match self.decoder {
                Some(_) if !is_head => 0,
                _ => self.rest.len(),
            };
            buffer[..kept].copy_from_slice(&self.rest[..kept]);
            self.rest.drain(..kept);
            match socket.read(&mut buffer[kept..]) {
                Ok(0) => taken.ended = true,
                Ok(read) => {
                    taken.bytes += read as u64;
                    let full = kept + read == buffer.len();
                    let mut bytes = &buffer[..kept + read];
                    let mut text;
                    if is_head {
                        bytes = self.shake_hands(target, bytes);
                    }
                    if let (Some(decoder), false) =
                        (&mut self.decoder, self.state == State::Handshake(0))
                    {
                        text = std::mem::take(&mut self.rest);
                        decoder.decode(bytes, &mut text);
                        bytes = &text;
                    }
                    if let State::Handshake(1..) = self.state {
                        bytes = self.shake_hands(target, bytes);
                    }
                    if !was_attached && self.is_attached() {
                        taken.attached = true;
                    }
                    if self.state == State::Attached {
                        self.events(target, scanner, bytes, |event| {
                            taken.events += event.tokens;
                            late(now.saturating_sub(event.at));
                        });
                    }
                    // what was not filled has been emptied: the next byte is another wake-up
                    if full {
                        continue;
                    }
                    break;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.rest.extend_from_slice(&buffer[..kept]);
                    break;
                }
                Err(_) => taken.ended = true,
            }
            if taken.ended {
                self.cut();
            }
        }
        taken
    }

    /// Goes on with the handshake; gives what follows it.
    fn shake_hands<'a>(&mut self, target: &Target, mut bytes: &'a [u8]) -> &'a [u8] {
        while let State::Handshake(step) = self.state {
            let Some(exchange) = target.handshake.get(step) else {
                self.state = State::Attached;
                break;
            };
            let expect = exchange.expect.as_bytes();
            let Some(at) = memchr::memmem::find(bytes, expect) else {
                self.rest.extend_from_slice(bytes);
                return &[];
            };
            if step == 0 {
                let status = bytes.get(9..12).unwrap_or_default();
                let fine = status == b"200" || status == b"101";
                assert!(fine, "refused: {}", String::from_utf8_lossy(bytes));
            }
            bytes = &bytes[at + expect.len()..];
            if let (Some(text), Some(socket)) = (&exchange.send, &mut self.socket) {
                let text = text.replace("{run}", &format!("run-{}", self.stream));
                socket.write_all(&text_frame(&text)).unwrap();
            }
            self.state = State::Handshake(step + 1);
            if step == 0 && self.decoder.is_some() {
                break;
            }
        }
        bytes
    }

    fn events(
        &mut self,
        target: &Target,
        scanner: &Scanner,
        bytes: &[u8],
        mut new: impl FnMut(Found),
    ) {
        let sequence = &mut self.sequence;
        let done = scanner.scan(bytes, |event| {
            let is_new = match event.tokens {
                1 => sequence.take(event.n),
                tokens => sequence.take_run(event.n, tokens),
            };
            if is_new {
                new(event);
            }
        });
        if target.resume == Resume::LastEventId
            && let Some(id) = last_id(&bytes[..done])
        {
            self.last_event_id = Some(id);
        }
        self.rest.extend_from_slice(&bytes[done..]);
    }
}

/// What a subscriber asks for; `after` is where it was.
pub(super) fn request(target: &Target, stream: usize, after: Option<&str>) -> String {
    let mut path = target.path.replace("{run}", &format!("run-{stream}"));
    let mut headers = match target.transport {
        Transport::Sse => "accept: text/event-stream\r\n",
        Transport::Ws => WEBSOCKET,
    }
    .to_owned();
    headers += match target.coding {
        Coding::Plain => "",
        Coding::Gzip => "accept-encoding: gzip\r\n",
        Coding::Zstd => "accept-encoding: zstd\r\n",
        Coding::Brotli => "accept-encoding: br\r\n",
        Coding::Messages { takes_over: true } => "sec-websocket-extensions: permessage-deflate\r\n",
        Coding::Messages { takes_over: false } => {
            "sec-websocket-extensions: permessage-deflate; server_no_context_takeover\r\n"
        }
        Coding::Cbor => "sec-websocket-protocol: stepcast.cbor\r\n",
        Coding::CborMessages => {
            "sec-websocket-protocol: stepcast.cbor\r\nsec-websocket-extensions: permessage-deflate\r\n"
        }
    };
    match (&target.resume, after) {
        (Resume::After(_), Some(after)) => path += &format!("?after={after}"),
        (Resume::LastEventId, Some(id)) => headers += &format!("last-event-id: {id}\r\n"),
        (Resume::None, _) | (_, None) => {}
    }
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n")
}

/// The last `id:` line before the last event.
fn last_id(bytes: &[u8]) -> Option<String> {
    let at = memchr::memmem::rfind(bytes, b"\nid: ")? + 5;
    let end = memchr::memchr(b'\n', &bytes[at..])?;
    String::from_utf8(bytes[at..at + end].to_vec()).ok()
}

/// A WebSocket text frame of a client; a mask of zeros leaves the text as it is.
fn text_frame(text: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ ..126) => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    frame
}

const WEBSOCKET: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
