//! A WebSocket over the same HTTP client as everything else, so that TLS and addresses are decided once.

use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use reqwest::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use reqwest::{StatusCode, Upgraded};
use stepcast_core::client::ConnectionEnd;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message, Utf8Bytes};

use super::connection::{End, Link, Report};
use super::http::{broken, broken_off, refusal};
use super::server::Server;

/// Reads a WebSocket until it ends.
pub(super) async fn run(server: Server, path: String, mut link: Link) {
    let opened = tokio::select! {
        opened = open(&server, &path) => opened,
        () = link.dropped() => return,
    };
    let end = match opened {
        Ok(mut socket) => match read(&mut socket, &mut link).await {
            Some(end) => end,
            None => return leave(socket).await,
        },
        Err(end) => end,
    };
    link.close(end).await;
}

/// The handshake of RFC 6455, section 4.1.
async fn open(server: &Server, path: &str) -> Result<WebSocketStream<Upgraded>, End> {
    let key = generate_key();
    let request = server
        .get(path)
        .header(CONNECTION, "Upgrade")
        .header(UPGRADE, "websocket")
        .header(SEC_WEBSOCKET_VERSION, "13")
        .header(SEC_WEBSOCKET_KEY, &key);
    let response = request.send().await.map_err(|error| broken(&error))?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A proxy that knows no WebSocket answers as if it were a page: the ladder goes on.
        return Err(if response.status().is_success() {
            broken_off("the answer is no WebSocket")
        } else {
            refusal(&response)
        });
    }
    let accepted = response.headers().get(SEC_WEBSOCKET_ACCEPT);
    if accepted.is_none_or(|value| value.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
    {
        return Err(broken_off("the answer is no WebSocket"));
    }
    let stream = response.upgrade().await.map_err(|error| broken(&error))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE_BYTES))
        .max_frame_size(Some(MAX_MESSAGE_BYTES));
    Ok(WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await)
}

/// Reads and sends until the socket ends; `None` where the owner is gone before.
async fn read(socket: &mut WebSocketStream<Upgraded>, link: &mut Link) -> Option<End> {
    loop {
        let first = tokio::select! {
            message = socket.next() => message,
            text = link.outgoing.recv() => match text {
                Some(text) => {
                    if socket.send(Message::text(text)).await.is_err() {
                        return Some(cut("the connection was cut"));
                    }
                    continue;
                }
                None => return None,
            },
        };
        let (frames, end) = gather(socket, first);
        if !frames.is_empty() {
            link.report(Report::Frames(frames)).await.ok()?;
        }
        if end.is_some() {
            return end;
        }
    }
}

/// What has come already goes to the owner in one piece: a frame alone would cost a turn of both tasks.
fn gather(
    socket: &mut WebSocketStream<Upgraded>,
    first: Option<Result<Message, tungstenite::Error>>,
) -> (Vec<Utf8Bytes>, Option<End>) {
    let (mut frames, mut bytes, mut next) = (Vec::new(), 0, Some(first));
    while let Some(message) = next {
        match message {
            Some(Ok(Message::Text(text))) => {
                bytes += text.len();
                frames.push(text);
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                let why = format!("the server closed with code {code}");
                return (frames, Some((ConnectionEnd::WebSocket { code }, why)));
            }
            // Pings are answered by the library with the next read.
            Some(Ok(
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
            )) => {}
            Some(Err(error)) => return (frames, Some(cut(&error.to_string()))),
            None => return (frames, Some(cut("the connection was cut"))),
        }
        if bytes >= PIECE {
            break;
        }
        next = socket.next().now_or_never();
    }
    (frames, None)
}

/// Says good-bye, and waits a little for the answer.
async fn leave(mut socket: WebSocketStream<Upgraded>) {
    let farewell = async {
        if socket.close(None).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    };
    if tokio::time::timeout(FAREWELL, farewell).await.is_err() {
        tracing::trace!("the server did not answer a close");
    }
}

/// Closed without a close frame.
fn cut(why: &str) -> End {
    (ConnectionEnd::WebSocket { code: 1006 }, why.to_owned())
}

/// No frame of a server is longer; it is what core allows an SSE message.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// Bytes handed on at once, and at most one frame more.
const PIECE: usize = 64 << 10;

/// How long a server may take to answer a close.
const FAREWELL: Duration = Duration::from_secs(2);
