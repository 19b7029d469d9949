//! Subscribers inside this process: each reads the log at its own pace, in a task of its own.

mod callback;
mod file;
mod metrics;
mod sse;
mod websocket;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use stepcast_core::control::EndReason;
use stepcast_core::id::Seq;
use thiserror::Error;
use tokio::task::AbortHandle;

pub use self::callback::CallbackSubscriber;
pub use self::file::FileSubscriber;
pub use self::metrics::{MetricsSnapshot, MetricsSubscriber};
pub use self::sse::SseSubscriber;
pub use self::websocket::WebSocketSubscriber;
use crate::log::{Page, Reader, Record, StoreError};

/// Receives every event of one execution, in order, once.
pub trait Subscriber: Send + 'static {
    /// What it is, for logs and counts.
    fn name(&self) -> &'static str;

    /// Takes one event.
    ///
    /// # Errors
    /// Ends the subscription; nothing else notices.
    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>>;

    /// Events that are gone before the next one: first and last.
    ///
    /// # Errors
    /// As [`Subscriber::on_event`].
    fn on_gap(&mut self, _from: Seq, _to: Seq) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async { Ok(()) }.boxed()
    }

    /// Everything that was there has been taken: the moment to flush.
    ///
    /// # Errors
    /// As [`Subscriber::on_event`].
    fn on_caught_up(&mut self) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async { Ok(()) }.boxed()
    }

    /// The execution has ended and all of it has been taken.
    ///
    /// # Errors
    /// As [`Subscriber::on_event`].
    fn on_closed(
        &mut self,
        _last_seq: Seq,
        _reason: EndReason,
    ) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async { Ok(()) }.boxed()
    }
}

/// Why a subscription ended before its execution did.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SubscriberError {
    /// The subscriber said so.
    #[error("{0}")]
    Failed(String),
    /// What it writes to is gone.
    #[error("the receiver is gone")]
    Gone,
    /// One call took longer than [`CALL_DEADLINE`].
    #[error("one event took longer than {} s", CALL_DEADLINE.as_secs())]
    Hung,
    /// It panicked.
    #[error("it panicked")]
    Panicked,
    /// The log could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file could not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Names a subscription of one context.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SubscriberId(u64);

/// The subscribers of one context.
#[derive(Clone, Default)]
pub struct Subscribers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    next: AtomicU64,
    failed: AtomicU64,
    tasks: Mutex<BTreeMap<SubscriberId, AbortHandle>>,
}

impl Subscribers {
    /// Starts a subscriber. Needs a tokio runtime.
    pub(crate) fn add(&self, subscriber: Box<dyn Subscriber>, reader: Reader) -> SubscriberId {
        let id = SubscriberId(self.0.next.fetch_add(1, Ordering::Relaxed));
        let name = subscriber.name();
        let shared = self.0.clone();
        // The lock is held until the task is entered, so that a task that ends at once finds itself to remove.
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let task = tokio::spawn(async move {
            let execution_id = reader.stream().id().clone();
            let run = std::panic::AssertUnwindSafe(run(subscriber, reader)).catch_unwind();
            let result = run.await.unwrap_or(Err(SubscriberError::Panicked));
            if let Err(error) = result {
                shared.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%execution_id, subscriber = name, %error, "a subscriber failed and was removed");
            }
            shared
                .tasks
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&id);
        });
        tasks.insert(id, task.abort_handle());
        id
    }

    /// Stops a subscriber; false where it is gone already.
    pub(crate) fn remove(&self, id: SubscriberId) -> bool {
        let task = self
            .0
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&id);
        task.is_some_and(|task| {
            task.abort();
            true
        })
    }

    /// How many are attached.
    pub fn attached(&self) -> usize {
        self.0
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// How many failed and were removed.
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscribers")
            .field("attached", &self.attached())
            .field("failed", &self.failed())
            .finish()
    }
}

/// The one loop: wait for the tail, read after the cursor, hand over.
pub(crate) async fn run(
    mut subscriber: Box<dyn Subscriber>,
    mut reader: Reader,
) -> Result<(), SubscriberError> {
    loop {
        reader.grown().await;
        let Page {
            gap,
            records,
            ended,
        } = reader.read(PAGE).await?;
        if let Some((from, to)) = gap {
            within(subscriber.on_gap(from, to)).await?;
        }
        for record in &records {
            within(subscriber.on_event(record)).await?;
        }
        if reader.after() >= reader.stream().tail().last_seq {
            within(subscriber.on_caught_up()).await?;
        }
        if let Some((last_seq, reason)) = ended {
            return within(subscriber.on_closed(last_seq, reason)).await;
        }
    }
}

/// A call that is ready at once costs no timer.
async fn within(call: BoxFuture<'_, Result<(), SubscriberError>>) -> Result<(), SubscriberError> {
    tokio::time::timeout(CALL_DEADLINE, call)
        .await
        .unwrap_or(Err(SubscriberError::Hung))
}

/// How long a subscriber may take over one event.
pub const CALL_DEADLINE: Duration = Duration::from_secs(30);

/// Events read at once.
const PAGE: usize = 256;
