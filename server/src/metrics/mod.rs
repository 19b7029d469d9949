//! Reliability over many executions: counts folded out of each log, kept when it has ended, added up when asked for.
//!
//! Nothing of it is on the way of an event. What is under way is folded when somebody asks, from where it was folded last;
//! what has ended is folded once, and its counts stay with the execution in the store.

mod keeper;
mod report;
mod settings;
mod tally;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use stepcast_core::id::{ExecutionId, StepId};
use stepcast_core::metrics::{Counts, RunMetrics};

pub(crate) use self::keeper::keep;
pub use self::report::{Definition, Group, MetricReport, Report};
pub use self::settings::MetricsSettings;
use self::tally::Tally;
use crate::log::{Log, Measured, StoreError, Window};

/// What is counted of executions under way, from where it was counted last.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    live: Mutex<HashMap<ExecutionId, Arc<tokio::sync::Mutex<Tally>>>>,
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
}

impl Meter {
    /// Adds up what a window holds.
    pub(crate) async fn sum(&self, log: &Log, window: &Window, by: By) -> Result<Sum, StoreError> {
        let (mut sum, mut before) = (Sum::default(), i64::MAX);
        loop {
            let store = log.store().clone();
            let page = window.clone();
            let read = move || store.measured(&page, before);
            let found = blocking(read).await?;
            let Some(last) = found.last() else {
                self.forget_ended();
                return Ok(sum);
            };
            before = last.key;
            for one in &found {
                if let Some(metrics) = self.counts_of(log, one).await? {
                    sum.add(one, &metrics, by);
                }
            }
        }
    }

    /// What was counted of one execution; none where it is gone.
    async fn counts_of(&self, log: &Log, one: &Measured) -> Result<Option<RunMetrics>, StoreError> {
        let kept = one.counts.as_deref();
        if let Some(kept) = kept.and_then(|json| serde_json::from_slice(json).ok()) {
            return Ok(Some(kept));
        }
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
    fn add(&mut self, one: &Measured, metrics: &RunMetrics, by: By) {
        self.executions += 1;
        self.incomplete += u64::from(metrics.incomplete);
        self.total.merge(&metrics.total);
        let of_pipeline = || GroupKey {
            pipeline: Some(one.pipeline.clone()),
            ..GroupKey::default()
        };
        match by {
            By::All => {}
            By::Pipeline => self.group(of_pipeline(), &metrics.total),
            By::Step => {
                for (step, counts) in &metrics.steps {
                    let step_id = Some(step.clone());
                    let key = GroupKey {
                        step_id,
                        ..of_pipeline()
                    };
                    self.group(key, counts);
                }
            }
            By::Hour | By::Day => {
                let from = by.span().map(|span| one.created_at / span * span);
                let key = GroupKey {
                    from,
                    ..GroupKey::default()
                };
                self.group(key, &metrics.total);
            }
        }
    }

    fn group(&mut self, key: GroupKey, counts: &Counts) {
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&key) {
            self.groups_left_out = true;
            return;
        }
        self.groups.entry(key).or_default().merge(counts);
    }
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
