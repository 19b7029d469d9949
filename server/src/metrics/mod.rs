//! Reliability over many executions: counts folded out of each log, kept when it has ended, added up when asked for.
//!
//! Nothing of it is on the way of an event. What is under way is folded when somebody asks, from where it was folded last;
//! what has ended is folded once, and its counts stay with the execution in the store.

mod keeper;
mod report;
mod settings;
mod tally;
mod top;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use stepcast_core::id::{ExecutionId, StepId};
use stepcast_core::metrics::{Counts, RunMetrics};
use tokio::sync::Semaphore;

pub(crate) use self::keeper::keep;
pub use self::report::{Definition, Group, MetricReport, MetricValue, Report};
pub use self::settings::MetricsSettings;
use self::tally::Tally;
pub use self::top::{StepReport, Top};
use crate::log::{Log, Measured, StoreError, Window};

/// What is counted of executions under way, from where it was counted last.
#[derive(Debug)]
pub(crate) struct Meter {
    live: Mutex<HashMap<ExecutionId, Arc<tokio::sync::Mutex<Tally>>>>,
    /// Sums read every execution of their window: however many ask, this many are made at a time.
    turns: Semaphore,
    /// Tokens of language models, of the executions that were counted in this process.
    input_tokens: AtomicU64,
    output_tokens: AtomicU64,
}

/// What a sum is to tell beside the total.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Wanted {
    /// How counts are put together.
    pub by: By,
    /// What happened in steps of this id only, and in the executions that have one.
    pub step: Option<StepId>,
    /// How many of the slowest, the most retried and the most expensive steps; none where it is 0.
    pub top: usize,
}

/// How counts are put together.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum By {
    /// All of them.
    #[default]
    All,
    /// Those of each pipeline.
    Pipeline,
    /// Those of each step of each pipeline.
    Step,
    /// Those of the executions that were made known in each hour, of UTC.
    Hour,
    /// Those of the executions that were made known on each day, of UTC.
    Day,
}

/// Of what a group holds the counts.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct GroupKey {
    /// Of the hour or the day that begins then, milliseconds since 1970.
    pub from: Option<u64>,
    /// Of this pipeline.
    pub pipeline: Option<String>,
    /// Of this step.
    pub step_id: Option<StepId>,
}

/// Counts added up.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// Executions in it.
    pub executions: u64,
    /// Of these, those whose oldest events were gone before they were counted.
    pub incomplete: u64,
    /// All together.
    pub total: Counts,
    /// The same by what was asked for.
    pub groups: BTreeMap<GroupKey, Counts>,
    /// Whether there were more than [`MAX_GROUPS`]; of hours and days, the newest are here.
    pub groups_left_out: bool,
    /// Each step's counts, by its pipeline, where the foremost of them are wanted; at most [`MAX_GROUPS`].
    pub steps: BTreeMap<(String, StepId), Counts>,
    /// Whether there were more, in the window or in one execution.
    pub steps_left_out: bool,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            live: Mutex::default(),
            turns: Semaphore::new(SUMS_AT_ONCE),
            input_tokens: AtomicU64::new(0),
            output_tokens: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// Adds up what a window holds.
    pub(crate) async fn sum(
        &self,
        log: &Log,
        window: &Window,
        wanted: &Wanted,
    ) -> Result<Sum, StoreError> {
        // never closed, so there is always a turn to come
        let _turn = self.turns.acquire().await;
        let (mut sum, mut before) = (Sum::default(), i64::MAX);
        loop {
            let store = log.store().clone();
            let page = window.clone();
            let read = move || {
                let found = store.measured(&page, before)?;
                Ok(found.into_iter().map(with_counts).collect::<Vec<_>>())
            };
            let found = blocking(read).await?;
            let Some((last, _)) = found.last() else {
                self.forget_ended();
                return Ok(sum);
            };
            before = last.key;
            for (one, kept) in found {
                let metrics = match kept {
                    Some(kept) => Some(kept),
                    None => self.counts_of(log, &one).await?,
                };
                if let Some(metrics) = metrics {
                    sum.add(&one, &metrics, wanted);
                }
            }
        }
    }

    /// Tokens of language models, taken in and given out, of executions that have ended since the start.
    pub(crate) fn tokens(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.input_tokens), read(&self.output_tokens))
    }

    /// The counts of an execution that has ended are kept.
    fn kept(&self, counts: &Counts) {
        let add = |counter: &AtomicU64, tokens| counter.fetch_add(tokens, Ordering::Relaxed);
        add(&self.input_tokens, counts.input_tokens);
        add(&self.output_tokens, counts.output_tokens);
    }

    /// What one execution counts to, out of its log; none where it is gone.
    async fn counts_of(&self, log: &Log, one: &Measured) -> Result<Option<RunMetrics>, StoreError> {
        let Some(tally) = self.tally(log, one)? else {
            return Ok(None);
        };
        let mut tally = tally.lock().await;
        tally.advance().await?;
        Ok(Some(tally.metrics().clone()))
    }

    fn tally(
        &self,
        log: &Log,
        one: &Measured,
    ) -> Result<Option<Arc<tokio::sync::Mutex<Tally>>>, StoreError> {
        let known = self.lock().get(&one.id).cloned();
        if let Some(known) = known {
            return Ok(Some(known));
        }
        let Some(stream) = log.open(&one.id)?.filter(|stream| stream.key() == one.key) else {
            return Ok(None);
        };
        let tally = Arc::new(tokio::sync::Mutex::new(Tally::new(stream)));
        if !one.ended {
            self.lock().insert(one.id.clone(), tally.clone());
        }
        Ok(Some(tally))
    }

    /// What has ended is not held any longer: a tally holds its log in memory.
    fn forget_ended(&self) {
        self.lock().retain(|_, tally| match tally.try_lock() {
            Ok(tally) => !tally.has_ended(),
            Err(_in_use) => true,
        });
    }

    fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, HashMap<ExecutionId, Arc<tokio::sync::Mutex<Tally>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl By {
    /// How long each span of time is, in milliseconds; none where it is not by time.
    const fn span(self) -> Option<u64> {
        match self {
            Self::Hour => Some(3_600_000),
            Self::Day => Some(86_400_000),
            Self::All | Self::Pipeline | Self::Step => None,
        }
    }
}

impl Sum {
    fn add(&mut self, one: &Measured, metrics: &RunMetrics, wanted: &Wanted) {
        let of_step = wanted.step.as_ref();
        let counts = match of_step {
            None => &metrics.total,
            Some(step) => match metrics.steps.get(step) {
                Some(counts) => counts,
                None => return,
            },
        };
        self.executions += 1;
        self.incomplete += u64::from(metrics.incomplete);
        self.total.merge(counts);
        let of_pipeline = || GroupKey {
            pipeline: Some(one.pipeline.clone()),
            ..GroupKey::default()
        };
        let steps = || {
            let all = metrics.steps.iter();
            all.filter(move |(step, _)| of_step.is_none_or(|of| of == *step))
        };
        match wanted.by {
            By::All => {}
            By::Pipeline => self.group(of_pipeline(), counts),
            By::Step => {
                for (step, counts) in steps() {
                    let step_id = Some(step.clone());
                    let key = GroupKey {
                        step_id,
                        ..of_pipeline()
                    };
                    self.group(key, counts);
                }
            }
            By::Hour | By::Day => {
                let from = wanted.by.span().map(|span| one.created_at / span * span);
                let key = GroupKey {
                    from,
                    ..GroupKey::default()
                };
                self.group(key, counts);
            }
        }
        if wanted.top > 0 {
            self.steps_left_out |= metrics.steps_left_out;
            for (step, counts) in steps() {
                let key = (one.pipeline.clone(), step.clone());
                self.steps_left_out |= !merge_into(&mut self.steps, key, counts);
            }
        }
    }

    fn group(&mut self, key: GroupKey, counts: &Counts) {
        self.groups_left_out |= !merge_into(&mut self.groups, key, counts);
    }
}

/// Adds counts to those of a key; false where there are too many keys to have another.
fn merge_into<K: Ord>(all: &mut BTreeMap<K, Counts>, key: K, counts: &Counts) -> bool {
    let fits = all.len() < MAX_GROUPS || all.contains_key(&key);
    if fits {
        all.entry(key).or_default().merge(counts);
    }
    fits
}

/// An execution with the counts that were kept of it; none where there are none that can be read.
fn with_counts(one: Measured) -> (Measured, Option<RunMetrics>) {
    let kept = one.counts.as_deref();
    let counts = kept.and_then(|json| serde_json::from_slice(json).ok());
    (one, counts)
}

/// Asks the store, in a thread that may wait for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| StoreError::Damaged(error.to_string()))?
}

/// The most pipelines, steps, hours or days in one answer.
pub const MAX_GROUPS: usize = 1000;

/// Sums made at a time: each takes a processor for as long as it lasts.
const SUMS_AT_ONCE: usize = 2;
