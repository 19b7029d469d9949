//! Writes every event to a file, one JSON object a line: NDJSON.

use std::path::Path;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use stepcast_core::control::EndReason;
use stepcast_core::id::Seq;
use tokio::fs::File;
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::{Subscriber, SubscriberError};
use crate::log::Record;

/// Writes events to a file as they come; flushed whenever it has caught up.
///
/// ```
/// use std::path::Path;
///
/// use stepcast::context::StreamingContext;
/// use stepcast::subscriber::{FileSubscriber, SubscriberError};
///
/// async fn keep(context: &StreamingContext) -> Result<(), SubscriberError> {
///     let file = FileSubscriber::create(Path::new("events.ndjson")).await?;
///     context.subscribe(Box::new(file));
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct FileSubscriber(BufWriter<File>);

impl FileSubscriber {
    /// Creates the file, or empties it.
    ///
    /// # Errors
    /// Where that cannot be done.
    pub async fn create(path: &Path) -> Result<Self, SubscriberError> {
        Ok(Self(BufWriter::new(File::create(path).await?)))
    }
}

impl Subscriber for FileSubscriber {
    fn name(&self) -> &'static str {
        "file"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        async move {
            self.0.write_all(event.json().as_bytes()).await?;
            self.0.write_all(b"\n").await?;
            Ok(())
        }
        .boxed()
    }

    fn on_caught_up(&mut self) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async move { Ok(self.0.flush().await?) }.boxed()
    }

    fn on_closed(
        &mut self,
        _last_seq: Seq,
        _reason: EndReason,
    ) -> BoxFuture<'_, Result<(), SubscriberError>> {
        async move {
            self.0.flush().await?;
            Ok(self.0.get_ref().sync_all().await?)
        }
        .boxed()
    }
}
