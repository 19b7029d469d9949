//! The one thread that commits: whatever has gathered in all streams goes into one transaction.
//!
//! Group commit needs no timer: while one transaction runs, the next one gathers.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::lock;
use super::store::Store;
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
    pub(super) fn start(store: Arc<dyn Store>) -> Self {
        let queue = Arc::new(Queue::default());
        let on_thread = queue.clone();
        let thread = std::thread::Builder::new()
            .name("stepcast-log".into())
            .spawn(move || write(&store, &on_thread))
            .ok();
        Self {
            queue,
            thread: Mutex::new(thread),
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

fn write(store: &Arc<dyn Store>, queue: &Queue) {
    while let Some(streams) = queue.take() {
        let batches: Vec<_> = streams
            .iter()
            .map(|stream| stream.take_uncommitted())
            .collect();
        let full: Vec<_> = batches
            .iter()
            .filter(|batch| !batch.records.is_empty())
            .cloned()
            .collect();
        match store.commit(&full) {
            Ok(()) => {
                for (stream, batch) in streams.iter().zip(&batches) {
                    if let Some(last) = batch.records.last() {
                        stream.committed(last.seq());
                    }
                }
            }
            Err(error) => {
                tracing::error!(%error, executions = streams.len(), "events could not be committed, trying again");
                let failure = error.to_string();
                for stream in &streams {
                    stream.refused(&failure, queue);
                }
                if queue.is_closing() {
                    return;
                }
                std::thread::sleep(RETRY);
            }
        }
    }
}

/// How long a store that refuses is left alone.
const RETRY: Duration = Duration::from_millis(250);
