//! The load generator's end of the control connection.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};

/// Asks for events; what is asked for in one turn of the loop goes out in one write.
#[derive(Debug)]
pub(super) struct Control {
    socket: TcpStream,
    lines: String,
}

impl Control {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            lines: String::new(),
        }
    }

    pub(super) fn emit(&mut self, stream: usize, count: u64) {
        writeln!(self.lines, "emit {stream} {count}").unwrap();
    }

    pub(super) fn flush(&mut self) {
        if !self.lines.is_empty() {
            self.socket.write_all(self.lines.as_bytes()).unwrap();
            self.lines.clear();
        }
    }

    /// Waits until everything asked for is kept; what the server says of it.
    pub(super) fn report(&mut self) -> String {
        self.lines.push_str("report\n");
        self.flush();
        let mut answer = String::new();
        BufReader::new(&self.socket).read_line(&mut answer).unwrap();
        answer
    }
}
