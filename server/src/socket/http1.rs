//! HTTP/1.1, until the connection ends or a stream takes it.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tower_service::Service as _;

use super::handover::Handover;
use super::io::{Carrier, HttpSocket};
use super::{Connections, Socket};
use crate::edge::Source;

impl Connections {
    /// Speaks HTTP/1.1, and gives the connection to whoever takes it.
    pub(super) async fn http1<C: Carrier>(&self, carrier: C, peer: Source) {
        let handover = Handover::default();
        let socket = HttpSocket::new(carrier, handover.clone());
        let Some((socket, read)) = self.requests(socket, peer, &handover).await else {
            return;
        };
        if let Some(taker) = handover.take() {
            // a task of its own: this one has room for HTTP's state
            self.open.spawn(taker(socket, read));
        }
    }

    /// Answers requests; the socket, where it is to be handed over.
    async fn requests<C: Carrier>(
        &self,
        socket: HttpSocket<C>,
        peer: Source,
        handover: &Handover,
    ) -> Option<(Socket, bytes::Bytes)> {
        let (router, way_out) = (self.router.clone(), handover.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(way_out.clone());
            request.extensions_mut().insert(peer);
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
        Some((parts.io.into_inner().into_socket(), parts.read_buf))
    }
}
