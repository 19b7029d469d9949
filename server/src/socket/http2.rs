//! HTTP/2: many requests and streams on one connection, each with a deadline of its own.
//!
//! A peer that reads other streams of a connection, but not this one, never blocks the socket. So each stream is
//! watched: where the last piece of a body is not taken for too long, the stream is reset, and the others go on.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::task::TaskTracker;

use super::Connections;
use super::io::Carrier;
use crate::edge::Source;
use crate::telemetry::Wire;

tokio::task_local! {
    /// When a piece of this stream's body was given out, where no more was asked for since.
    static GIVEN: Cell<Option<Instant>>;
    /// Whether this stream is reset, since nothing more was asked for.
    static RESET: Cell<bool>;
}

/// Whether the stream that this runs in is reset, since its peer has stopped reading it.
pub(crate) fn is_reset() -> bool {
    RESET.try_with(Cell::get).unwrap_or_default()
}

impl Connections {
    /// Speaks HTTP/2 until the connection ends.
    pub(super) async fn http2<C: Carrier>(&self, carrier: C, peer: Source) {
        let under_way = watch::Sender::new(0_usize);
        let quiet = self.quiet(under_way.subscribe());
        let way = self.way.clone();
        let peer = Source {
            wire: Wire::Http2,
            ..peer
        };
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            let way = way.clone();
            Box::pin(async move {
                let answer = way.answer(request.map(Body::new)).await;
                Ok::<_, Infallible>(answer.map(Piecemeal::new))
            })
        });
        let streams = Streams {
            deadline: self.write_deadline,
            open: self.open.clone(),
            under_way,
        };
        let head_bytes = u32::try_from(self.http.head_bytes).unwrap_or(u32::MAX);
        let connection = http2::Builder::new(streams)
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(head_bytes)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(ERRORS)
            .max_send_buf_size(PIECE)
            .keep_alive_interval(self.write_deadline)
            .keep_alive_timeout(self.write_deadline)
            .serve_connection(TokioIo::new(carrier), service);
        // HTTP's state is large, and this task lives as long as it does
        let mut connection = Box::pin(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = quiet => {
                connection.as_mut().graceful_shutdown();
                // a peer that has nothing to say may not answer a farewell either
                match tokio::time::timeout(FAREWELL, connection).await {
                    Ok(ended) => ended,
                    Err(_late) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
        }
    }
}

impl Connections {
    /// Until no stream has been under way for too long: from the start on for as long as a head may take.
    fn quiet(&self, mut under_way: watch::Receiver<usize>) -> impl Future<Output = ()> + use<> {
        let (mut patience, idle) = (self.http.head, self.http.idle);
        async move {
            loop {
                let resting = *under_way.borrow_and_update() == 0;
                let changed = under_way.changed();
                let changed = if resting {
                    match tokio::time::timeout(patience, changed).await {
                        Ok(changed) => changed,
                        Err(_quiet) => return,
                    }
                } else {
                    changed.await
                };
                if changed.is_err() {
                    return std::future::pending().await;
                }
                patience = idle;
            }
        }
    }
}

/// Runs the streams of one connection.
#[derive(Clone)]
struct Streams {
    deadline: Duration,
    open: TaskTracker,
    under_way: watch::Sender<usize>,
}

/// One of them, until it is dropped.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|streams| *streams -= 1);
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.under_way.send_modify(|streams| *streams += 1);
        let under_way = UnderWay(self.under_way.clone());
        let watched = GIVEN.scope(Cell::new(None), watched(stream, self.deadline));
        let watched = RESET.scope(Cell::new(false), watched);
        self.open.spawn(async move {
            watched.await;
            drop(under_way);
        });
    }
}

/// Runs a stream until it ends, or what it gave is not taken for too long. Dropping it resets it.
async fn watched(stream: impl Future<Output = ()>, deadline: Duration) {
    tokio::pin!(stream);
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(given) = GIVEN.with(Cell::get) else {
            timer = None;
            return Poll::Pending;
        };
        let until = given + deadline;
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() != until {
            timer.as_mut().reset(until);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a stream is reset: its peer has stopped reading it");
        RESET.with(|reset| reset.set(true));
        Poll::Ready(())
    })
    .await;
}

/// A body that gives small pieces, and notes when.
struct Piecemeal {
    body: Body,
    rest: Bytes,
}

impl Piecemeal {
    fn new(body: Body) -> Self {
        let rest = Bytes::new();
        Self { body, rest }
    }
}

impl http_body::Body for Piecemeal {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        note(None);
        if self.rest.is_empty() {
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                return Poll::Ready(None);
            };
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => self.rest = data,
                Ok(Err(trailers)) => return Poll::Ready(Some(Ok(trailers))),
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        note(Some(Instant::now()));
        let length = self.rest.len().min(PIECE);
        let piece = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_body, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_body.lower() + rest);
        if let Some(upper) = of_body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

fn note(given: Option<Instant>) {
    let _outside_of_a_stream = GIVEN.try_with(|since| since.set(given));
}

/// The largest piece of a body: what a stream holds that is not read.
const PIECE: usize = 16 << 10;

/// Requests and streams at once on one connection.
const STREAMS: u32 = 256;

/// Streams that a peer has opened and reset before they were looked at: more of them end the connection.
const RESETS: usize = 20;

/// Streams that were reset for breaking the protocol: more of them end the connection.
const ERRORS: usize = 100;

/// How long a connection that is asked to go may take.
const FAREWELL: Duration = Duration::from_secs(5);
