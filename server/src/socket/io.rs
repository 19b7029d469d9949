//! A connection while it speaks HTTP: its writes have a deadline, and it can be handed over.
//!
//! A peer that stops reading blocks the write, and a body behind it is never polled again: so the deadline
//! is in the socket, where it depends on nobody.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;

use super::handover::Handover;
use super::patience::Patience;
use super::stream::Socket;

/// A TCP connection that ends when a write makes no progress for too long.
#[derive(Debug)]
pub(super) struct Deadlined {
    stream: TcpStream,
    deadline: Duration,
    /// Runs while a write is blocked.
    stalled: Option<Pin<Box<Sleep>>>,
}

/// What HTTP/1.1 is spoken on; tells its handover when all is written.
#[derive(Debug)]
pub(super) struct HttpSocket<C> {
    carrier: C,
    handover: Handover,
    patience: Patience,
}

/// What carries HTTP, and a stream after it.
pub(super) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// The connection itself.
    fn into_socket(self) -> Socket;
}

impl Deadlined {
    pub(super) fn new(stream: TcpStream, deadline: Duration) -> Self {
        Self {
            stream,
            deadline,
            stalled: None,
        }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let deadline = self.deadline;
        let sleep = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(Instant::now() + deadline)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(Err(stopped_reading()))
    }
}

impl Carrier for Deadlined {
    fn into_socket(self) -> Socket {
        Socket::from(self.stream)
    }
}

impl Carrier for TlsStream<Deadlined> {
    fn into_socket(self) -> Socket {
        let (carrier, session) = self.into_inner();
        Socket::secured(carrier.stream, session)
    }
}

/// What ends a write that makes no progress.
pub(crate) fn stopped_reading() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer has stopped reading")
}

impl AsyncRead for Deadlined {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Deadlined {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<C: Carrier> HttpSocket<C> {
    pub(super) fn new(carrier: C, handover: Handover, patience: Patience) -> Self {
        Self {
            carrier,
            handover,
            patience,
        }
    }

    /// Whether a head was begun and not whole in its time.
    pub(super) fn is_late(&self) -> bool {
        self.patience.is_late()
    }

    pub(super) fn into_socket(self) -> Socket {
        self.carrier.into_socket()
    }
}

impl<C: Carrier> AsyncRead for HttpSocket<C> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.carrier).poll_read(cx, buf);
        let came = buf.filled().len() > before;
        self.patience.watch(cx, read, came)
    }
}

impl<C: Carrier> AsyncWrite for HttpSocket<C> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.carrier).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.carrier).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.carrier.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.carrier).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.handover.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.carrier).poll_shutdown(cx)
    }
}
