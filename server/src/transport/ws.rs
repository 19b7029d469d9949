//! `WS /ws/pipeline/{execution_id}`: one JSON text frame an event.

use axum::extract::rejection::PathRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use stepcast_core::control::ControlFrame;
use stepcast_core::id::ExecutionId;

use super::feed::{Feed, Frame};
use super::parameters::Selection;
use crate::error::Problem;
use crate::executions::Executions;

/// Accepts a WebSocket. What is refused is refused in band, with a close code that says whether to come back:
/// a page cannot see the status of a handshake.
pub(crate) async fn open(
    State(executions): State<Executions>,
    id: Result<Path<String>, PathRejection>,
    selection: Selection,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Path(id) =
        id.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let id: ExecutionId = id.parse()?;
    let upgrade = upgrade.map_err(|rejection| Problem::new(rejection.status(), "This is a WebSocket endpoint. Plain HTTP: GET /stream/pipeline/{id} or /api/executions/{id}/events."))?;
    let upgrade = upgrade
        .max_message_size(LARGEST_CLIENT_FRAME)
        .max_frame_size(LARGEST_CLIENT_FRAME)
        .write_buffer_size(WRITE_BUFFER)
        .read_buffer_size(4 << 10);
    let open = executions.sockets().token();
    let feed = Feed::single(executions, id, selection);
    Ok(upgrade
        .on_upgrade(move |socket| async move {
            serve(socket, feed).await;
            drop(open);
        })
        .into_response())
}

/// Runs until either end closes. A peer that stops reading blocks `send`, and the socket's own deadline ends it.
async fn serve(socket: WebSocket, mut feed: Feed) {
    let (mut sending, mut receiving) = socket.split();
    loop {
        match write(&mut sending, &mut feed).await {
            Ok(Written::More) => {}
            Ok(Written::Closed) => return finish(receiving).await,
            Err(error) => return tracing::debug!(%error, "a WebSocket broke"),
        }
        tokio::select! {
            () = feed.wait() => {}
            message = receiving.next() => match message {
                Some(Ok(Message::Text(text))) => feed.text(&text),
                Some(Ok(Message::Binary(_))) => feed.text(""),
                // Pings are answered and a close is acknowledged by the next flush.
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_))) => {}
                Some(Err(error)) => return tracing::debug!(%error, "a WebSocket broke"),
                None => return,
            },
        }
    }
}

enum Written {
    More,
    Closed,
}

/// Writes all there is: events are fed, and flushed once.
async fn write(
    sending: &mut SplitSink<WebSocket, Message>,
    feed: &mut Feed,
) -> Result<Written, axum::Error> {
    loop {
        let frames = feed.ready().await;
        if frames.is_empty() {
            sending.flush().await?;
            return Ok(Written::More);
        }
        for frame in frames {
            let message = match frame {
                Frame::Event(record) => Message::Text(
                    Utf8Bytes::try_from(record.json_bytes()).map_err(axum::Error::new)?,
                ),
                Frame::Control(control) => {
                    // The protocol's own ping finds dead peers; the text is one that a script can see.
                    if control == (ControlFrame::Ping {}) {
                        sending.feed(Message::Ping(Bytes::new())).await?;
                    }
                    Message::Text(
                        serde_json::to_string(&control)
                            .map_err(axum::Error::new)?
                            .into(),
                    )
                }
                Frame::Close(code) => {
                    let close = CloseFrame {
                        code: code.code(),
                        reason: Utf8Bytes::from_static(""),
                    };
                    sending.send(Message::Close(Some(close))).await?;
                    return Ok(Written::Closed);
                }
            };
            sending.feed(message).await?;
        }
        sending.flush().await?;
        feed.written();
    }
}

/// Reads until the peer has answered the close, so that the handshake is whole.
async fn finish(mut receiving: SplitStream<WebSocket>) {
    let answered = async { while let Some(Ok(_)) = receiving.next().await {} };
    if tokio::time::timeout(CLOSE_HANDSHAKE, answered)
        .await
        .is_err()
    {
        tracing::debug!("a peer did not answer the close");
    }
}

/// Bytes gathered before they are written although more could follow. A connection keeps the buffer.
const WRITE_BUFFER: usize = 32 << 10;

/// Clients send subscriptions and pings only.
const LARGEST_CLIENT_FRAME: usize = 64 << 10;

/// How long a peer may take to answer a close.
const CLOSE_HANDSHAKE: std::time::Duration = std::time::Duration::from_secs(5);
