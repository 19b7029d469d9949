//! The one way in for the events of a producer elsewhere: who may add, in which order, and how fast.
//!
//! The producer's place moves with its events, in the same transaction, so that what a producer repeats after any
//! failure is taken once.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde_json::Value;
use stepcast_core::event::EventType;
use stepcast_core::id::{ExecutionId, Seq};
use tokio::time::Instant;

use super::folded::Folded;
use super::leases::Leases;
use super::order::{Order, Reached};
use super::producer::{Marks, Producer, Verdict};
use super::refusal::Refusal;
use crate::artifact::Kept;
use crate::context::Draft;
use crate::log::{Along, ProducerMark, Stream};
use crate::subscriber::MetricsSubscriber;

/// The gates of executions that producers write to at present.
#[derive(Debug, Default)]
pub(super) struct Gates(Mutex<HashMap<ExecutionId, Arc<Gate>>>);

/// One execution's gate.
#[derive(Debug)]
pub(super) struct Gate {
    pub(super) stream: Arc<Stream>,
    pub(super) view: Arc<tokio::sync::Mutex<Folded>>,
    /// Held over one portion, from its check to its place in the log.
    state: tokio::sync::Mutex<State>,
    limiter: Option<DefaultDirectRateLimiter>,
    leases: Arc<Leases>,
    metrics: MetricsSubscriber,
    used: Mutex<Instant>,
    /// It is taken away when its lease is over, ended or not.
    is_fleeting: bool,
}

/// What goes along with a portion.
#[derive(Debug, Default)]
pub(super) struct Alongside<'a> {
    /// Files that its last event announces.
    pub(super) artifacts: Vec<Kept>,
    /// Its place in an order of its writers' own, of a stream that may have one.
    pub(super) order: Option<Order<'a>>,
}

#[derive(Debug)]
struct State {
    begun: bool,
    marks: Marks,
    /// The last event that was given a place.
    last: Seq,
    /// How far an order of its writers' own has come, once that was looked for.
    order: Option<Reached>,
}

/// How a producer's numbers count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// All of these events are one unit, taken together.
    Request,
    /// Each event is a unit.
    Line,
}

/// What became of events.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
    /// Events that are new; none where all were seen before.
    pub taken: usize,
    /// Events that were taken before.
    pub seen: usize,
    /// The event up to which the log must be settled before anything is acknowledged.
    pub last: Seq,
    /// The producer's epoch, and the highest of its numbers that was taken.
    pub mark: Option<(u64, u64)>,
}

impl Gates {
    pub(super) fn get(&self, id: &ExecutionId) -> Option<Arc<Gate>> {
        let gate = self.lock().get(id).cloned()?;
        gate.use_now();
        Some(gate)
    }

    /// The one that is there already, where there is one.
    pub(super) fn insert(&self, id: &ExecutionId, gate: Gate) -> Arc<Gate> {
        self.lock()
            .entry(id.clone())
            .or_insert_with(|| Arc::new(gate))
            .clone()
    }

    pub(super) fn remove(&self, id: &ExecutionId) {
        self.lock().remove(id);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Lets go of those that nobody has used for a while. What is not settled stays, for its producer will ask; so
    /// does what is kept nowhere else.
    pub(super) fn sweep(&self, kept_elsewhere: bool) {
        self.lock().retain(|_, gate| {
            let idle = gate.last_used().elapsed() >= LINGER;
            let tail = gate.stream.tail();
            let settled = gate
                .state
                .try_lock()
                .is_ok_and(|state| state.last <= tail.last_seq);
            let kept = kept_elsewhere || tail.ended.is_some();
            !(idle && settled && kept && Arc::strong_count(gate) == 1)
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ExecutionId, Arc<Gate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// `per_second` is how many events may be added; 0 for no limit.
    pub(super) fn new(
        stream: Arc<Stream>,
        marks: Vec<ProducerMark>,
        per_second: u32,
        leases: Arc<Leases>,
        metrics: MetricsSubscriber,
        is_fleeting: bool,
    ) -> Self {
        let quota = NonZeroU32::new(per_second).map(Quota::per_second);
        let state = State {
            begun: stream.has_begun(),
            marks: Marks::new(marks),
            last: stream.tail().last_seq,
            order: None,
        };
        Self {
            view: Arc::new(tokio::sync::Mutex::new(Folded::new(stream.clone()))),
            stream,
            state: tokio::sync::Mutex::new(state),
            limiter: quota.map(RateLimiter::direct),
            leases,
            metrics,
            used: Mutex::new(Instant::now()),
            is_fleeting,
        }
    }

    /// Adds these events, or tells why not. `begin` is called before the very first, and describes the pipeline.
    ///
    /// Nothing is half done where the caller leaves: the events get their places and the producer its mark in one
    /// step that does not wait. Where they come too fast, `drafts` is left as it was.
    pub(super) async fn take(
        &self,
        drafts: &mut Vec<Draft>,
        along: Alongside<'_>,
        producer: Option<&Producer>,
        unit: Unit,
        begin: impl AsyncFnOnce() -> Result<Value, Refusal>,
    ) -> Result<Receipt, Refusal> {
        let mut state = self.state.lock().await;
        let events = drafts.len();
        let units = match unit {
            Unit::Request => 1,
            Unit::Line => events as u64,
        };
        let seen = match producer {
            Some(producer) => state.seen(producer, unit, units, self)?,
            None => Some(0),
        };
        self.leases.renew(self.stream.id());
        let mark = |state: &State| producer.and_then(|producer| state.marks.of(&producer.id));
        let Some(seen) = seen else {
            return Ok(Receipt {
                taken: 0,
                seen: events,
                last: state.last,
                mark: mark(&state),
            });
        };
        self.check_open()?;
        if let Some(order) = along.order {
            order.check(&self.stream, &mut state.order).await?;
        }
        let seen = usize::try_from(seen).unwrap_or(usize::MAX).min(events);
        self.limit(events - seen)?;
        drafts.drain(..seen);
        if !state.begun {
            let description = begin().await?;
            begin_with(drafts, description);
        }
        let order = along.order.map(|order| order.note(drafts, &state.order));
        let along = Along {
            producer: producer.map(|producer| Marks::after(producer, units)),
            artifacts: along.artifacts,
            ..Along::default()
        };
        let noted = along.producer.clone();
        state.last = self.stream.append_all(drafts, along).await?;
        if order.is_some() {
            state.order = order;
        }
        self.appended(drafts);
        state.begun = true;
        if let Some(noted) = noted {
            state.marks.note(noted);
        }
        Ok(Receipt {
            taken: events - seen,
            seen,
            last: state.last,
            mark: mark(&state),
        })
    }

    /// Appends the server's own word, the end of the execution, where nothing ended it before; its place.
    pub(super) async fn end(
        &self,
        still: impl FnOnce() -> bool,
        end: &Draft,
    ) -> Result<Option<Seq>, Refusal> {
        let mut state = self.state.lock().await;
        if !still() {
            return Ok(None);
        }
        self.check_open()?;
        state.last = self.stream.append(end).await?;
        self.appended(std::slice::from_ref(end));
        state.begun = true;
        Ok(Some(state.last))
    }

    /// The producer lives, where no newer one has written.
    pub(super) async fn hear(&self, producer: Option<(&str, u64)>) -> Result<(), Refusal> {
        let state = self.state.lock().await;
        self.check_open()?;
        let current = producer.and_then(|(id, epoch)| Some((epoch, state.marks.of(id)?.0)));
        match current {
            Some((epoch, current)) if epoch < current => Err(Refusal::Fenced { epoch: current }),
            Some(_) | None => {
                self.leases.renew(self.stream.id());
                Ok(())
            }
        }
    }

    /// Waits until all that has a place is kept.
    pub(super) async fn settled(&self) -> Result<(), Refusal> {
        let last = self.state.lock().await.last;
        Ok(self.stream.settled(last).await?)
    }

    fn appended(&self, drafts: &[Draft]) {
        for draft in drafts {
            self.metrics.count_draft(draft);
        }
        if self.stream.ended().is_some() && !self.is_fleeting {
            self.leases.end(self.stream.id());
        }
    }

    /// Refuses where the execution has ended.
    pub(super) fn check_open(&self) -> Result<(), Refusal> {
        match self.stream.ended() {
            Some(ended) => Err(Refusal::Ended {
                reason: ended.reason,
                cursor: self.stream.cursor(),
            }),
            None => Ok(()),
        }
    }

    fn limit(&self, events: usize) -> Result<(), Refusal> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        let Some(events) = u32::try_from(events).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        match limiter.check_n(events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(later)) => Err(Refusal::TooFast {
                wait: later.wait_time_from(DefaultClock::default().now()),
            }),
            Err(governor::InsufficientCapacity(most)) => Err(Refusal::TooManyEvents { most }),
        }
    }

    fn use_now(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last_used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many of the units were taken before; none where all were.
    ///
    /// After the end a producer is told once more that its last request was taken, or a line, for it may have missed
    /// the answer; all else meets the end.
    fn seen(
        &self,
        producer: &Producer,
        unit: Unit,
        units: u64,
        gate: &Gate,
    ) -> Result<Option<u64>, Refusal> {
        let verdict = self.marks.judge(producer, units);
        // who was replaced is told so, whatever became of the execution
        if let Verdict::Fenced { epoch } = verdict {
            return Err(Refusal::Fenced { epoch });
        }
        let last = self.marks.of(&producer.id) == Some((producer.epoch, producer.seq));
        if verdict != Verdict::Seen || !(last || unit == Unit::Line) {
            gate.check_open()?;
        }
        match verdict {
            Verdict::New { seen } => Ok(Some(seen)),
            Verdict::Seen => Ok(None),
            Verdict::Fenced { epoch } => Err(Refusal::Fenced { epoch }),
            Verdict::Hole { expected } => Err(Refusal::Hole {
                expected,
                received: producer.seq,
            }),
            Verdict::NotFromZero => Err(Refusal::NotFromZero),
            Verdict::TooMany => Err(Refusal::TooManyProducers),
        }
    }
}

/// Sees to it that a log begins with `pipeline_start`: the server's own, or the producer's, completed.
fn begin_with(drafts: &mut Vec<Draft>, mut description: Value) {
    match drafts.first_mut() {
        Some(first) if first.event_type == EventType::PipelineStart => {
            if let (Some(given), Some(known)) =
                (first.data.as_object_mut(), description.as_object_mut())
            {
                for (key, value) in std::mem::take(known) {
                    given.entry(key).or_insert(value);
                }
            }
        }
        Some(_) | None => drafts.insert(
            0,
            Draft {
                event_type: EventType::PipelineStart,
                step_id: None,
                data: description,
                metadata: None,
            },
        ),
    }
}

/// How long an idle gate stays: the next request of a producer that speaks every few seconds finds it.
pub(super) const LINGER: Duration = Duration::from_secs(10);
