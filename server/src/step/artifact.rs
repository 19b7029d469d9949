//! A file that a program has made in its working folder, as it says so in a line.

use std::path::Path;

use serde_json::Value;

use super::policy::{file_error, outside};
use super::{StepContext, StepError};

/// What the line says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ArtifactLine {
    path: String,
    name: Option<String>,
    media_type: Option<String>,
}

impl ArtifactLine {
    /// A path, or an object with one; none where it is neither.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let path = value.as_str().map(str::to_owned).or_else(|| text("path"))?;
        Some(Self {
            path,
            name: text("name"),
            media_type: text("media_type"),
        })
    }

    /// Keeps the file as it is now, and announces it. It lies below `directory`, links resolved.
    ///
    /// # Errors
    /// Where it does not, cannot be read, or there is no room.
    pub(crate) async fn announce(
        &self,
        directory: &Path,
        context: &StepContext,
    ) -> Result<(), StepError> {
        let failed = |error| file_error("cannot be kept", &self.path, &error);
        let whole = directory.join(&self.path);
        let resolved = tokio::fs::canonicalize(whole).await.map_err(failed)?;
        if !resolved.starts_with(directory) {
            return Err(outside(&self.path));
        }
        let file = tokio::fs::File::open(&resolved).await.map_err(failed)?;
        if !file.metadata().await.map_err(failed)?.is_file() {
            let error = std::io::Error::other("it is no file");
            return Err(failed(error));
        }
        let name = self.name.clone().unwrap_or_else(|| name_of(&resolved));
        let media_type = self.media_type.clone();
        let media_type = media_type.unwrap_or_else(|| media_type_of(&name));
        let _announced = context.artifact(&name, &media_type, file).await?;
        Ok(())
    }
}

/// A file's own name.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What the end of a name tells.
pub(super) fn media_type_of(name: &str) -> String {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    guess.essence_str().to_owned()
}
