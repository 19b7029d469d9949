//! Streams an execution into any WebSocket: one JSON text message an event.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Sink, SinkExt as _};
use stepcast_core::control::{ControlFrame, EndReason, GapReason};
use stepcast_core::id::{ExecutionId, Seq};
use stepcast_core::wire::close::CloseCode;

use super::{Subscriber, SubscriberError};
use crate::log::Record;

/// Writes to a WebSocket that a program of yours has accepted.
///
/// The server's own endpoint adds heartbeats, filters and resuming.
///
/// ```
/// use axum::extract::ws::WebSocket;
/// use futures_util::StreamExt as _;
/// use stepcast::context::StreamingContext;
/// use stepcast::subscriber::WebSocketSubscriber;
///
/// async fn follow(socket: WebSocket, context: StreamingContext) {
///     let (sending, mut receiving) = socket.split();
///     let subscriber = WebSocketSubscriber::new(context.execution_id().clone(), sending);
///     let subscription = context.subscribe(Box::new(subscriber));
///     // reading is what answers pings, and notices that the peer has gone
///     while let Some(Ok(_)) = receiving.next().await {}
///     if let Some(id) = subscription {
///         context.unsubscribe(id);
///     }
/// }
/// ```
#[derive(Debug)]
pub struct WebSocketSubscriber<S> {
    execution_id: ExecutionId,
    socket: S,
}

impl<S: Sink<Message, Error: std::fmt::Display> + Send + Unpin + 'static> WebSocketSubscriber<S> {
    /// A subscriber that writes to `socket`, the sending half of an accepted WebSocket.
    pub fn new(execution_id: ExecutionId, socket: S) -> Self {
        Self {
            execution_id,
            socket,
        }
    }

    async fn feed(&mut self, message: Message) -> Result<(), SubscriberError> {
        self.socket
            .feed(message)
            .await
            .map_err(|_broken| SubscriberError::Gone)
    }

    async fn control(&mut self, frame: &ControlFrame) -> Result<(), SubscriberError> {
        let json = serde_json::to_string(frame)
            .map_err(|error| SubscriberError::Failed(error.to_string()))?;
        self.feed(Message::Text(json.into())).await
    }
}

impl<S: Sink<Message, Error: std::fmt::Display> + Send + Unpin + 'static> Subscriber
    for WebSocketSubscriber<S>
{
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        let text = Utf8Bytes::try_from(event.json_bytes())
            .map_err(|error| SubscriberError::Failed(error.to_string()));
        async move { self.feed(Message::Text(text?)).await }.boxed()
    }

    fn on_gap(&mut self, from: Seq, to: Seq) -> BoxFuture<'_, Result<(), SubscriberError>> {
        let execution_id = self.execution_id.clone();
        let gap = ControlFrame::Gap {
            execution_id,
            from,
            to,
            reason: GapReason::Retention,
            epoch: None,
        };
        async move { self.control(&gap).await }.boxed()
    }

    fn on_caught_up(&mut self) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async move {
            self.socket
                .flush()
                .await
                .map_err(|_broken| SubscriberError::Gone)
        }
        .boxed()
    }

    fn on_closed(
        &mut self,
        last_seq: Seq,
        reason: EndReason,
    ) -> BoxFuture<'_, Result<(), SubscriberError>> {
        let execution_id = self.execution_id.clone();
        async move {
            self.control(&ControlFrame::Closed {
                execution_id,
                last_seq,
                reason,
            })
            .await?;
            let close = CloseFrame {
                code: CloseCode::Done.code(),
                reason: Utf8Bytes::from_static("complete"),
            };
            self.feed(Message::Close(Some(close))).await?;
            self.socket
                .flush()
                .await
                .map_err(|_broken| SubscriberError::Gone)
        }
        .boxed()
    }
}
