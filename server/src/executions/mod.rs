//! Executions: created, started, watched, cancelled, and ended honestly whatever happens.

mod artifacts;
mod cancel;
mod durable;
mod expiry;
mod external;
mod folded;
mod gate;
mod history;
mod launch;
mod leases;
mod order;
mod parked;
mod prepare;
mod producer;
mod recover;
mod refusal;
mod resume;
mod waits;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use stepcast_core::id::ExecutionId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use self::artifacts::shelf;
pub use self::external::Announcement;
use self::external::External;
use self::folded::Folded;
pub use self::gate::{Receipt, Unit};
use self::parked::Parked;
pub(crate) use self::prepare::flaws;
pub use self::prepare::{Definition, Request};
pub use self::producer::Producer;
pub use self::refusal::Refusal;
pub(crate) use self::refusal::{
    PRODUCER_EPOCH, PRODUCER_SEQ, STREAM_CLOSED, STREAM_NEXT_OFFSET, cursor_value,
};
pub use self::waits::{Standing, WaitRecord};
use crate::access::Access;
use crate::artifact::Artifacts;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::context::StreamingContext;
use crate::error::Problem;
use crate::log::{ExecutionRow, ListQuery, Log, StoreError, Window};
use crate::metrics::{self, Meter, Report, Wanted};
use crate::otlp::Exporter;
use crate::pipeline::{self, Desk, RunResult, Slot};
use crate::slo::{self, Slos};
use crate::step::StepRegistry;
use crate::subscriber::MetricsSubscriber;
use crate::telemetry::Delivery;
use crate::trace::Carried;
use crate::transport::Fans;

/// Everything that the API and the transports work on; cheap to clone.
#[derive(Clone, Debug)]
pub struct Executions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Log,
    artifacts: Artifacts,
    registry: Arc<StepRegistry>,
    /// On a server with accounts.
    registry_of_users: Option<StepRegistry>,
    catalog: Catalog,
    config: Config,
    access: Access,
    metrics: MetricsSubscriber,
    meter: Meter,
    /// Executions under way in this process.
    running: Mutex<HashMap<ExecutionId, Running>>,
    /// Runs that do nothing but wait.
    parked: Parked,
    external: External,
    tasks: TaskTracker,
    /// Connections, those that have left HTTP too.
    sockets: TaskTracker,
    /// Who writes for those at the tail.
    fans: Fans,
    /// What leaves, counted.
    delivery: Arc<Delivery>,
    /// Where traces and metrics are sent.
    exporter: Exporter,
    slos: Slos,
    /// One for each run that may be under way, blocking ones too.
    slots: Arc<Semaphore>,
    /// Set when the process stops: runs are abandoned, and the next start goes on with them or ends them.
    stopping: CancellationToken,
}

/// Executions that have not ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Census {
    /// Run here.
    pub(crate) running: usize,
    /// Put away until somebody answers.
    pub(crate) waiting: usize,
    /// Created, and not started.
    pub(crate) created: usize,
    /// Run by programs elsewhere.
    pub(crate) external: usize,
    /// Of those, the ones that are written to at present.
    pub(crate) gates: usize,
}

#[derive(Clone, Debug)]
struct Running {
    cancel: CancellationToken,
    view: Arc<tokio::sync::Mutex<Folded>>,
    desk: Arc<Desk>,
}

impl Executions {
    /// Executions over this log, on a server without accounts. What a former process left unended goes on where it may,
    /// and is ended where not.
    ///
    /// # Errors
    /// Where the log cannot be read or written.
    pub async fn recover(
        log: Log,
        registry: StepRegistry,
        config: Config,
    ) -> Result<Self, StoreError> {
        Self::recover_with(log, registry, config, Access::default()).await
    }

    /// [`Executions::recover`], for those whom `access` lets in.
    ///
    /// # Errors
    /// As there.
    pub async fn recover_with(
        log: Log,
        registry: StepRegistry,
        config: Config,
        access: Access,
    ) -> Result<Self, StoreError> {
        let catalog = Catalog::new(config.pipelines.clone());
        let slots = config.max_running.min(Semaphore::MAX_PERMITS);
        let stopping = CancellationToken::new();
        let artifacts = shelf(&log, &config).await?;
        let delivery = Arc::new(Delivery::new(config.metrics.delivery));
        let heartbeat = Duration::from_millis(config.heartbeat_ms);
        let slos = Slos::of(&config);
        let exporter = Exporter::of(&config.otlp).map_err(|(key, message)| {
            tracing::error!(key, message, "nothing is exported");
            std::io::Error::other(format!("{key}: {message}"))
        })?;
        let inner = Inner {
            log,
            artifacts,
            registry_of_users: access.is_closed().then(|| {
                let limits = Arc::new(config.steps.clone());
                registry.clone().limited(limits)
            }),
            registry: Arc::new(registry),
            catalog,
            fans: Fans::new(
                heartbeat,
                config.limits.silent_peer(),
                stopping.clone(),
                delivery.clone(),
            ),
            delivery,
            exporter,
            slos,
            config,
            access,
            metrics: MetricsSubscriber::default(),
            meter: Meter::default(),
            running: Mutex::default(),
            parked: Parked::default(),
            external: External::default(),
            tasks: TaskTracker::new(),
            sockets: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(slots)),
            stopping,
        };
        let executions = Self(Arc::new(inner));
        executions.go_on().await?;
        executions.watch_leases();
        let keeping = metrics::keep(executions.clone());
        executions.0.tasks.spawn(keeping);
        let exporting = executions.exporter().clone().run(executions.clone());
        executions.0.tasks.spawn(exporting);
        executions.access().watch(executions.stopping().clone());
        executions.sweep_artifacts();
        Ok(executions)
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Who may come in.
    pub fn access(&self) -> &Access {
        &self.0.access
    }

    /// The stored pipelines.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// The step kinds and classes.
    pub fn registry(&self) -> &StepRegistry {
        &self.0.registry
    }

    /// Counts over all executions of this process.
    pub fn metrics(&self) -> &MetricsSubscriber {
        &self.0.metrics
    }

    /// Reliability over the executions of a window, those under way too.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn report(&self, window: &Window, wanted: &Wanted) -> Result<Report, StoreError> {
        let sum = self.0.meter.sum(&self.0.log, window, wanted).await?;
        let targets = &self.0.config.metrics.targets;
        Ok(Report::new(&sum, targets, wanted))
    }

    /// Is cancelled when the server stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Who writes for the connections at the tail.
    pub(crate) fn fans(&self) -> &Fans {
        &self.0.fans
    }

    /// What leaves, counted.
    pub(crate) fn delivery(&self) -> &Arc<Delivery> {
        &self.0.delivery
    }

    /// Where traces and metrics are sent.
    pub(crate) fn exporter(&self) -> &Exporter {
        &self.0.exporter
    }

    /// The objectives, and how they stand.
    pub(crate) fn slos(&self) -> &Slos {
        &self.0.slos
    }

    /// Looks after the objectives until the server stops; `webhook` is told of their alerts.
    pub(crate) fn watch_objectives(&self, webhook: Option<slo::Webhook>) {
        let keeping = slo::keep(self.clone(), webhook);
        self.0.tasks.spawn(keeping);
    }

    /// What is counted of each execution.
    pub(crate) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// How many executions have not ended, by what they do.
    pub(crate) fn census(&self) -> Census {
        let (external, created) = self.0.external.leases.counts();
        Census {
            running: self.running(),
            waiting: self.parked(),
            created,
            external,
            gates: self.0.external.gates.count(),
        }
    }

    /// How many connections are open, streams and plain requests alike.
    pub fn connections(&self) -> usize {
        self.0.sockets.len()
    }

    /// The connections that are open.
    pub(crate) fn sockets(&self) -> &TaskTracker {
        &self.0.sockets
    }

    /// Runs under way.
    pub fn running(&self) -> usize {
        let slots = self.0.config.max_running.min(Semaphore::MAX_PERMITS);
        slots.saturating_sub(self.0.slots.available_permits())
    }

    /// Checks a request, and makes its execution known. It waits for [`Executions::start`].
    ///
    /// # Errors
    /// 404 for an unknown pipeline, 409 for an id that is taken, 422 for a pipeline or an input that does not
    /// validate, 429 where too many wait already.
    pub async fn create(&self, request: Request) -> Result<ExecutionId, Problem> {
        let id = request.execution_id.clone().unwrap_or_else(random_id);
        let owner = request.owner;
        let mut prepared = self.prepare(request.pipeline, request.input)?;
        prepared.trace = request.trace;
        let this = self.clone();
        self.detached(async move {
            let place = this.waiting_place()?;
            this.enter(&id, &prepared, None, owner).await?;
            this.await_start(place, &id);
            Ok(id)
        })
        .await
    }

    /// [`Executions::create`] and start.
    ///
    /// # Errors
    /// As there, and 429 where too many are under way.
    pub async fn create_and_start(&self, request: Request) -> Result<ExecutionId, Problem> {
        let slot = self.slot()?;
        let id = request.execution_id.clone().unwrap_or_else(random_id);
        let owner = request.owner;
        let mut prepared = self.prepare(request.pipeline, request.input)?;
        prepared.trace = request.trace;
        let this = self.clone();
        self.detached(async move {
            let stream = this.enter(&id, &prepared, None, owner).await?;
            this.launch(stream, prepared, slot).await?;
            Ok(id)
        })
        .await
    }

    /// Starts an execution that was created and not started.
    ///
    /// # Errors
    /// 404 where there is none, 409 where it was started, 429 where too many are under way.
    pub async fn start(&self, id: &ExecutionId) -> Result<(), Problem> {
        let slot = self.slot()?;
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        if row.lease_ms.is_some() {
            return Err(Problem::new(
                axum::http::StatusCode::CONFLICT,
                "A producer elsewhere runs this execution: it starts with its first event.",
            ));
        }
        let prepared = self.prepare_again(&row)?;
        let stream = self
            .0
            .log
            .open(id)?
            .ok_or_else(Problem::unknown_execution)?;
        let this = self.clone();
        self.detached(async move { this.launch(stream, prepared, slot).await })
            .await
    }

    /// Runs a pipeline and waits for its result, as the plan's fallback: the same path, and no log kept. What would be
    /// taken out of its events is taken out of the result.
    ///
    /// # Errors
    /// As [`Executions::create_and_start`].
    pub async fn run_blocking(
        &self,
        request: Request,
    ) -> Result<(ExecutionId, RunResult), Problem> {
        let _slot = self.slot()?;
        let id = request.execution_id.clone().unwrap_or_else(random_id);
        let prepared = self.prepare(request.pipeline, request.input)?;
        let cancel = self.0.stopping.child_token();
        let _cancel_when_dropped = cancel.clone().drop_guard();
        // nobody is told of its spans: what it was given goes on as it is
        let trace = request.trace.map(Carried::Given);
        let context = StreamingContext::disabled(id.clone()).with_trace(trace);
        let options = self.options(&prepared, cancel, None, Slot::default());
        let redaction = self.0.log.redaction().of_pipeline(&prepared.definition);
        let mut result = pipeline::run(prepared.pipeline, prepared.input, context, options).await;
        result.redact(&redaction);
        Ok((id, result))
    }

    /// One execution, as the store knows it; `last_seq` is the live one.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn find(&self, id: &ExecutionId) -> Result<Option<ExecutionRow>, StoreError> {
        let mut found = self.0.log.store().find(id)?;
        if let Some(row) = &mut found {
            self.0.log.refresh(row);
        }
        Ok(found)
    }

    /// Executions, newest first.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub fn list(&self, query: &ListQuery) -> Result<Vec<ExecutionRow>, StoreError> {
        let mut rows = self.0.log.store().list(query)?;
        rows.iter_mut().for_each(|row| self.0.log.refresh(row));
        Ok(rows)
    }

    /// Stops: no run goes on. What was emitted is committed.
    pub async fn stop(&self) {
        self.0.stopping.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
        let this = self.clone();
        if tokio::task::spawn_blocking(move || this.0.log.close())
            .await
            .is_err()
        {
            tracing::error!("the log could not be closed");
        }
    }

    fn runs(&self) -> MutexGuard<'_, HashMap<ExecutionId, Running>> {
        self.0
            .running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn slot(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.slots.clone().try_acquire_owned().map_err(|_full| {
            Problem::too_many(
                "Too many runs are under way; the setting is max_running.",
                5,
            )
        })
    }

    /// Goes on to its end although the caller leaves: nothing is left half started.
    async fn detached<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let work = work.in_current_span();
        self.0.tasks.spawn(work).await.map_err(broken)?
    }

    /// Writes to the store, which may wait for the disk, off the threads that serve others.
    async fn storing<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Log) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Problem> {
        let this = self.clone();
        let written = tokio::task::spawn_blocking(move || write(&this.0.log));
        Ok(written.await.map_err(broken)??)
    }
}

fn broken(error: tokio::task::JoinError) -> Problem {
    tracing::error!(%error, "a task was lost");
    Problem::new(
        axum::http::StatusCode::INTERNAL_SERVER_ERROR,
        "The server failed; its own log says why.",
    )
}

pub(crate) fn random_id() -> ExecutionId {
    let text = format!("exec_{}", uuid::Uuid::new_v4().simple());
    #[expect(
        clippy::expect_used,
        reason = "letters, digits and an underscore, 37 bytes: an id by construction"
    )]
    text.parse().expect("an id")
}
