//! Streams an execution as server-sent events into any response body.

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, Stream, stream};
use stepcast_core::control::{ControlFrame, EndReason, GapReason};
use stepcast_core::id::{ExecutionId, Seq};
use stepcast_core::wire::sse::write_event;
use tokio::sync::mpsc;

use super::{Subscriber, SubscriberError};
use crate::log::Record;

/// Writes SSE for a program that has an HTTP response of its own: whatever has gathered goes out as one chunk.
///
/// The server's own endpoint adds heartbeats, filters and resuming.
///
/// ```
/// use axum::body::Body;
/// use axum::http::header::CONTENT_TYPE;
/// use axum::response::{IntoResponse, Response};
/// use stepcast::context::StreamingContext;
/// use stepcast::subscriber::SseSubscriber;
///
/// fn follow(context: &StreamingContext) -> Response {
///     let (subscriber, body) = SseSubscriber::new(context.execution_id().clone());
///     context.subscribe(Box::new(subscriber));
///     ([(CONTENT_TYPE, "text/event-stream")], Body::from_stream(body)).into_response()
/// }
/// ```
#[derive(Debug)]
pub struct SseSubscriber {
    execution_id: ExecutionId,
    gathered: BytesMut,
    chunks: mpsc::Sender<Bytes>,
}

impl SseSubscriber {
    /// The subscriber, and the body it writes to. Dropping the body ends the subscription.
    pub fn new(
        execution_id: ExecutionId,
    ) -> (
        Self,
        impl Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + use<>,
    ) {
        let (chunks, receiver) = mpsc::channel(4);
        let body = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|chunk| (Ok(chunk), receiver))
        });
        (
            Self {
                execution_id,
                gathered: BytesMut::new(),
                chunks,
            },
            body,
        )
    }

    fn control(&mut self, frame: &ControlFrame) {
        let mut text = String::new();
        if let Ok(json) = serde_json::to_string(frame) {
            write_event(&mut text, Some("control"), &json, None);
        }
        self.gathered.put(text.as_bytes());
    }

    async fn flush(&mut self) -> Result<(), SubscriberError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = self.gathered.split().freeze();
        self.chunks
            .send(chunk)
            .await
            .map_err(|_closed| SubscriberError::Gone)
    }
}

impl Subscriber for SseSubscriber {
    fn name(&self) -> &'static str {
        "sse"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        self.gathered.put(event.sse_bytes());
        async move {
            if self.gathered.len() >= CHUNK {
                self.flush().await
            } else {
                Ok(())
            }
        }
        .boxed()
    }

    fn on_gap(&mut self, from: Seq, to: Seq) -> BoxFuture<'_, Result<(), SubscriberError>> {
        let execution_id = self.execution_id.clone();
        self.control(&ControlFrame::Gap {
            execution_id,
            from,
            to,
            reason: GapReason::Retention,
            epoch: None,
        });
        async { Ok(()) }.boxed()
    }

    fn on_caught_up(&mut self) -> BoxFuture<'_, Result<(), SubscriberError>> {
        self.flush().boxed()
    }

    fn on_closed(
        &mut self,
        last_seq: Seq,
        reason: EndReason,
    ) -> BoxFuture<'_, Result<(), SubscriberError>> {
        let execution_id = self.execution_id.clone();
        self.control(&ControlFrame::Closed {
            execution_id,
            last_seq,
            reason,
        });
        self.flush().boxed()
    }
}

/// Bytes gathered before they are handed on although more could follow.
const CHUNK: usize = 64 << 10;
