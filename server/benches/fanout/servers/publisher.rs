//! Publishes to a server that has no producer of its own, as the control connection asks.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::control::{self, Wish};
use crate::event::Maker;
use crate::job::{Publish, Service};

pub(crate) fn serve(service: &Service) {
    let to = service.publish_to.as_ref().unwrap();
    let mut publisher = Publisher {
        maker: Maker::new(&service.shape),
        emitted: vec![0; service.shape.streams],
        to: to.clone(),
        socket: connect(to),
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (Publish::Http(server) | Publish::Nats(server)) = *to;
    super::ready(server, listener.local_addr().unwrap(), String::new());
    for control in listener.incoming() {
        let (mut control, mut wishes, mut buffer) = (control.unwrap(), Vec::new(), [0; 64 << 10]);
        while let Ok(read @ 1..) = control.read(&mut buffer) {
            wishes.extend_from_slice(&buffer[..read]);
            for wish in control::wishes(&mut wishes) {
                match wish {
                    Wish::Emit { stream, count } => publisher.emit(stream, count),
                    Wish::Report => control.write_all(b"null\n").unwrap(),
                }
            }
        }
    }
}

struct Publisher {
    maker: Maker,
    emitted: Vec<u64>,
    to: Publish,
    socket: TcpStream,
}

impl Publisher {
    /// All in one write; then reads what the server says to it.
    fn emit(&mut self, stream: usize, count: u64) {
        let mut bytes = Vec::new();
        for _ in 0..count {
            self.emitted[stream] += 1;
            let json = self.maker.json(stream, self.emitted[stream]);
            let length = json.len();
            match self.to {
                Publish::Http(_) => write!(bytes, "POST /publish/run-{stream} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{json}"),
                Publish::Nats(_) => write!(bytes, "PUB run-{stream} {length}\r\n{json}\r\n"),
            }
            .unwrap();
        }
        if let Publish::Nats(_) = self.to {
            bytes.extend_from_slice(b"PING\r\n");
        }
        self.socket.write_all(&bytes).unwrap();
        match self.to {
            Publish::Http(_) => self.answers(b"HTTP/1.1 20", count),
            Publish::Nats(_) => self.answers(b"PONG", 1),
        }
    }

    /// Waits until `word` has come so often; what belongs to an answer is in the same segment on loopback or
    /// is read with the next.
    fn answers(&mut self, word: &[u8], count: u64) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 64 << 10]);
        while (memchr::memmem::find_iter(&bytes, word).count() as u64) < count {
            let read = self.socket.read(&mut buffer).unwrap();
            assert!(read > 0, "the server has closed the publisher's connection");
            bytes.extend_from_slice(&buffer[..read]);
        }
    }
}

fn connect(to: &Publish) -> TcpStream {
    let (Publish::Http(server) | Publish::Nats(server)) = *to;
    let mut socket = reached(server);
    socket.set_nodelay(true).unwrap();
    if let Publish::Nats(_) = to {
        let hello = b"CONNECT {\"verbose\":false}\r\n";
        socket.write_all(hello).unwrap();
    }
    socket
}

/// A connection to a server that may still be starting.
fn reached(server: SocketAddr) -> TcpStream {
    for _ in 0..500 {
        if let Ok(socket) = TcpStream::connect(server) {
            return socket;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("{server} cannot be reached");
}
