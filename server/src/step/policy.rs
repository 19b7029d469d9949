//! What steps may touch outside the pipeline: the one place where it is decided.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::{Category, StepError};
use super::settings::StepSettings;

/// What the steps of a run may touch.
#[derive(Clone, Debug)]
pub struct StepPolicy {
    root: PathBuf,
    /// Of pipelines that users have posted.
    limits: Option<Arc<StepSettings>>,
}

impl StepPolicy {
    /// Files below `root` may be read and written; relative paths begin there, and so do commands.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            limits: None,
        }
    }

    /// The same, within what the operator lets the pipelines of users do.
    #[must_use]
    pub fn limited(mut self, limits: Option<Arc<StepSettings>>) -> Self {
        self.limits = limits;
        self
    }

    /// Whether requests may go to the machine itself and its networks.
    pub fn reaches_inside(&self) -> bool {
        self.limits.as_ref().is_none_or(|limits| limits.inside)
    }

    /// Whether a program may be started, with variables of the step's own or without.
    ///
    /// # Errors
    /// Where the operator has not listed it, or the step sets variables, by which any program becomes another.
    pub fn program(&self, name: &str, sets_variables: bool) -> Result<(), StepError> {
        let Some(limits) = &self.limits else {
            return Ok(());
        };
        let message = if !limits.programs.iter().any(|program| program == name) {
            format!(
                "`{name}` is not among the programs that pipelines of users may start; the operator's setting is steps.programs"
            )
        } else if sets_variables {
            "pipelines of users may not set `env`".to_owned()
        } else {
            return Ok(());
        };
        Err(StepError::new(Category::Configuration, message))
    }

    /// Where relative paths begin.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file that a step asks to read, links resolved.
    ///
    /// # Errors
    /// Where it does not exist, or lies outside the root.
    pub fn readable(&self, path: &str) -> Result<PathBuf, StepError> {
        let resolved = self.root.join(path).canonicalize();
        let resolved = resolved.map_err(|error| file_error("cannot be read", path, &error))?;
        self.contained(resolved, path)
    }

    /// The file that a step asks to write; its directory exists.
    ///
    /// # Errors
    /// Where it lies outside the root.
    pub fn writable(&self, path: &str) -> Result<PathBuf, StepError> {
        let whole = self.root.join(path);
        let (Some(parent), Some(name)) = (whole.parent(), whole.file_name()) else {
            return Err(outside(path));
        };
        let parent = parent
            .canonicalize()
            .map_err(|error| file_error("cannot be written", path, &error))?;
        let target = self.contained(parent, path)?.join(name);
        // a link in the target's place would lead out again
        match target.canonicalize() {
            Ok(existing) => self.contained(existing, path),
            Err(_) if target.is_symlink() => Err(outside(path)),
            Err(_) => Ok(target),
        }
    }

    /// The directory that a command runs in.
    ///
    /// # Errors
    /// Where it does not exist, or lies outside the root.
    pub fn working_directory(&self, path: Option<&str>) -> Result<PathBuf, StepError> {
        let directory = self.readable(path.unwrap_or("."))?;
        if directory.is_dir() {
            return Ok(directory);
        }
        let shown = path.unwrap_or(".");
        let message = format!("`{shown}` is no directory");
        Err(StepError::new(Category::Configuration, message))
    }

    fn contained(&self, resolved: PathBuf, asked: &str) -> Result<PathBuf, StepError> {
        let root = self
            .root
            .canonicalize()
            .map_err(|error| file_error("is no place to work in", "the root directory", &error))?;
        if resolved.starts_with(root) {
            Ok(resolved)
        } else {
            Err(outside(asked))
        }
    }
}

/// An I/O error of a file, as a step's error; only the path that the pipeline itself gave is told.
pub(super) fn file_error(what: &str, path: &str, error: &std::io::Error) -> StepError {
    StepError::new(Category::Resource, format!("`{path}` {what}: {error}"))
}

pub(super) fn outside(path: &str) -> StepError {
    let message = format!("`{path}` lies outside the directory that steps may touch");
    StepError::new(Category::Configuration, message)
}
