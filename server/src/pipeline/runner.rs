//! Runs a pipeline: every step that the scheduler starts becomes a task, every end of one is told and handed back.
//!
//! A run ends in one place and with one terminal event. When it is cancelled, out of time or has failed, what is
//! still under way is dropped, and every step that was announced has its end told before the run's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;
use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::Instrument as _;

use super::attempt::{Environment, Executed, execute, told};
use super::checkpoint::Restored;
use super::clock::RunClock;
use super::definition::Pipeline;
use super::desk::{Desk, HandedIn};
use super::emitter::RunEmitter;
use super::journal::Journal;
use super::park::{PATIENCE, Park};
use super::result::{RunResult, RunStatus, StepRecord};
use super::scheduler::{Scheduler, Start};
use super::settlement::unreachable_step;
use super::slot::Slot;
use super::waits::{Key, Waits};
use crate::context::StreamingContext;
use crate::log::ExecutionStatus;
use crate::step::{Ask, Category, StepError, StepPolicy, StepSettings};

/// How a run is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Ends the run as `cancelled`.
    pub cancel: CancellationToken,
    /// How many steps may be executed in all, loops counted each time.
    pub max_steps: usize,
    /// How long the run may take; the pipeline's own limit holds too.
    pub timeout: Option<Duration>,
    /// Where relative paths of steps begin, and below which all that they read and write is.
    pub work_dir: PathBuf,
    /// What its steps may do, where a user has posted it; without, what the server may do.
    pub limits: Option<Arc<StepSettings>>,
    /// Where its questions lie; without one nobody can be asked.
    pub desk: Option<Arc<Desk>>,
    /// Its place among the runs under way.
    pub slot: Slot,
    /// Where it is put away while it does nothing but wait for people; without one it stays in memory.
    pub park: Option<Arc<dyn Park>>,
}

/// Why a run goes on that had stopped.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResumeReason {
    /// The process had ended in the middle of it: its time counts on.
    Restart,
    /// Somebody asked for it, after this execution had ended: it has its whole time again.
    Request(ExecutionId),
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            cancel: CancellationToken::new(),
            max_steps: 10_000,
            timeout: None,
            work_dir: PathBuf::from("."),
            limits: None,
            desk: None,
            slot: Slot::default(),
            park: None,
        }
    }
}

/// Runs a pipeline once and gives what it comes to. What happens meanwhile goes to `context`.
pub async fn run(
    pipeline: Arc<Pipeline>,
    input: Map<String, Value>,
    context: StreamingContext,
    options: RunOptions,
) -> RunResult {
    let parameters = pipeline.check_input(&input);
    let input = Arc::new(Value::Object(input));
    let (parameters, refused) = match parameters {
        Ok(parameters) => (parameters, None),
        Err(problems) => (Map::new(), Some(told(&problems))),
    };
    let scheduler = Scheduler::new(Arc::clone(&pipeline), input, parameters);
    let mut run = Run::new(pipeline, scheduler, context, &options);
    run.announce().await;
    if let Some(message) = refused {
        let message = format!("the input does not fit: {message}");
        let error = StepError::new(Category::Validation, message);
        return run.end(RunStatus::Failed, Err(error)).await;
    }
    let starts = run.scheduler.start(run.now_ms());
    run.go(starts, &options).await
}

/// Goes on with a run that was found again, in the log that holds what has been; else as [`run`].
pub async fn resume(
    restored: Restored,
    reason: ResumeReason,
    context: StreamingContext,
    options: RunOptions,
) -> RunResult {
    let restart = reason == ResumeReason::Restart;
    let only_waits = restart && restored.is_waiting();
    let mut run = Run::new(restored.pipeline, restored.scheduler, context, &options);
    let before = Duration::from_millis(restored.elapsed_ms);
    run.clock.go_on_from(before, restart);
    run.records = restored.records;
    run.completed = restored.completed;
    run.journal.go_on(restored.ends, restored.whole);
    run.told_status = None;
    run.waits = if restart {
        Waits::restored(restored.questions)
    } else {
        Waits::anew(&restored.questions)
    };
    // where everything waits, nothing that was said is void
    if !only_waits {
        run.tell_resumed(&reason, &restored.starts).await;
        run.tell_still_open().await;
    }
    run.go(restored.starts, &options).await
}

pub(super) struct Run {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) scheduler: Scheduler,
    pub(super) environment: Arc<Environment>,
    tasks: JoinSet<(u32, Executed)>,
    pub(super) under_way: BTreeMap<u32, (usize, u32, Id)>,
    pub(super) records: Vec<StepRecord>,
    /// Executions that ended well.
    pub(super) completed: u64,
    pub(super) journal: Journal,
    /// Set where the run was ended from outside.
    pub(super) ended: Option<(RunStatus, StepError)>,
    clock: RunClock,
    pub(super) desk: Option<Arc<Desk>>,
    pub(super) slot: Slot,
    pub(super) park: Option<Arc<dyn Park>>,
    asks: mpsc::Receiver<Ask>,
    pub(super) waits: Waits,
    /// Questions that are answered, and whose steps are still to learn of it.
    pub(super) answers: Vec<Key>,
    /// What the log was told last of where the run stands; none where that is not known.
    pub(super) told_status: Option<ExecutionStatus>,
    _stop_when_dropped: DropGuard,
}

impl Run {
    fn new(
        pipeline: Arc<Pipeline>,
        mut scheduler: Scheduler,
        context: StreamingContext,
        options: &RunOptions,
    ) -> Self {
        scheduler.limit(u32::try_from(options.max_steps).unwrap_or(u32::MAX));
        let stop = CancellationToken::new();
        let emitter = RunEmitter::new(context, &pipeline.streaming(), stop.clone());
        let (ask, asks) = mpsc::channel(ASKS);
        let environment = Arc::new(Environment {
            emitter: Arc::new(emitter),
            input: Arc::clone(scheduler.state().input()),
            parameters: Arc::clone(scheduler.state().parameters()),
            policy: Arc::new(StepPolicy::new(&options.work_dir).limited(options.limits.clone())),
            stop: stop.clone(),
            asks: ask,
        });
        Self {
            pipeline,
            scheduler,
            environment,
            tasks: JoinSet::new(),
            under_way: BTreeMap::new(),
            records: Vec::new(),
            completed: 0,
            journal: Journal::new(&options.work_dir),
            ended: None,
            clock: RunClock::start(),
            desk: options.desk.clone(),
            slot: options.slot.clone(),
            park: options.park.clone(),
            asks,
            waits: Waits::default(),
            answers: Vec::new(),
            told_status: Some(ExecutionStatus::Running),
            _stop_when_dropped: stop.drop_guard(),
        }
    }

    async fn announce(&self) {
        let input = self.environment.input.as_ref();
        let start = json!({"pipeline": self.pipeline.describe(), "input": input});
        let emitter = &self.environment.emitter;
        emitter.emit(EventType::PipelineStart, None, start).await;
    }

    /// Tells that the run goes on, and which steps begin again.
    async fn tell_resumed(&self, reason: &ResumeReason, starts: &[Start]) {
        let cut_off = |start: &&Start| self.waits.resumption(start.execution).is_none();
        let steps = starts.iter().filter(cut_off).filter_map(|start| {
            let step = self.pipeline.steps().get(start.step)?;
            Some(step.id.as_str())
        });
        let mut data = Map::new();
        data.insert("kind".into(), "resumed".into());
        match reason {
            ResumeReason::Restart => data.insert("reason".into(), "restart".into()),
            ResumeReason::Request(from) => {
                data.insert("resumed_from".into(), from.as_str().into());
                data.insert("reason".into(), "request".into())
            }
        };
        if let number @ 1.. = self.journal.newest() {
            data.insert("checkpoint_id".into(), number.to_string().into());
        }
        data.insert("steps".into(), steps.collect());
        let emitter = &self.environment.emitter;
        emitter
            .emit(EventType::StepProgress, None, data.into())
            .await;
    }

    /// From these steps to the end, or until it is put away.
    async fn go(mut self, starts: Vec<Start>, options: &RunOptions) -> RunResult {
        if self.drive(starts, options).await {
            self.conclude().await
        } else {
            self.put_away_result()
        }
    }

    /// Until nothing is under way any more; false where the run was put away before.
    async fn drive(&mut self, starts: Vec<Start>, options: &RunOptions) -> bool {
        let limits = [options.timeout, self.pipeline.timeout()];
        let limit = limits.into_iter().flatten().min();
        let mut inbox = self.desk.as_ref().and_then(|desk| desk.inbox());
        self.spawn(starts);
        self.show_questions();
        while !self.tasks.is_empty() {
            self.stand();
            let slot = self.slot.clone();
            let left = limit.and_then(|limit| self.clock.left(limit));
            let (under_way, due) = (self.ended.is_none(), self.next_due());
            let rests = self.may_be_put_away();
            tokio::select! {
                biased;
                () = options.cancel.cancelled(), if under_way => {
                    self.stop(RunStatus::Cancelled, StepError::stopped("the run was cancelled"));
                }
                () = pass(left.map(|left| Instant::now() + left)), if under_way => {
                    let seconds = limit.unwrap_or_default().as_secs_f64();
                    let message = format!("the run took longer than {seconds} s");
                    self.stop(RunStatus::Timeout, StepError::new(Category::Timeout, message));
                }
                () = pass(due), if under_way => self.expire().await,
                Some(answer) = next(&mut inbox) => self.answered(answer).await,
                Some(ask) = self.asks.recv() => self.asked(ask).await,
                () = slot.take(), if !slot.is_held() && !self.answers.is_empty() => {}
                Some(joined) = self.tasks.join_next() => match joined {
                    Ok((execution, executed)) => self.finish(execution, executed).await,
                    Err(error) => self.lost(&error).await,
                },
                () = tokio::time::sleep(PATIENCE), if rests => {
                    if self.put_away(inbox.as_ref()).await {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Where everything waits for people, the clock stands still and another run may have the place.
    fn stand(&mut self) {
        let waits = self.all_wait();
        self.clock.rest(waits);
        if waits {
            self.slot.give_up();
        }
        self.deliver();
    }

    fn stop(&mut self, status: RunStatus, error: StepError) {
        self.scheduler.halt(error.clone());
        self.ended = Some((status, error));
        self.environment.stop.cancel();
    }

    pub(super) fn spawn(&mut self, starts: Vec<Start>) {
        for start in starts {
            let (execution, step, iteration) = (start.execution, start.step, start.iteration);
            let waited = self.waits.resumption(execution);
            let pipeline = Arc::clone(&self.pipeline);
            let environment = Arc::clone(&self.environment);
            let work = async move {
                let executed = match pipeline.steps().get(step) {
                    Some(definition) => execute(definition, &start, waited, &environment).await,
                    None => unreachable_step(),
                };
                (execution, executed)
            };
            let task = self.tasks.spawn(work.in_current_span());
            self.under_way
                .insert(execution, (step, iteration, task.id()));
        }
    }

    /// How long the run has been under way, what was before a restart included; waiting for people is not.
    pub(super) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Until then; forever where there is no such time.
async fn pass(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// What is handed in next; nothing ever where there is no desk.
async fn next(inbox: &mut Option<mpsc::Receiver<HandedIn>>) -> Option<HandedIn> {
    match inbox {
        Some(inbox) => inbox.recv().await,
        None => std::future::pending().await,
    }
}

/// Questions on their way from steps to the run.
const ASKS: usize = 16;
