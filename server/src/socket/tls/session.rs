//! A connection under TLS after HTTP: it is written and read by `&self` as a plain one is.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;
use tokio::io::{AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// What is encrypted waits here until it is sent, at most one record; what has arrived, until it is read.
pub(crate) struct TlsSocket {
    stream: TcpStream,
    /// Held for one call, never across a wait.
    session: Mutex<ServerConnection>,
}

/// A socket as rustls takes it: nothing waits.
struct Trying<'a>(&'a TcpStream);

impl TlsSocket {
    pub(crate) fn new(stream: TcpStream, mut session: ServerConnection) -> Self {
        session.set_buffer_limit(Some(RECORD));
        Self {
            stream,
            session: Mutex::new(session),
        }
    }

    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut session = self.session();
        let mut taken = 0;
        loop {
            match flush(&mut session, &self.stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => {
                    return Ok(taken);
                }
                flushed => flushed?,
            }
            let rest = bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(taken);
            }
            taken += session.writer().write(rest.get(..RECORD).unwrap_or(rest))?;
        }
    }

    pub(crate) fn is_flushed(&self) -> bool {
        !self.session().wants_write()
    }

    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut session = self.session();
        for _ in 0..READS {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // closed without a word
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                read => return read,
            }
            session.read_tls(&mut Trying(&self.stream))?;
            let processed = session.process_new_packets();
            // an answer of the protocol, or what is wrong; what the socket does not take now goes with the next write
            match flush(&mut session, &self.stream) {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Ok(()) | Err(_) => {}
            }
            processed.map_err(io::Error::other)?;
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.has_arrived() {
            return Ok(());
        }
        self.stream.readable().await
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream.writable().await
    }

    pub(crate) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match self.try_read(buf.initialize_unfilled()) {
                Ok(read) => {
                    buf.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_read_ready(cx))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    pub(crate) fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, || self.try_write(bytes))
    }

    pub(crate) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, || flush(&mut self.session(), &self.stream))
    }

    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.session().send_close_notify();
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    /// Tries until it does not block.
    fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        attempt: impl Fn() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match attempt() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(self.stream.poll_write_ready(cx))?;
                }
                done => return Poll::Ready(done),
            }
        }
    }

    /// Whether a read finds something that the socket does not know of any more.
    fn has_arrived(&self) -> bool {
        !self.session().wants_read()
    }

    fn session(&self) -> MutexGuard<'_, ServerConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends what is encrypted.
fn flush(session: &mut ServerConnection, stream: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut Trying(stream))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}

impl Drop for TlsSocket {
    /// Says that nothing more comes, where the socket takes it: without, a client cannot tell the end from a cut.
    fn drop(&mut self) {
        let session = self
            .session
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        session.send_close_notify();
        if let Err(error) = flush(session, &self.stream) {
            tracing::trace!(%error, "a connection was not closed in words");
        }
    }
}

impl fmt::Debug for TlsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSocket")
            .field("stream", &self.stream)
            .finish_non_exhaustive()
    }
}

impl io::Read for Trying<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl io::Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, bytes: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What one record holds.
const RECORD: usize = 16 << 10;

/// Records without content that are read before others have their turn.
const READS: usize = 8;
