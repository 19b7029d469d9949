//! Executions: created, started, watched, cancelled, and ended honestly whatever happens.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use serde_json::{Map, Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;
use stepcast_core::view::RunView;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::catalog::Catalog;
use crate::clock::unix_millis;
use crate::config::Config;
use crate::context::{Draft, StreamingContext};
use crate::error::{Flaw, Problem};
use crate::log::{
    Budget, ExecutionRow, ExecutionStatus, ListQuery, Log, NewExecution, Reader, StoreError, Stream,
};
use crate::pipeline::{self, Pipeline, RunOptions, RunResult};
use crate::step::StepRegistry;
use crate::subscriber::MetricsSubscriber;

/// Everything that the API and the transports work on; cheap to clone.
#[derive(Clone, Debug)]
pub struct Executions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    log: Log,
    registry: Arc<StepRegistry>,
    catalog: Catalog,
    config: Config,
    metrics: MetricsSubscriber,
    /// Executions under way in this process.
    running: Mutex<HashMap<ExecutionId, Running>>,
    tasks: TaskTracker,
    /// WebSockets: HTTP itself does not wait for them.
    sockets: TaskTracker,
    /// One for each run that may be under way, blocking ones too.
    slots: Arc<Semaphore>,
    /// Set when the process stops: runs are abandoned, and end as `interrupted` at the next start.
    stopping: CancellationToken,
}

/// An execution that is being started, run or ended here; nobody else may meanwhile.
struct Claim {
    executions: Executions,
    id: ExecutionId,
    cancel: CancellationToken,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.executions.runs().remove(&self.id);
    }
}

#[derive(Clone, Debug)]
struct Running {
    cancel: CancellationToken,
    view: Arc<tokio::sync::Mutex<Folded>>,
}

/// A view and how far it has read: summaries are folded when asked for, from where the last one ended.
#[derive(Debug)]
struct Folded {
    reader: Reader,
    view: RunView,
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// A stored pipeline's name, or a definition.
    pub pipeline: Definition,
    /// What it is given.
    pub input: Map<String, Value>,
    /// An id of the caller's choosing.
    pub execution_id: Option<ExecutionId>,
}

/// Which pipeline.
#[derive(Clone, Debug)]
pub enum Definition {
    /// One of the catalog's.
    Stored(String),
    /// This one.
    Inline(Value),
}

/// A pipeline that has been checked, with what it is to be run on.
#[derive(Debug)]
struct Prepared {
    pipeline: Arc<Pipeline>,
    definition: Value,
    name: String,
    folder: PathBuf,
    input: Map<String, Value>,
}

impl Executions {
    /// Executions over this log. What a former process left unended is ended: nothing of it runs any more.
    ///
    /// # Errors
    /// Where the log cannot be read or written.
    pub async fn recover(
        log: Log,
        registry: StepRegistry,
        config: Config,
    ) -> Result<Self, StoreError> {
        let catalog = Catalog::new(config.pipelines.clone());
        let slots = config.max_running.min(Semaphore::MAX_PERMITS);
        let inner = Inner {
            log,
            registry: Arc::new(registry),
            catalog,
            config,
            metrics: MetricsSubscriber::default(),
            running: Mutex::default(),
            tasks: TaskTracker::new(),
            sockets: TaskTracker::new(),
            slots: Arc::new(Semaphore::new(slots)),
            stopping: CancellationToken::new(),
        };
        let executions = Self(Arc::new(inner));
        executions.interrupt_unended().await?;
        Ok(executions)
    }

    async fn interrupt_unended(&self) -> Result<(), StoreError> {
        let statuses = vec![ExecutionStatus::Running, ExecutionStatus::Waiting];
        for row in self.0.log.store().list(&ListQuery {
            limit: usize::MAX,
            before: None,
            statuses,
        })? {
            let Some(stream) = self.0.log.open(&row.id)? else {
                continue;
            };
            let message = "The server stopped while the pipeline was running.";
            let end = terminal_error(
                "interrupted",
                message,
                unix_millis().saturating_sub(row.started_at.unwrap_or(row.created_at)),
            );
            match stream.append(&end).await {
                Ok(_) => tracing::info!(execution_id = %row.id, "ended as interrupted"),
                Err(error) => tracing::error!(execution_id = %row.id, %error, "could not be ended"),
            }
        }
        Ok(())
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
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

    /// Is cancelled when the server stops.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// The WebSockets that are open.
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
    /// 404 for an unknown pipeline, 409 for an id that is taken, 422 for a pipeline or an input that does not validate.
    pub async fn create(&self, request: Request) -> Result<ExecutionId, Problem> {
        let id = request.execution_id.clone().unwrap_or_else(random_id);
        let prepared = self.prepare(request.pipeline, request.input)?;
        self.enter(&id, &prepared).await?;
        Ok(id)
    }

    /// [`Executions::create`] and start.
    ///
    /// # Errors
    /// As there, and 429 where too many are under way.
    pub async fn create_and_start(&self, request: Request) -> Result<ExecutionId, Problem> {
        let slot = self.slot()?;
        let id = request.execution_id.clone().unwrap_or_else(random_id);
        let prepared = self.prepare(request.pipeline, request.input)?;
        let this = self.clone();
        self.detached(async move {
            let stream = this.enter(&id, &prepared).await?;
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
        let (definition, input) = self
            .0
            .log
            .store()
            .origin(row.key.key)?
            .ok_or_else(Problem::unknown_execution)?;
        let input = input.as_object().cloned().unwrap_or_default();
        let of = self
            .0
            .catalog
            .find(&row.pipeline)
            .filter(|stored| stored.definition.as_ref() == Ok(&definition));
        let folder = match of {
            Some(stored) => stored.folder,
            None => self.inline_folder()?,
        };
        let prepared = self.prepare_definition(definition, row.pipeline, folder, input)?;
        let stream = self
            .0
            .log
            .open(id)?
            .ok_or_else(Problem::unknown_execution)?;
        let this = self.clone();
        self.detached(async move { this.launch(stream, prepared, slot).await })
            .await
    }

    /// Runs a pipeline and waits for its result, as the plan's fallback: the same path, and no log kept.
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
        let context = StreamingContext::disabled(id.clone());
        let options = self.options(&prepared, cancel);
        Ok((
            id,
            pipeline::run(prepared.pipeline, prepared.input, context, options).await,
        ))
    }

    /// Asks a run to end as `cancelled`. One that waits to be started ends at once.
    ///
    /// # Errors
    /// 404 where there is none, 409 where it has ended.
    pub async fn cancel(&self, id: &ExecutionId) -> Result<(), Problem> {
        if let Some(running) = self.runs().get(id) {
            running.cancel.cancel();
            return Ok(());
        }
        let row = self.find(id)?.ok_or_else(Problem::unknown_execution)?;
        let stream = self
            .0
            .log
            .open(id)?
            .ok_or_else(Problem::unknown_execution)?;
        let ended = || {
            Problem::new(
                axum::http::StatusCode::CONFLICT,
                "The execution has ended already.",
            )
        };
        if row.status != ExecutionStatus::Pending {
            return Err(ended());
        }
        let Ok(_claim) = self.claim(&stream) else {
            // started or cancelled since the first look
            let runs = self.runs();
            let running = runs.get(id).ok_or_else(ended)?;
            running.cancel.cancel();
            return Ok(());
        };
        stream
            .append(&terminal_error(
                "cancelled",
                "Cancelled before it was started.",
                0,
            ))
            .await?;
        Ok(())
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

    /// The view of an execution, as far as its log goes now.
    ///
    /// # Errors
    /// Where the log cannot be read.
    pub async fn view(&self, id: &ExecutionId) -> Result<Option<RunView>, StoreError> {
        let running = self.runs().get(id).map(|running| running.view.clone());
        if let Some(folded) = running {
            let mut folded = folded.lock().await;
            folded.advance().await?;
            return Ok(Some(folded.view.clone()));
        }
        let Some(stream) = self.0.log.open(id)? else {
            return Ok(None);
        };
        let mut folded = Folded::new(stream);
        folded.advance().await?;
        Ok(Some(folded.view))
    }

    /// The overall progress of an execution under way in this process, 0 to 1.
    pub async fn progress(&self, id: &ExecutionId) -> Option<f64> {
        let folded = self.runs().get(id)?.view.clone();
        let mut folded = folded.lock().await;
        folded.advance().await.ok()?;
        Some(folded.view.progress())
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

    fn prepare(
        &self,
        definition: Definition,
        input: Map<String, Value>,
    ) -> Result<Prepared, Problem> {
        match definition {
            Definition::Inline(definition) => {
                let name = definition
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or("pipeline")
                    .to_owned();
                self.prepare_definition(definition, name, self.inline_folder()?, input)
            }
            Definition::Stored(name) => {
                let unknown = || {
                    Problem::new(
                        axum::http::StatusCode::NOT_FOUND,
                        "There is no stored pipeline of this name. GET /api/pipelines lists those there are.",
                    )
                };
                let stored = self.0.catalog.find(&name).ok_or_else(unknown)?;
                let definition = stored.definition.map_err(|error| {
                    Problem::invalid(
                        format!("The stored pipeline is not JSON: {error}"),
                        Vec::new(),
                    )
                })?;
                self.prepare_definition(definition, stored.name, stored.folder, input)
            }
        }
    }

    fn prepare_definition(
        &self,
        definition: Value,
        name: String,
        folder: PathBuf,
        input: Map<String, Value>,
    ) -> Result<Prepared, Problem> {
        let pipeline = Pipeline::from_json(&definition, &self.0.registry).map_err(|problems| {
            Problem::invalid("The pipeline does not validate.", flaws(problems))
        })?;
        pipeline.check_input(&input).map_err(|problems| {
            Problem::invalid(
                "The input does not fit the pipeline's parameters.",
                flaws(problems),
            )
        })?;
        Ok(Prepared {
            pipeline: Arc::new(pipeline),
            definition,
            name,
            folder,
            input,
        })
    }

    /// Where a definition that is in no folder finds its files: in the catalog's, or in an empty one where there is none.
    fn inline_folder(&self) -> Result<PathBuf, Problem> {
        let catalog = self.0.catalog.folder();
        if catalog.is_dir() {
            return Ok(catalog.to_owned());
        }
        let folder = self.0.config.data_dir.join("work");
        std::fs::create_dir_all(&folder).map_err(StoreError::from)?;
        Ok(folder)
    }

    /// How much of an execution of this pipeline is held in memory.
    fn budget(&self, pipeline: &Pipeline) -> Budget {
        let config = &self.0.config;
        Budget {
            events: pipeline
                .streaming()
                .buffer_size
                .unwrap_or(config.buffer_size),
            bytes: config.buffer_bytes,
            ..Budget::default()
        }
    }

    async fn enter(&self, id: &ExecutionId, prepared: &Prepared) -> Result<Arc<Stream>, Problem> {
        let budget = self.budget(&prepared.pipeline);
        let new = NewExecution {
            id: id.clone(),
            pipeline: prepared.name.clone(),
            definition: prepared.definition.clone(),
            input: Value::Object(prepared.input.clone()),
            created_at: unix_millis(),
        };
        self.storing(move |log| log.create(&new, budget)).await
    }

    fn claim(&self, stream: &Arc<Stream>) -> Result<Claim, Problem> {
        let (id, cancel) = (stream.id().clone(), CancellationToken::new());
        let mut runs = self.runs();
        if stream.has_begun() || runs.contains_key(&id) {
            return Err(Problem::new(
                axum::http::StatusCode::CONFLICT,
                "The execution has been started already.",
            ));
        }
        let view = Arc::new(tokio::sync::Mutex::new(Folded::new(stream.clone())));
        let running = Running {
            cancel: cancel.clone(),
            view,
        };
        runs.insert(id.clone(), running);
        Ok(Claim {
            executions: self.clone(),
            id,
            cancel,
        })
    }

    async fn launch(
        &self,
        stream: Arc<Stream>,
        prepared: Prepared,
        slot: OwnedSemaphorePermit,
    ) -> Result<(), Problem> {
        let claim = self.claim(&stream)?;
        stream.set_budget(self.budget(&prepared.pipeline));
        let (key, now) = (stream.key(), unix_millis());
        self.storing(move |log| log.store().set_status(key, ExecutionStatus::Running, now))
            .await?;
        let this = self.clone();
        self.0.tasks.spawn(async move {
            let context = StreamingContext::new(stream);
            let context = if prepared.pipeline.streaming().enabled {
                context
            } else {
                context.ends_only()
            };
            context.subscribe(Box::new(this.0.metrics.clone()));
            let options = this.options(&prepared, claim.cancel.clone());
            let run = pipeline::run(prepared.pipeline, prepared.input, context.clone(), options);
            tokio::select! {
                biased;
                () = this.0.stopping.cancelled() => {}
                result = AssertUnwindSafe(run).catch_unwind() => {
                    let status = result.ok().map(|result| result.status);
                    tracing::info!(execution_id = %claim.id, ?status, "run ended");
                    this.close(&context).await;
                }
            }
            drop((claim, slot));
        });
        Ok(())
    }

    /// Every execution ends with exactly one terminal event: where the run could not write its own, this one is
    /// appended, and it waits until both are committed.
    async fn close(&self, context: &StreamingContext) {
        let Some(stream) = context.stream() else {
            return;
        };
        let lost = terminal_error("failed", "The run ended without saying how.", 0);
        if stream.append(&lost).await.is_ok() {
            tracing::error!(execution_id = %stream.id(), "a run ended without its terminal event");
        }
        let ended = async {
            stream
                .watch()
                .wait_for(|tail| tail.ended.is_some())
                .await
                .is_ok()
        };
        tokio::select! {
            _ = ended => {}
            () = self.0.stopping.cancelled() => {}
        }
    }

    fn options(&self, prepared: &Prepared, cancel: CancellationToken) -> RunOptions {
        let config = &self.0.config;
        let timeout = (config.run_timeout_seconds > 0)
            .then(|| std::time::Duration::from_secs(config.run_timeout_seconds));
        RunOptions {
            cancel,
            max_steps: config.max_steps,
            timeout,
            work_dir: prepared.folder.clone(),
        }
    }
}

impl Folded {
    fn new(stream: Arc<Stream>) -> Self {
        Self {
            reader: Reader::new(stream, 0),
            view: RunView::default(),
        }
    }

    async fn advance(&mut self) -> Result<(), StoreError> {
        loop {
            let page = self.reader.read(PAGE).await?;
            if let Some((from, to)) = page.gap {
                self.view
                    .gap(from, to, stepcast_core::control::GapReason::Retention);
            }
            for event in page.records.iter().filter_map(|record| record.parse().ok()) {
                self.view.apply(&event);
            }
            if page.records.is_empty() && page.gap.is_none() {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
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

fn terminal_error(reason: &str, message: &str, duration_ms: u64) -> Draft {
    let error = json!({ "category": "unknown", "severity": "error", "message": message, "recoverable": false });
    let data = json!({ "error": error, "reason": reason, "duration_ms": duration_ms });
    Draft {
        event_type: EventType::PipelineError,
        step_id: None,
        data,
        metadata: None,
    }
}

/// The pipeline's problems as a response shows them.
pub(crate) fn flaws(problems: Vec<pipeline::Problem>) -> Vec<Flaw> {
    let flaw = |problem: pipeline::Problem| Flaw {
        path: problem.path,
        message: problem.message,
        suggestion: problem.suggestion,
    };
    problems.into_iter().map(flaw).collect()
}

/// Events folded between two chances for other tasks.
const PAGE: usize = 1000;
