//! The one thread that commits: whatever has gathered in all streams goes into one transaction.
//!
//! Group commit needs no timer: while one transaction runs, the next one gathers.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::bell::Bell;
use super::lock;
use super::store::{Batch, Store, StoreError};
use super::stream::Stream;

/// Streams with something to commit, each at most once.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    grown: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    streams: Vec<Arc<Stream>>,
    closing: bool,
}

impl Queue {
    pub(super) fn push(&self, stream: Arc<Stream>) {
        let mut state = lock(&self.state);
        state.streams.push(stream);
        let first = state.streams.len() == 1;
        drop(state);
        if first {
            self.grown.notify_one();
        }
    }

    /// What has gathered; `None` once closed and empty.
    fn take(&self) -> Option<Vec<Arc<Stream>>> {
        let mut state = lock(&self.state);
        while state.streams.is_empty() {
            if state.closing {
                return None;
            }
            state = self
                .grown
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Some(std::mem::take(&mut state.streams))
    }

    fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }
}

/// The committing thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(store: Arc<dyn Store>, bell: Arc<Bell>) -> Self {
        let queue = Arc::new(Queue::default());
        let on_thread = queue.clone();
        #[expect(
            clippy::expect_used,
            reason = "without its writer a log would accept events and keep none"
        )]
        let thread = std::thread::Builder::new()
            .name("stepcast-log".into())
            .spawn(move || write(&store, &on_thread, &bell))
            .expect("the operating system starts one more thread");
        Self {
            queue,
            thread: Mutex::new(Some(thread)),
        }
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    pub(super) fn close(&self) {
        lock(&self.queue.state).closing = true;
        self.queue.grown.notify_one();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the log's writer panicked");
        }
    }
}

fn write(store: &Arc<dyn Store>, queue: &Queue, bell: &Bell) {
    while let Some(streams) = queue.take() {
        let work: Vec<(Arc<Stream>, Batch)> = streams
            .into_iter()
            .map(|stream| {
                let batch = stream.take_uncommitted();
                (stream, batch)
            })
            .filter(|(_, batch)| !batch.records.is_empty())
            .collect();
        if commit(store, &work).is_ok() {
            continue;
        }
        // One execution that cannot be kept must not hold up the others: each is tried by itself.
        let mut failed = 0;
        for one in work.chunks(1) {
            if let (Err(error), Some((stream, _))) = (commit(store, one), one.first()) {
                failed += 1;
                if matches!(error, StoreError::Full(_)) {
                    bell.ring();
                }
                if stream.refused(&error.to_string(), queue) {
                    tracing::error!(execution_id = %stream.id(), %error, "events cannot be committed; tried again until they are");
                }
            }
        }
        if failed > 0 {
            if queue.is_closing() {
                return;
            }
            std::thread::sleep(RETRY);
        }
    }
}

/// Commits in one transaction, and lets the streams know.
fn commit(store: &Arc<dyn Store>, work: &[(Arc<Stream>, Batch)]) -> Result<(), StoreError> {
    let batches: Vec<Batch> = work.iter().map(|(_, batch)| batch.clone()).collect();
    store.commit(&batches)?;
    for (stream, batch) in work {
        if let Some(last) = batch.records.last() {
            stream.committed(last.seq());
        }
    }
    Ok(())
}

/// How long a store that refuses is left alone.
const RETRY: Duration = Duration::from_millis(250);
