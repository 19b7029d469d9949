//! The files of executions.

use std::io;
use std::time::Duration;

use stepcast_core::event::EventType;
use stepcast_core::id::{ExecutionId, StepId};

use super::gate::Alongside;
use super::{Executions, Producer, Receipt, Refusal, Unit};
use crate::access::Pass;
use crate::artifact::{ArtifactError, Artifacts, Kept, Writing};
use crate::config::Config;
use crate::context::Draft;
use crate::error::Problem;
use crate::log::{Artifact, ContentHash, Durability, Log, StoreError};

impl Executions {
    /// Has files removed that nothing refers to any more, until the server stops.
    pub(super) fn sweep_artifacts(&self) {
        let every = Duration::from_millis(self.0.config.retention_interval_ms);
        let sweep = self.0.artifacts.clone();
        let cleaning = sweep.keep_clean(every, self.stopping().clone());
        self.0.tasks.spawn(cleaning);
    }

    /// The files that runs have made.
    pub fn artifacts(&self) -> &Artifacts {
        &self.0.artifacts
    }

    /// Takes an execution that has ended away, with all its events; its files, where no other refers to them, go after it.
    ///
    /// # Errors
    /// 404 where there is none, 409 where it has not ended.
    pub async fn delete(&self, id: &ExecutionId) -> Result<(), Problem> {
        let id = id.clone();
        match self.storing(move |log| log.delete(&id)).await? {
            true => {
                self.0.artifacts.look();
                Ok(())
            }
            false => Err(Problem::unknown_execution()),
        }
    }

    /// A file of an execution, to be read by whom the pass lets see its announcement.
    ///
    /// # Errors
    /// 404 where there is no such execution, or it has no file of this content.
    pub async fn artifact(
        &self,
        id: &ExecutionId,
        sha256: ContentHash,
        pass: &Pass,
    ) -> Result<(Artifact, std::fs::File), Problem> {
        let (this, id, pass) = (self.clone(), id.clone(), pass.clone());
        let found = tokio::task::spawn_blocking(move || {
            let row = this.find(&id)?.ok_or_else(Problem::unknown_execution)?;
            let found = this.0.artifacts.read(row.key.key, &sha256);
            let shown = found?.filter(|(artifact, _)| pass.shows(artifact.seq));
            shown.ok_or_else(|| {
                Problem::new(
                    axum::http::StatusCode::NOT_FOUND,
                    "The execution has no file of this content. GET /api/executions/{id}/artifacts lists those there are.",
                )
            })
        });
        found.await.map_err(super::broken)?
    }

    /// Begins a file of the execution of this number.
    ///
    /// # Errors
    /// Every [`ArtifactError`].
    pub async fn begin_artifact(
        &self,
        key: i64,
        name: &str,
        media_type: &str,
    ) -> Result<Writing, ArtifactError> {
        let (artifacts, name, media_type) = (
            self.0.artifacts.clone(),
            name.to_owned(),
            media_type.to_owned(),
        );
        let begun = tokio::task::spawn_blocking(move || artifacts.begin(key, &name, &media_type));
        begun.await.map_err(io::Error::other)?
    }

    /// Announces a file of a program elsewhere, which counts as one request of its producer.
    ///
    /// # Errors
    /// Every [`Refusal`].
    pub async fn announce_artifact(
        &self,
        id: &ExecutionId,
        step: Option<&str>,
        producer: Option<&Producer>,
        kept: Kept,
    ) -> Result<Receipt, Refusal> {
        let draft = Draft {
            event_type: EventType::StepProgress,
            step_id: step.map(StepId::from),
            data: kept.announcement(),
            metadata: None,
        };
        let along = Alongside {
            artifacts: vec![kept],
            ..Alongside::default()
        };
        self.take_with(id, &mut vec![draft], along, producer, Unit::Request)
            .await
    }

    /// The files of an execution, in the order of their announcements.
    ///
    /// # Errors
    /// 404 where there is no such execution.
    pub async fn artifacts_of(&self, id: &ExecutionId) -> Result<Vec<Artifact>, Problem> {
        let (this, id) = (self.clone(), id.clone());
        let listed = tokio::task::spawn_blocking(move || {
            let row = this.find(&id)?.ok_or_else(Problem::unknown_execution)?;
            Ok(this.0.artifacts.list(row.key.key)?)
        });
        listed.await.map_err(super::broken)?
    }
}

/// Files beside the log; those of a log in memory are temporary.
pub(super) async fn shelf(log: &Log, config: &Config) -> Result<Artifacts, StoreError> {
    let (store, limits) = (log.store().clone(), config.artifacts);
    let directory = config.data_dir.clone();
    let synced = config.durability == Durability::Power;
    let opened = tokio::task::spawn_blocking(move || {
        if store.commits_at_once() {
            Artifacts::temporary(store, limits)
        } else {
            Artifacts::open(&directory, store, limits, synced)
        }
    });
    match opened.await.map_err(io::Error::other)? {
        Ok(shelf) => Ok(shelf),
        Err(ArtifactError::Store(error)) => Err(error),
        Err(error) => Err(StoreError::Directory(io::Error::other(error))),
    }
}
