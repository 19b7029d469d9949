//! One connection: a task that owns the socket, and two bounded queues to it.

use bytes::Bytes;
use stepcast_core::client::{ConnectionEnd, Dial, Transport};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::server::Server;
use super::{http, websocket};

/// What a connection reports.
#[derive(Debug)]
pub(super) enum Report {
    /// A WebSocket's text frames.
    Frames(Vec<Utf8Bytes>),
    /// The body of a long poll.
    Text(String),
    /// A piece of an SSE body.
    Bytes(Bytes),
    /// It ended, for this reason as far as a person cares; nothing follows.
    Closed(ConnectionEnd, String),
}

/// How a connection ended, and why in words.
pub(super) type End = (ConnectionEnd, String);

/// A live connection. Dropping it makes its task let go of the socket.
#[derive(Debug)]
pub(super) struct Connection {
    reports: mpsc::Receiver<Report>,
    outgoing: mpsc::Sender<String>,
}

/// The task's ends of the queues.
#[derive(Debug)]
pub(super) struct Link {
    reports: mpsc::Sender<Report>,
    pub(super) outgoing: mpsc::Receiver<String>,
}

/// The owner of the connection is gone.
#[derive(Debug)]
pub(super) struct Dropped;

impl Connection {
    /// Opens the connection that `dial` describes.
    pub(super) fn open(server: &Server, dial: &Dial) -> Self {
        let (reports, reported) = mpsc::channel(QUEUE);
        let (outgoing, sent) = mpsc::channel(QUEUE);
        let link = Link {
            reports,
            outgoing: sent,
        };
        let (server, path, transport) = (server.clone(), dial.path(), dial.transport);
        tokio::spawn(async move {
            match transport {
                Transport::WebSocket => websocket::run(server, path, link).await,
                Transport::Sse => http::stream(server, path, link).await,
                Transport::LongPoll => http::poll(server, path, link).await,
            }
        });
        Self {
            reports: reported,
            outgoing,
        }
    }

    /// The next report; `None` after the last.
    pub(super) async fn report(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// Sends a text frame, where the transport can. One that finds the queue full is dropped: only pings are
    /// sent, and a socket that takes none is found to be stale soon enough.
    pub(super) fn send(&self, text: String) {
        if self.outgoing.try_send(text).is_err() {
            tracing::debug!("a frame was not sent: the connection takes none");
        }
    }
}

impl Link {
    /// Hands a report to the owner, and waits while it has not taken the ones before.
    pub(super) async fn report(&self, report: Report) -> Result<(), Dropped> {
        self.reports.send(report).await.map_err(|_gone| Dropped)
    }

    /// Reports the end. Nobody may be left to hear it.
    pub(super) async fn close(&self, (end, why): End) {
        if self.report(Report::Closed(end, why)).await.is_err() {
            tracing::trace!("a connection ended after its owner");
        }
    }

    /// Ends when the owner is gone.
    pub(super) async fn dropped(&self) {
        self.reports.closed().await;
    }
}

/// Reports that wait to be taken. Beyond it the socket is not read, and the server feels it.
const QUEUE: usize = 16;
