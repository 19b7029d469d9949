//! The stored pipelines: a folder of JSON files, read when asked, so that an edit counts at once.

use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A folder with `NAME.json` and `NAME/pipeline.json` in it.
#[derive(Clone, Debug)]
pub struct Catalog(PathBuf);

/// A stored pipeline.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The name it is started by.
    pub name: String,
    /// Its definition, or why the file is not JSON.
    pub definition: Result<Value, String>,
    /// The folder that the pipeline's relative paths start from.
    pub folder: PathBuf,
}

impl Catalog {
    /// The catalog of this folder; one that does not exist is empty.
    pub fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Every stored pipeline, by name.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<Stored>> {
        let entries = match std::fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let name = if path.is_dir() {
                path.file_name()
            } else if path.extension().is_some_and(|ext| ext == "json") {
                path.file_stem()
            } else {
                None
            };
            let stored = name
                .and_then(|name| name.to_str())
                .and_then(|name| self.find(name));
            found.extend(stored);
        }
        found.sort_by(|a: &Stored, b| a.name.cmp(&b.name));
        found.dedup_by(|a, b| a.name == b.name);
        Ok(found)
    }

    /// One stored pipeline.
    ///
    /// A name is one path component of letters, digits, `_`, `-` and `.`, so that none leads out of the folder.
    pub fn find(&self, name: &str) -> Option<Stored> {
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if name.is_empty() || name.starts_with('.') || !plain {
            return None;
        }
        let (file, nested) = (
            self.0.join(format!("{name}.json")),
            self.0.join(name).join("pipeline.json"),
        );
        let (path, folder) = if file.is_file() {
            (file, self.0.clone())
        } else {
            (nested, self.0.join(name))
        };
        let text = std::fs::read_to_string(&path).ok()?;
        let definition = serde_json::from_str(&text).map_err(|error| error.to_string());
        Some(Stored {
            name: name.to_owned(),
            definition,
            folder,
        })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipelines_are_found_by_name_and_nothing_else_is() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("pipelines");
        std::fs::create_dir_all(root.join("nested")).unwrap();
        std::fs::write(directory.path().join("secret.json"), "{}").unwrap();
        std::fs::write(root.join("flat.json"), r#"{"name":"Flat"}"#).unwrap();
        std::fs::write(root.join("broken.json"), "{").unwrap();
        std::fs::write(root.join("nested/pipeline.json"), r#"{"name":"Nested"}"#).unwrap();
        let catalog = Catalog::new(root);
        let names: Vec<_> = catalog
            .list()
            .unwrap()
            .into_iter()
            .map(|stored| (stored.name, stored.definition.is_ok()))
            .collect();
        assert_eq!(
            names,
            [
                ("broken".into(), false),
                ("flat".into(), true),
                ("nested".into(), true)
            ]
        );
        for name in [
            "",
            "..",
            "../secret",
            "nested/pipeline",
            ".hidden",
            "absent",
        ] {
            assert!(catalog.find(name).is_none(), "{name}");
        }
    }
}
