//! From a request to a pipeline that has been checked, and to an execution that is known.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::{Map, Value};
use stepcast_core::id::ExecutionId;
use tokio_util::sync::CancellationToken;

use super::Executions;
use crate::clock::unix_millis;
use crate::error::{Flaw, Problem};
use crate::log::{Budget, ExecutionRow, NewExecution, StoreError, Stream};
use crate::pipeline::{self, Desk, Pipeline, RunOptions, Slot};
use crate::step::{StepRegistry, StepSettings};
use crate::trace::{Carried, RunTrace, TraceContext};

/// What to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// A stored pipeline's name, or a definition.
    pub pipeline: Definition,
    /// What it is given.
    pub input: Map<String, Value>,
    /// An id of the caller's choosing.
    pub execution_id: Option<ExecutionId>,
    /// Whose it is going to be; nobody's where there are no accounts.
    pub owner: Option<String>,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
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
pub(super) struct Prepared {
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) definition: Value,
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) input: Map<String, Value>,
    /// Of a pipeline that a user has posted.
    pub(super) limits: Option<Arc<StepSettings>>,
    /// The trace that it belongs to.
    pub(super) trace: Option<TraceContext>,
}

impl Executions {
    pub(super) fn prepare(
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
                self.prepare_definition(definition, name, None, input)
            }
            Definition::Stored(name) => {
                let unknown = || {
                    Problem::new(
                        StatusCode::NOT_FOUND,
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
                self.prepare_definition(definition, stored.name, Some(stored.folder), input)
            }
        }
    }

    /// Without a folder it is nobody's but who has posted it.
    fn prepare_definition(
        &self,
        definition: Value,
        name: String,
        folder: Option<PathBuf>,
        input: Map<String, Value>,
    ) -> Result<Prepared, Problem> {
        let limits = self.limits().filter(|_| folder.is_none());
        let registry = match folder {
            Some(_) => self.registry(),
            None => self.registry_of_users(),
        };
        let folder = match folder {
            Some(folder) => folder,
            None => self.inline_folder()?,
        };
        let pipeline = Pipeline::from_json(&definition, registry).map_err(|problems| {
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
            limits,
            trace: None,
        })
    }

    /// What an execution was given, where it is kept.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub(crate) fn input(&self, row: &ExecutionRow) -> Result<Option<Value>, StoreError> {
        let origin = self.0.log.store().origin(row.key.key)?;
        Ok(origin.map(|(_, input)| input))
    }

    /// What an execution that is known was created with, whatever the catalog holds by now.
    pub(super) fn prepare_again(&self, row: &ExecutionRow) -> Result<Prepared, Problem> {
        let origin = self.0.log.store().origin(row.key.key)?;
        let (definition, input) = origin.ok_or_else(Problem::unknown_execution)?;
        let input = input.as_object().cloned().unwrap_or_default();
        let of = self
            .0
            .catalog
            .find(&row.pipeline)
            .filter(|stored| stored.definition.as_ref() == Ok(&definition));
        let folder = of.map(|stored| stored.folder);
        let prepared = self.prepare_definition(definition, row.pipeline.clone(), folder, input)?;
        Ok(Prepared {
            trace: row.trace.clone(),
            ..prepared
        })
    }

    /// What steps of this run pass on of the trace that it belongs to.
    pub(super) fn carried(&self, stream: &Stream, given: Option<TraceContext>) -> Option<Carried> {
        if self.0.exporter.traces() {
            let run = RunTrace::new(stream.id(), stream.epoch(), given.as_ref());
            return Some(Carried::Own(run));
        }
        given.map(Carried::Given)
    }

    /// Where a definition that is in no folder finds its files: in the catalog's, or in one of their own where there
    /// is none, and where there are accounts.
    pub(super) fn inline_folder(&self) -> Result<PathBuf, Problem> {
        let catalog = self.0.catalog.folder();
        // a user's file must not become one of the operator's pipelines
        if catalog.is_dir() && self.limits().is_none() {
            return Ok(catalog.to_owned());
        }
        let folder = self.0.config.data_dir.join("work");
        std::fs::create_dir_all(&folder).map_err(StoreError::from)?;
        Ok(folder)
    }

    /// What pipelines may do that users have posted; everything on a server without accounts.
    fn limits(&self) -> Option<Arc<StepSettings>> {
        self.0.registry_of_users.as_ref()?;
        Some(Arc::new(self.0.config.steps.clone()))
    }

    /// What pipelines may name that users have posted.
    pub(crate) fn registry_of_users(&self) -> &StepRegistry {
        self.0
            .registry_of_users
            .as_ref()
            .unwrap_or(&self.0.registry)
    }

    /// How much of an execution of this pipeline is held in memory.
    pub(super) fn budget(&self, pipeline: &Pipeline) -> Budget {
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

    pub(super) async fn enter(
        &self,
        id: &ExecutionId,
        prepared: &Prepared,
        resumed_from: Option<ExecutionId>,
        owner: Option<String>,
    ) -> Result<Arc<Stream>, Problem> {
        let budget = self.budget(&prepared.pipeline);
        let new = NewExecution {
            id: id.clone(),
            pipeline: prepared.name.clone(),
            definition: prepared.definition.clone(),
            input: Value::Object(prepared.input.clone()),
            created_at: unix_millis(),
            lease_ms: None,
            resumed_from,
            owner,
            shown: None,
            trace: prepared.trace.clone(),
        };
        self.storing(move |log| log.create(&new, budget)).await
    }

    pub(super) fn options(
        &self,
        prepared: &Prepared,
        cancel: CancellationToken,
        desk: Option<Arc<Desk>>,
        slot: Slot,
    ) -> RunOptions {
        let config = &self.0.config;
        let timeout = (config.run_timeout_seconds > 0)
            .then(|| std::time::Duration::from_secs(config.run_timeout_seconds));
        RunOptions {
            cancel,
            max_steps: config.max_steps,
            timeout,
            work_dir: prepared.folder.clone(),
            limits: prepared.limits.clone(),
            desk,
            slot,
            park: None,
        }
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
