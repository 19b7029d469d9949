//! The limit: `write(2)` of bytes that are shared and framed once, to whoever has not got them, in one loop.
//!
//! Not a server: it parses the path and nothing else, keeps everything in memory, and believes every client.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::control::{self, Wish};
use crate::event::Maker;
use crate::job::{History, Service, Transport};

pub(crate) fn serve(service: &Service) {
    let local = SocketAddr::from(([127, 0, 0, 1], 0));
    let poll = Poll::new().unwrap();
    let mut listeners = [local, local].map(|address| TcpListener::bind(address).unwrap());
    for (at, listener) in listeners.iter_mut().enumerate() {
        let token = Token(at);
        poll.registry()
            .register(listener, token, Interest::READABLE)
            .unwrap();
    }
    let [http, control] = listeners;
    let addresses = [&http, &control].map(|listener| listener.local_addr().unwrap());
    super::ready(addresses[0], addresses[1], "1.".to_owned());
    let mut raw = Loop {
        poll,
        http,
        listener: control,
        control: None,
        wishes: Vec::new(),
        maker: Maker::new(&service.shape),
        transport: service.transport,
        keeps_all: service.shape.history != History::Newest,
        streams: vec![Shared::default(); service.shape.streams],
        readers: Vec::new(),
        free: Vec::new(),
    };
    let mut events = Events::with_capacity(1024);
    loop {
        raw.poll.poll(&mut events, None).unwrap();
        for event in &events {
            match event.token() {
                HTTP => raw.accept(),
                LISTENER => raw.accept_control(),
                CONTROL => raw.obey(),
                Token(at) => raw.reader(at - READERS, event.is_readable()),
            }
        }
    }
}

struct Loop {
    poll: Poll,
    http: TcpListener,
    listener: TcpListener,
    control: Option<TcpStream>,
    wishes: Vec<u8>,
    maker: Maker,
    transport: Transport,
    keeps_all: bool,
    streams: Vec<Shared>,
    readers: Vec<Option<Reader>>,
    free: Vec<usize>,
}

/// A stream's events as they are written, and who reads them.
#[derive(Clone, Default)]
struct Shared {
    bytes: Vec<u8>,
    /// What has been forgotten of the front.
    base: usize,
    /// Where each event ends.
    ends: Vec<usize>,
    emitted: u64,
    readers: Vec<usize>,
}

struct Reader {
    socket: TcpStream,
    request: Vec<u8>,
    stream: Option<usize>,
    /// How much of the stream it was given.
    at: usize,
}

impl Loop {
    fn accept(&mut self) {
        while let Ok((mut socket, _)) = self.http.accept() {
            socket.set_nodelay(true).unwrap();
            let at = self.free.pop().unwrap_or_else(|| {
                self.readers.push(None);
                self.readers.len() - 1
            });
            let interest = Interest::READABLE | Interest::WRITABLE;
            let token = Token(READERS + at);
            self.poll
                .registry()
                .register(&mut socket, token, interest)
                .unwrap();
            self.readers[at] = Some(Reader {
                socket,
                request: Vec::new(),
                stream: None,
                at: 0,
            });
        }
    }

    fn accept_control(&mut self) {
        while let Ok((mut socket, _)) = self.listener.accept() {
            socket.set_nodelay(true).unwrap();
            self.poll
                .registry()
                .register(&mut socket, CONTROL, Interest::READABLE)
                .unwrap();
            self.control = Some(socket);
        }
    }

    /// Takes all wishes that are there, then writes to each stream's readers once.
    fn obey(&mut self) {
        let mut buffer = [0; 64 << 10];
        let mut touched = Vec::new();
        while let Some(control) = &mut self.control {
            match control.read(&mut buffer) {
                Ok(0) => self.control = None,
                Ok(read) => self.wishes.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("{error}"),
            }
        }
        for wish in control::wishes(&mut self.wishes) {
            match wish {
                Wish::Emit { stream, count } => {
                    (0..count).for_each(|_| self.emit(stream));
                    touched.push(stream);
                }
                Wish::Report => {
                    let control = self.control.as_mut().unwrap();
                    control.write_all(b"null\n").unwrap();
                }
            }
        }
        for stream in touched {
            let readers = std::mem::take(&mut self.streams[stream].readers);
            for &reader in &readers {
                self.write(reader);
            }
            let shared = &mut self.streams[stream];
            shared.readers = readers;
            self.forget(stream);
        }
    }

    fn emit(&mut self, stream: usize) {
        let shared = &mut self.streams[stream];
        shared.emitted += 1;
        let json = self.maker.json(stream, shared.emitted);
        match self.transport {
            Transport::Sse => write!(
                shared.bytes,
                "event: step_progress\ndata: {json}\nid: 1.{}\n\n",
                shared.emitted
            )
            .unwrap(),
            Transport::Ws => {
                shared.bytes.extend_from_slice(&[0x81, 126]);
                let length = u16::try_from(json.len()).unwrap();
                shared.bytes.extend_from_slice(&length.to_be_bytes());
                shared.bytes.extend_from_slice(json.as_bytes());
            }
        }
        shared.ends.push(shared.base + shared.bytes.len());
    }

    /// Writes what a reader has not got; what its socket does not take, once it does again.
    fn write(&mut self, reader: usize) {
        let Some(one) = &mut self.readers[reader] else {
            return;
        };
        let Some(shared) = one.stream.map(|stream| &self.streams[stream]) else {
            return;
        };
        loop {
            let rest = &shared.bytes[one.at - shared.base..];
            if rest.is_empty() {
                return;
            }
            match one.socket.write(rest) {
                Ok(written) => one.at += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.leave(reader),
            }
        }
    }

    /// Forgets what every reader has, where nobody may come back for it.
    fn forget(&mut self, stream: usize) {
        let shared = &mut self.streams[stream];
        if self.keeps_all || shared.bytes.len() < FORGET {
            return;
        }
        let end = shared.base + shared.bytes.len();
        let all = |&at: &usize| self.readers[at].as_ref().is_none_or(|it| it.at == end);
        if shared.readers.iter().all(all) {
            shared.bytes.clear();
            shared.ends.clear();
            shared.base = end;
        }
    }

    fn reader(&mut self, at: usize, readable: bool) {
        if readable && !self.read(at) {
            return self.leave(at);
        }
        self.write(at);
    }

    /// Reads a request, and answers it; false where the peer has gone.
    fn read(&mut self, at: usize) -> bool {
        let Some(one) = &mut self.readers[at] else {
            return true;
        };
        let mut buffer = [0; 4096];
        loop {
            match one.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) => one.request.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    if error.kind() != ErrorKind::WouldBlock {
                        return false;
                    }
                    break;
                }
            }
        }
        if one.stream.is_some() || !one.request.ends_with(b"\r\n\r\n") {
            return true;
        }
        let request = String::from_utf8(std::mem::take(&mut one.request)).unwrap();
        let path = request.split(' ').nth(1).unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (_, stream) = path.split_once("run-").unwrap();
        let stream: usize = stream.parse().unwrap();
        let shared = &mut self.streams[stream];
        one.at = match query.split_once("1.") {
            Some((_, seen)) => shared.end_of(seen.parse().unwrap()),
            None => shared.base,
        };
        one.stream = Some(stream);
        shared.readers.push(at);
        let head = match self.transport {
            Transport::Sse => SSE_HEAD,
            Transport::Ws => WS_HEAD,
        };
        one.socket.write_all(head.as_bytes()).is_ok()
    }

    fn leave(&mut self, at: usize) {
        if let Some(one) = self.readers[at].take() {
            if let Some(stream) = one.stream {
                self.streams[stream].readers.retain(|&reader| reader != at);
            }
            self.free.push(at);
        }
    }
}

impl Shared {
    /// Where the event with this number ends.
    fn end_of(&self, seen: u64) -> usize {
        let forgotten = self.emitted - self.ends.len() as u64;
        match seen.checked_sub(forgotten + 1) {
            Some(at) => self.ends[at as usize],
            None => self.base,
        }
    }
}

const HTTP: Token = Token(0);
const LISTENER: Token = Token(1);
const CONTROL: Token = Token(2);

/// Where the tokens of readers begin.
const READERS: usize = 3;

/// Bytes of a stream past which it is looked whether all have them.
const FORGET: usize = 256 << 10;

const SSE_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";

const WS_HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: unchecked\r\n\r\n";
