//! How a stream leaves HTTP: once its head is written, the socket is its own.
//!
//! HTTP's machinery costs a stream some 20 KiB of buffers and a copy of each event, and gives it nothing after the
//! head. So the handler of a stream answers with a body that has no end, and says who takes the socket.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use super::stream::Socket;
use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http_body::Frame;
use tracing::{Instrument as _, Span};

/// Takes a socket, with what has been read from it already.
type Taker = Box<dyn FnOnce(Socket, Bytes) -> BoxFuture<'static, ()> + Send>;

/// One connection's way out of HTTP; in the extensions of each of its requests.
#[derive(Clone, Default)]
pub(crate) struct Handover(Arc<Inner>);

#[derive(Default)]
struct Inner {
    taker: Mutex<Option<Taker>>,
    head: AtomicU8,
}

impl Handover {
    /// A body that stands for what `taker` will write once the head is out.
    pub(crate) fn streaming<F>(
        &self,
        taker: impl FnOnce(Socket, Bytes) -> F + Send + 'static,
    ) -> Body
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.upgrade(taker);
        Body::new(Endless(self.clone()))
    }

    /// `taker` goes on after a response with status 101.
    pub(crate) fn upgrade<F>(&self, taker: impl FnOnce(Socket, Bytes) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // what is logged of the stream names its request
        let span = Span::current();
        let taker: Taker =
            Box::new(move |socket, read| Box::pin(taker(socket, read).instrument(span)));
        *self.taker() = Some(taker);
    }

    /// Everything given to the socket so far is written.
    pub(super) fn flushed(&self) {
        let _unless_due =
            self.0
                .head
                .compare_exchange(ENCODED, WRITTEN, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Whether the head of a stream is written.
    pub(super) fn is_due(&self) -> bool {
        self.0.head.load(Ordering::Acquire) == WRITTEN
    }

    /// Who takes the socket.
    pub(super) fn take(&self) -> Option<Taker> {
        self.taker().take()
    }

    fn taker(&self) -> std::sync::MutexGuard<'_, Option<Taker>> {
        self.0.taker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Handover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handover").finish_non_exhaustive()
    }
}

/// Is asked for its first bytes after the head has been encoded, and has none.
struct Endless(Handover);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let head = &self.0.0.head;
        let _once = head.compare_exchange(0, ENCODED, Ordering::AcqRel, Ordering::Acquire);
        Poll::Pending
    }
}

/// The head is in HTTP's buffer.
const ENCODED: u8 = 1;
/// The head is in the socket, and HTTP's buffer is empty.
const WRITTEN: u8 = 2;
