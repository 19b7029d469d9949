//! Counts what passes, as it passes: events, steps, failures, retries.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use stepcast_core::metrics::{Counts, Metric};

use super::{Subscriber, SubscriberError};
use crate::context::Draft;
use crate::log::Record;

/// Adds to counters that many executions may share.
#[derive(Clone, Debug, Default)]
pub struct MetricsSubscriber(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    events: AtomicU64,
    steps_completed: AtomicU64,
    steps_failed: AtomicU64,
    retries: AtomicU64,
    runs_completed: AtomicU64,
    runs_failed: AtomicU64,
}

/// The counts at one moment.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, schemars::JsonSchema)]
pub struct MetricsSnapshot {
    /// Events seen.
    pub events: u64,
    /// `step_complete` events.
    pub steps_completed: u64,
    /// `step_error` events.
    pub steps_failed: u64,
    /// `step_progress` events of kind `retry`.
    pub retries: u64,
    /// `pipeline_complete` events.
    pub runs_completed: u64,
    /// `pipeline_error` events.
    pub runs_failed: u64,
}

impl MetricsSubscriber {
    /// The counts now.
    pub fn snapshot(&self) -> MetricsSnapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &self.0;
        MetricsSnapshot {
            events: get(&counters.events),
            steps_completed: get(&counters.steps_completed),
            steps_failed: get(&counters.steps_failed),
            retries: get(&counters.retries),
            runs_completed: get(&counters.runs_completed),
            runs_failed: get(&counters.runs_failed),
        }
    }

    /// Step Validity Rate, `steps_completed / (steps_completed + steps_failed)`: the library's SVR, the plan's SR.
    /// `None` where no step has ended: no data is not a perfect score.
    pub fn step_validity_rate(&self) -> Option<f64> {
        let seen = self.snapshot();
        Metric::Svr.value(&Counts {
            steps_completed: seen.steps_completed,
            steps_failed: seen.steps_failed,
            ..Counts::default()
        })
    }
}

impl MetricsSubscriber {
    /// Counts an event that is about to be kept.
    pub(crate) fn count_draft(&self, draft: &Draft) {
        self.count(draft.event_type.as_str(), || is_retry(&draft.data));
    }

    fn count(&self, event_type: &str, retry: impl FnOnce() -> bool) {
        let counters = &self.0;
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        add(&counters.events);
        match event_type {
            "step_complete" => add(&counters.steps_completed),
            "step_error" => add(&counters.steps_failed),
            "pipeline_complete" => add(&counters.runs_completed),
            "pipeline_error" => add(&counters.runs_failed),
            "step_progress" if retry() => add(&counters.retries),
            _ => 0,
        };
    }
}

fn is_retry(data: &Value) -> bool {
    data.get("kind").is_some_and(|kind| kind == "retry")
}

impl Subscriber for MetricsSubscriber {
    fn name(&self) -> &'static str {
        "metrics"
    }

    fn on_event<'a>(&'a mut self, event: &'a Record) -> BoxFuture<'a, Result<(), SubscriberError>> {
        // Retries are rare and tokens are not: only what can be one is parsed.
        self.count(event.event_type(), || {
            event.json().contains(r#""kind":"retry""#)
                && event.parse().is_ok_and(|event| is_retry(&event.data))
        });
        async { Ok(()) }.boxed()
    }
}
