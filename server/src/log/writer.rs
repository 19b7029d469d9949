//! The one thread that commits: whatever has gathered in all streams goes into one transaction.
//!
//! What waits to be seen is committed at once, and needs no timer to gather: while one transaction runs, the next one
//! does. What is kept ahead is moved to the store in its time, all of it together.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::ahead::Ahead;
use super::bell::Bell;
use super::lock;
use super::store::{Batch, Store, StoreError};
use super::stream::Stream;
use crate::telemetry::LogNumbers;

/// Streams with something to commit.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<QueueState>,
    grown: Condvar,
    /// Told when there is nothing to commit.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    /// To be committed at once.
    now: Vec<Arc<Stream>>,
    /// All of whose events are kept ahead. One that has been committed since is among them until the next turn.
    kept: Vec<Arc<Stream>>,
    /// When those are to be committed.
    due: Option<Instant>,
    /// What was taken is not committed yet.
    busy: bool,
    closing: bool,
}

/// What is to be committed.
#[derive(Debug)]
struct Work {
    streams: Vec<Arc<Stream>>,
    /// Whether this is everything that was kept before the last turn of the write-ahead log.
    is_all: bool,
}

impl Queue {
    /// There is something that nobody may see before it is committed.
    pub(super) fn push(&self, stream: Arc<Stream>) {
        let mut state = lock(&self.state);
        state.now.push(stream);
        let first = state.now.len() == 1;
        drop(state);
        if first {
            self.grown.notify_one();
        }
    }

    /// There is something that is kept ahead, or about to be.
    pub(super) fn push_kept(&self, stream: Arc<Stream>) {
        let mut state = lock(&self.state);
        state.kept.push(stream);
        let first = state.due.is_none();
        state.due.get_or_insert_with(|| Instant::now() + LINGER);
        drop(state);
        if first {
            self.grown.notify_one();
        }
    }

    /// What is kept ahead is too much to wait longer.
    pub(super) fn hurry(&self) {
        let mut state = lock(&self.state);
        let now = Instant::now();
        if state.due.is_some_and(|due| due > now) {
            state.due = Some(now);
            drop(state);
            self.grown.notify_one();
        }
    }

    /// How many streams wait to be committed at once, and how many in their time.
    pub(super) fn depths(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.now.len(), state.kept.len())
    }

    /// Waits until everything is committed that was pushed before the call; as long as the store refuses it, if it does.
    fn flush(&self) {
        let mut state = lock(&self.state);
        while state.busy || !state.is_empty() {
            if state.due.is_some() {
                state.due = Some(Instant::now());
                self.grown.notify_one();
            }
            state = self
                .idle
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What has gathered; `None` once closed and empty.
    fn take(&self, ahead: Option<&Ahead>) -> Option<Work> {
        let mut state = lock(&self.state);
        state.busy = false;
        loop {
            if state.is_empty() {
                self.idle.notify_all();
            }
            let now = Instant::now();
            if state.closing || state.due.is_some_and(|due| due <= now) {
                return state.take_all(ahead);
            }
            if !state.now.is_empty() {
                state.busy = true;
                return Some(Work {
                    streams: std::mem::take(&mut state.now),
                    is_all: false,
                });
            }
            state = match state.due {
                Some(due) => {
                    let waited = self.grown.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .grown
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn is_closing(&self) -> bool {
        lock(&self.state).closing
    }
}

impl QueueState {
    fn is_empty(&self) -> bool {
        self.now.is_empty() && self.kept.is_empty()
    }

    fn take_all(&mut self, ahead: Option<&Ahead>) -> Option<Work> {
        if self.is_empty() {
            return None;
        }
        // Before the streams are taken: what each of them keeps from here on is not in this work.
        if let Some(ahead) = ahead {
            ahead.turn();
        }
        self.busy = true;
        self.due = None;
        let mut streams = std::mem::take(&mut self.now);
        streams.append(&mut self.kept);
        // one that waits for both is taken once
        streams.sort_unstable_by_key(Arc::as_ptr);
        streams.dedup_by(|one, other| Arc::ptr_eq(one, other));
        Some(Work {
            streams,
            is_all: true,
        })
    }
}

/// The committing thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(store: Arc<dyn Store>, bell: Arc<Bell>, numbers: Arc<LogNumbers>) -> Self {
        let queue = Arc::new(Queue::default());
        let on_thread = queue.clone();
        #[expect(
            clippy::expect_used,
            reason = "without its writer a log would accept events and keep none"
        )]
        let thread = std::thread::Builder::new()
            .name("stepcast-log".into())
            .spawn(move || write(&store, &on_thread, &bell, &numbers))
            .expect("the operating system starts one more thread");
        Self {
            queue,
            thread: Mutex::new(Some(thread)),
        }
    }

    pub(super) fn queue(&self) -> Arc<Queue> {
        self.queue.clone()
    }

    pub(super) fn flush(&self) {
        self.queue.flush();
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

fn write(store: &Arc<dyn Store>, queue: &Queue, bell: &Bell, numbers: &LogNumbers) {
    while let Some(Work { streams, is_all }) = queue.take(store.ahead()) {
        let work: Vec<(Arc<Stream>, Batch)> = streams
            .into_iter()
            .map(|stream| {
                let batch = stream.take_uncommitted();
                (stream, batch)
            })
            .filter(|(_, batch)| !batch.records.is_empty())
            .collect();
        let failed = if commit(store, &work, numbers).is_ok() {
            0
        } else {
            commit_each(store, &work, queue, bell, numbers)
        };
        if failed > 0 {
            if queue.is_closing() {
                return;
            }
            std::thread::sleep(RETRY);
        } else if let Some(ahead) = store.ahead().filter(|_| is_all) {
            ahead.release();
        }
    }
}

/// One execution that cannot be kept must not hold up the others: each is tried by itself. How many could not be.
fn commit_each(
    store: &Arc<dyn Store>,
    work: &[(Arc<Stream>, Batch)],
    queue: &Queue,
    bell: &Bell,
    numbers: &LogNumbers,
) -> usize {
    let mut failed = 0;
    for one in work.chunks(1) {
        if let (Err(error), Some((stream, _))) = (commit(store, one, numbers), one.first()) {
            failed += 1;
            if matches!(error, StoreError::Full(_)) {
                bell.ring();
            }
            if stream.refused(&error.to_string(), queue) {
                tracing::error!(execution_id = %stream.id(), %error, "events cannot be committed; tried again until they are");
            }
        }
    }
    failed
}

/// Commits in one transaction, and lets the streams know.
fn commit(
    store: &Arc<dyn Store>,
    work: &[(Arc<Stream>, Batch)],
    numbers: &LogNumbers,
) -> Result<(), StoreError> {
    let batches: Vec<Batch> = work.iter().map(|(_, batch)| batch.clone()).collect();
    let begun = Instant::now();
    store.commit(&batches).inspect_err(|_| numbers.refused())?;
    let events = work.iter().map(|(_, batch)| batch.records.len()).sum();
    numbers.committed(begun.elapsed(), events);
    for (stream, batch) in work {
        if let Some(last) = batch.records.last() {
            stream.committed(last.seq());
        }
    }
    Ok(())
}

/// How long what is kept ahead gathers: the longer, the fewer rows and pages, and the more to bring in after a crash.
const LINGER: Duration = Duration::from_secs(4);

/// How long a store that refuses is left alone.
const RETRY: Duration = Duration::from_millis(250);
