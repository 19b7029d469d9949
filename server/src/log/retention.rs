//! What a log lets go of: by age, number and size, behind the back of everything that is live.
//!
//! Each step is one small transaction, and the committing thread has its turn between any two of them.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use stepcast_core::id::{ExecutionId, Seq};

use super::bell::Bell;
use super::lock;
use super::store::{Store, StoreError};
use super::streams::Streams;
use crate::clock::unix_millis;

/// How much a log keeps; no limit where there is none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Retention {
    /// Executions go so long after their end.
    pub age: Option<Duration>,
    /// So many that have ended stay, the newest ends first.
    pub executions: Option<u64>,
    /// The oldest that have ended go while the store uses more bytes.
    pub bytes: Option<u64>,
    /// So many events of one execution stay, under way or not.
    pub execution_events: Option<u64>,
    /// So many bytes of one execution's events stay, under way or not; the newest event in any case.
    pub execution_bytes: Option<u64>,
    /// How often the limits are looked at.
    pub interval: Duration,
}

/// A store whose events stay until they are taken away.
pub trait Shrink: Store {
    /// Executions that have ended, the oldest end first.
    ///
    /// # Errors
    /// Where the medium fails.
    fn oldest_ended(&self, at_most: usize) -> Result<Vec<Old>, StoreError>;

    /// How many executions have ended.
    ///
    /// # Errors
    /// Where the medium fails.
    fn ended_count(&self) -> Result<u64, StoreError>;

    /// Bytes in use; what was freed and not yet given back is not counted.
    ///
    /// # Errors
    /// Where the medium fails.
    fn used_bytes(&self) -> Result<u64, StoreError>;

    /// Executions that may have grown since the last call: all of them at the first one.
    ///
    /// # Errors
    /// Where the medium fails.
    fn grown(&self) -> Result<Vec<i64>, StoreError>;

    /// Which events an execution has, with the bytes of those after an event where they are wanted; `None` where there
    /// is no such execution.
    ///
    /// # Errors
    /// Where the medium fails.
    fn extent(&self, key: i64, after: Seq, with_bytes: bool) -> Result<Option<Extent>, StoreError>;

    /// The first event up to which, from the oldest on, an execution has at least so many bytes.
    ///
    /// # Errors
    /// Where the medium fails.
    fn through(&self, key: i64, bytes: u64) -> Result<Seq, StoreError>;

    /// Takes away the oldest events up to `through`, a bounded number in one transaction, and never the newest one.
    ///
    /// # Errors
    /// Where the medium fails.
    fn trim(&self, key: i64, through: Seq) -> Result<Trimmed, StoreError>;

    /// Moves what was written from the journal to its place, beside those who write: else one of them would have to.
    ///
    /// # Errors
    /// Where the medium fails.
    fn tidy(&self) -> Result<(), StoreError>;

    /// Gives a bounded part of what is free back to the file system; true where there is more to give.
    ///
    /// # Errors
    /// Where the medium fails.
    fn give_back(&self) -> Result<bool, StoreError>;
}

/// An execution that has ended.
#[derive(Clone, Debug)]
pub struct Old {
    /// The store's number of it.
    pub key: i64,
    /// Its id.
    pub id: ExecutionId,
    /// Milliseconds since 1970.
    pub ended_at: u64,
}

/// Events of one execution.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Extent {
    /// The first one; 0 where there is none.
    pub first: Seq,
    /// The last one.
    pub last: Seq,
    /// Bytes, where they were asked for.
    pub bytes: u64,
    /// Whether more may come.
    pub ended: bool,
}

/// What one step took away.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Trimmed {
    /// Bytes of events.
    pub bytes: u64,
    /// Whether all that was asked for is gone.
    pub done: bool,
}

/// The sweeping thread.
#[derive(Debug)]
pub(super) struct Sweeper {
    limits: Arc<Mutex<Retention>>,
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Sweeper {
    pub(super) fn start(store: Arc<dyn Store>, streams: Arc<Streams>, bell: Arc<Bell>) -> Self {
        let limits = Arc::new(Mutex::new(Retention::default()));
        let sweep = Sweep {
            store,
            streams,
            limits: limits.clone(),
            bell: bell.clone(),
            sizes: HashMap::new(),
            grown: BTreeSet::new(),
            steps: Cell::new(0),
        };
        let thread = std::thread::Builder::new().name("stepcast-sweep".into());
        let thread = thread.spawn(move || sweep.run());
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread for retention: nothing will be let go of");
        }
        Self {
            limits,
            bell,
            thread: Mutex::new(thread.ok()),
        }
    }

    pub(super) fn set(&self, limits: Retention) {
        *lock(&self.limits) = limits;
        self.bell.ring();
    }

    /// There may be something to give back.
    pub(super) fn look(&self) {
        self.bell.ring();
    }

    pub(super) fn close(&self) {
        self.bell.close();
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the log's sweeper panicked");
        }
    }
}

/// Why a pass ended before its end.
enum Cut {
    Closing,
    Failed(StoreError),
}

impl From<StoreError> for Cut {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

struct Sweep {
    store: Arc<dyn Store>,
    streams: Arc<Streams>,
    limits: Arc<Mutex<Retention>>,
    bell: Arc<Bell>,
    /// Bytes of the executions under way, each counted up to an event.
    sizes: HashMap<i64, (u64, Seq)>,
    /// Executions still to be looked at.
    grown: BTreeSet<i64>,
    steps: Cell<usize>,
}

impl Sweep {
    fn run(mut self) {
        let mut limits = Retention::default();
        while self.bell.wait(limits.is_any().then_some(limits.interval)) {
            limits = *lock(&self.limits);
            match self.pass(&limits) {
                Ok(()) => {}
                Err(Cut::Closing) => return,
                Err(Cut::Failed(error)) => {
                    tracing::error!(%error, "retention could not be done, trying again later");
                }
            }
        }
    }

    fn pass(&mut self, limits: &Retention) -> Result<(), Cut> {
        let store = self.store.clone();
        let Some(store) = store.shrinks() else {
            return Ok(());
        };
        if limits.execution_events.is_some() || limits.execution_bytes.is_some() {
            self.trim_grown(store, limits)?;
        }
        self.delete_old(store, limits)?;
        while self.step(|| store.give_back())? {}
        Ok(())
    }

    /// The oldest events of executions that have too many.
    fn trim_grown(&mut self, store: &dyn Shrink, limits: &Retention) -> Result<(), Cut> {
        self.grown.extend(store.grown()?);
        while let Some(&key) = self.grown.first() {
            self.trim(store, limits, key)?;
            // one that failed stays for the next pass
            self.grown.remove(&key);
        }
        Ok(())
    }

    fn trim(&mut self, store: &dyn Shrink, limits: &Retention, key: i64) -> Result<(), Cut> {
        // taken out: where this fails in the middle, all of it is counted anew
        let (size, counted) = self.sizes.remove(&key).unwrap_or_default();
        let with_bytes = limits.execution_bytes.is_some();
        let Some(extent) = store.extent(key, counted, with_bytes)? else {
            return Ok(());
        };
        let mut size = size + extent.bytes;
        let most = limits.execution_events.unwrap_or(u64::MAX);
        let mut through = extent.last.saturating_sub(most);
        if let Some(limit) = limits.execution_bytes
            && size > limit
        {
            through = through.max(store.through(key, size - limit)?);
        }
        let mut done = extent.first == 0 || through < extent.first;
        while !done {
            let trimmed = self.step(|| {
                let trimmed = store.trim(key, through);
                self.streams.trimmed();
                trimmed
            })?;
            size = size.saturating_sub(trimmed.bytes);
            done = trimmed.done;
        }
        if !extent.ended {
            self.sizes.insert(key, (size, extent.last));
        }
        Ok(())
    }

    /// Whole executions, the oldest end first.
    fn delete_old(&self, store: &dyn Shrink, limits: &Retention) -> Result<(), Cut> {
        let age = limits.age.map(|age| u64::try_from(age.as_millis()));
        let before = age.map_or(0, |age| {
            unix_millis().saturating_sub(age.unwrap_or(u64::MAX))
        });
        let mut over = match limits.executions {
            Some(most) => store.ended_count()?.saturating_sub(most),
            None => 0,
        };
        loop {
            let mut old = store.oldest_ended(AT_ONCE)?;
            let too_many = usize::try_from(over).unwrap_or(usize::MAX);
            let mut due = old
                .iter()
                .enumerate()
                .take_while(|(n, old)| *n < too_many || old.ended_at < before)
                .count();
            if due == 0 && limits.bytes.is_some_and(|most| most > 0) {
                let used = store.used_bytes()?;
                due = usize::from(limits.bytes.is_some_and(|most| used > most) && !old.is_empty());
            }
            old.truncate(due);
            if old.is_empty() {
                return Ok(());
            }
            over = over.saturating_sub(due as u64);
            tracing::debug!(executions = due, "retention");
            while !old.is_empty() {
                let keys: Vec<i64> = old.iter().map(|old| old.key).collect();
                let gone = self.step(|| store.delete(&keys))?;
                old.retain(|old| {
                    let is_gone = gone.contains(&old.key);
                    if is_gone {
                        self.streams.forget(&old.id, old.key);
                    }
                    !is_gone
                });
            }
        }
    }

    /// One transaction, and a rest during which others have the store.
    fn step<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, Cut> {
        let begun = Instant::now();
        let done = work()?;
        let rest = rest_after(begun);
        self.steps.set(self.steps.get() + 1);
        if self.steps.get().is_multiple_of(UNTIDY)
            && let Some(store) = self.store.shrinks()
        {
            store.tidy()?;
        }
        if self.bell.rest(rest) {
            Ok(done)
        } else {
            Err(Cut::Closing)
        }
    }
}

impl Retention {
    fn is_any(&self) -> bool {
        self.age.is_some()
            || [
                self.executions,
                self.bytes,
                self.execution_events,
                self.execution_bytes,
            ]
            .iter()
            .any(Option::is_some)
    }
}

/// How long the store is left to others after work that began then: it is at work a fifth of the time.
pub(super) fn rest_after(begun: Instant) -> Duration {
    (begun.elapsed() * 4).clamp(SHORTEST_REST, LONGEST_REST)
}

/// Executions deleted between two looks at what is the oldest.
const AT_ONCE: usize = 64;

/// Steps that the journal has room for beside what others write.
const UNTIDY: usize = 8;

const SHORTEST_REST: Duration = Duration::from_millis(1);
const LONGEST_REST: Duration = Duration::from_millis(250);
