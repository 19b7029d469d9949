//! Accepts connections, speaks HTTP on them, and hands those that become streams over.

mod handover;
mod io;

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

pub(crate) use self::handover::Handover;
use self::io::HttpSocket;
pub(crate) use self::io::stopped_reading;

/// What every connection is served with.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    /// What answers.
    pub(crate) router: Router,
    /// How long a write may make no progress.
    pub(crate) write_deadline: Duration,
    /// Ends the accepting, and each connection after the request it is at.
    pub(crate) stopping: CancellationToken,
    /// The connections, those that were handed over too.
    pub(crate) open: TaskTracker,
}

impl Connections {
    /// Accepts until the server stops.
    pub(crate) async fn serve(self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.stopping.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _peer)) => {
                    self.open.spawn(self.clone().connection(stream));
                }
                // a connection that broke before it was taken is its own affair; out of file handles, others must close first
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "connections cannot be accepted, trying again");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        // Events are small and each is wanted at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        let handover = Handover::default();
        let socket = HttpSocket::new(stream, self.write_deadline, handover.clone());
        let Some((stream, read)) = self.http(socket, &handover).await else {
            return;
        };
        if let Some(taker) = handover.take() {
            // a task of its own: this one has room for HTTP's state
            self.open.spawn(taker(stream, read));
        }
    }

    /// Speaks HTTP; the socket, where it is to be handed over.
    async fn http(
        &self,
        socket: HttpSocket,
        handover: &Handover,
    ) -> Option<(TcpStream, bytes::Bytes)> {
        let (router, way_out) = (self.router.clone(), handover.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(way_out.clone());
            Box::pin(router.clone().call(request.map(Body::new)))
        });
        let mut connection = Box::pin(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(socket), service),
        );
        let stopping = self.stopping.cancelled();
        tokio::pin!(stopping);
        let mut told = false;
        let ended = poll_fn(|cx| {
            if !told && stopping.as_mut().poll(cx).is_ready() {
                told = true;
                connection.as_mut().graceful_shutdown();
            }
            let polled = connection.poll_without_shutdown(cx);
            if handover.is_due() {
                return Poll::Ready(Ok(()));
            }
            polled
        })
        .await;
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
            return None;
        }
        let parts = Pin::into_inner(connection).into_parts();
        Some((parts.io.into_inner().into_stream(), parts.read_buf))
    }
}

fn is_of_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset
    )
}

/// How long accepting rests after an error of the system's.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);
