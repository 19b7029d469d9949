//! HTTP/1.1, until the connection ends or a stream takes it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;

use super::door::Entry;
use super::handover::Handover;
use super::io::{Carrier, HttpSocket};
use super::patience::{Answer, Patience, Turns};
use super::{Connections, Socket};
use crate::edge::Source;

impl Connections {
    /// Speaks HTTP/1.1, and gives the connection to whoever takes it.
    pub(super) async fn http1<C: Carrier>(&self, carrier: C, peer: Source, entry: Entry) {
        let (handover, turns) = (Handover::default(), Turns::default());
        let patience = Patience::new(turns.clone(), self.http.idle, self.http.head);
        let socket = HttpSocket::new(carrier, handover.clone(), patience);
        let Some((socket, read)) = self.requests(socket, peer, &handover, turns).await else {
            return;
        };
        if let Some(taker) = handover.take() {
            // a task of its own: this one has room for HTTP's state
            let taken = taker(socket, read);
            self.open.spawn(async move {
                taken.await;
                drop(entry);
            });
        }
    }

    /// Answers requests; the socket, where it is to be handed over.
    async fn requests<C: Carrier>(
        &self,
        socket: HttpSocket<C>,
        peer: Source,
        handover: &Handover,
        turns: Turns,
    ) -> Option<(Socket, bytes::Bytes)> {
        let (way, way_out) = (self.way.clone(), handover.clone());
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(way_out.clone());
            request.extensions_mut().insert(peer);
            let turn = turns.begin();
            let way = way.clone();
            Box::pin(async move {
                let answer = way.answer(request.map(Body::new)).await;
                Ok::<_, Infallible>(answer.map(|body| Answer::new(body, turn)))
            })
        });
        let mut connection = Box::pin(
            self.http1_rules()
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
        let parts = Pin::into_inner(connection).into_parts();
        let mut socket = parts.io.into_inner();
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection broke");
            if socket.is_late() {
                // whoever is that slow may not read either
                let told = tokio::time::timeout(TELLING, socket.write_all(TOO_SLOW)).await;
                tracing::debug!(told = told.is_ok(), "a head came too slowly");
            }
            return None;
        }
        Some((socket.into_socket(), parts.read_buf))
    }

    fn http1_rules(&self) -> http1::Builder {
        let mut rules = http1::Builder::new();
        rules
            .timer(TokioTimer::new())
            // the socket knows a head that has begun from a connection that rests
            .header_read_timeout(None)
            .max_header_size(self.http.head_bytes)
            .max_buf_size(self.http.head_bytes);
        if self.http.head_fields != HYPERS {
            rules.max_headers(self.http.head_fields);
        }
        rules
    }
}

/// What is told of a head that was not whole in its time.
const TOO_SLOW: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// How long telling it may take.
const TELLING: Duration = Duration::from_secs(1);

/// As many fields as hyper has room for without allocating any.
const HYPERS: usize = 100;
