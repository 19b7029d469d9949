//! How long HTTP/1.1 waits for its next request.
//!
//! A connection on which nothing is asked may rest for a while; a head that has begun must be whole soon. While a
//! request is being answered neither counts: its body has a deadline of its own, and so has each write.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

/// Counts the requests of a connection that were begun, and those that were answered; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Counted>);

#[derive(Debug, Default)]
struct Counted {
    /// Grows by one with each begin and each end: odd while a request is being answered.
    count: AtomicUsize,
    /// Who has tried to read meanwhile.
    reader: AtomicWaker,
}

/// A request is being answered, until this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Turns);

/// The response to it.
pub(super) struct Answer {
    body: Body,
    _turn: Turn,
}

/// What the socket of a connection waits for.
#[derive(Debug)]
pub(super) struct Patience {
    turns: Turns,
    idle: Duration,
    head: Duration,
    /// The count that the rest is about.
    at: usize,
    /// When a part of a head came.
    begun: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
    /// A head was not whole in its time.
    late: bool,
}

impl Turns {
    /// A request has come.
    pub(super) fn begin(&self) -> Turn {
        self.0.count.fetch_add(1, Ordering::AcqRel);
        Turn(self.clone())
    }

    fn count(&self) -> usize {
        self.0.count.load(Ordering::Acquire)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let counted = &self.0.0;
        counted.count.fetch_add(1, Ordering::AcqRel);
        // a read that found nothing while the request was answered is tried again, and now waits with a limit
        counted.reader.wake();
    }
}

impl Answer {
    pub(super) fn new(body: Body, turn: Turn) -> Self {
        Self { body, _turn: turn }
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Patience {
    pub(super) fn new(turns: Turns, idle: Duration, head: Duration) -> Self {
        Self {
            turns,
            idle,
            head,
            at: 0,
            begun: None,
            timer: None,
            late: false,
        }
    }

    /// Whether a head was begun and not whole in its time.
    pub(super) fn is_late(&self) -> bool {
        self.late
    }

    /// Takes note of a read: `came` says that it brought something.
    pub(super) fn watch(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<io::Result<()>>,
        came: bool,
    ) -> Poll<io::Result<()>> {
        let count = self.turns.count();
        if self.at != count {
            self.at = count;
            self.begun = None;
            self.timer = None;
        }
        if count % 2 == 1 {
            if read.is_pending() {
                self.turns.0.reader.register(cx.waker());
            }
            return read;
        }
        if came && self.begun.is_none() {
            self.begun = Some(Instant::now());
            self.timer = None;
        }
        if read.is_ready() {
            return read;
        }
        let (begun, idle, head) = (self.begun, self.idle, self.head);
        let timer = self.timer.get_or_insert_with(|| {
            let until = match begun {
                Some(begun) => begun + head,
                None => Instant::now() + idle,
            };
            Box::pin(sleep_until(until))
        });
        ready!(timer.as_mut().poll(cx));
        self.late = begun.is_some();
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no request has come in its time",
        )))
    }
}
