//! What steps may touch outside the pipeline: the one place where it is decided.

use std::path::{Path, PathBuf};

use super::error::{Category, StepError};

/// What the steps of a run may touch.
#[derive(Clone, Debug)]
pub struct StepPolicy {
    root: PathBuf,
}

impl StepPolicy {
    /// Files below `root` may be read and written; relative paths begin there, and so do commands.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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
