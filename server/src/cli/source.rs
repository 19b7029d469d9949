//! Pipelines and inputs from files, from standard input, and from the command line itself.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::CliError;

/// A JSON document and where its relative paths begin.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) json: Value,
    pub(super) folder: PathBuf,
}

/// Reads a JSON file, or standard input where the name is `-`. A folder stands for its `pipeline.json`.
pub(super) fn read_document(path: &Path) -> Result<Document, CliError> {
    let path = if path.is_dir() {
        path.join("pipeline.json")
    } else {
        path.to_owned()
    };
    let text = read_text(&path)?;
    let json = serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{} is not JSON: {error}", path.display())))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    };
    Ok(Document { json, folder })
}

/// The input of a run: `--input`, a JSON object or `@file`, and over it each `-p key=value`.
pub(super) fn read_input(
    input: Option<&str>,
    parameters: &[String],
) -> Result<Map<String, Value>, CliError> {
    let text = match input {
        Some(text) => match text.strip_prefix('@') {
            Some(path) => read_text(Path::new(path))?,
            None => text.to_owned(),
        },
        None => "{}".to_owned(),
    };
    let value: Value = serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("--input is not JSON: {error}")))?;
    let Value::Object(mut object) = value else {
        return Err(CliError::Usage(
            "--input has to be a JSON object, for example {\"path\":\"a.txt\"}".to_owned(),
        ));
    };
    for parameter in parameters {
        let Some((key, value)) = parameter.split_once('=').filter(|(key, _)| !key.is_empty())
        else {
            return Err(CliError::Usage(format!("-p {parameter}: write key=value")));
        };
        object.insert(key.to_owned(), plain_value(value));
    }
    Ok(object)
}

/// JSON where it is JSON, else the text itself.
fn plain_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn read_text(path: &Path) -> Result<String, CliError> {
    let read = if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|error| CliError::Usage(format!("{} cannot be read: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_lie_over_the_input_and_are_json_where_they_can_be() {
        let parameters = [
            "n=3",
            "name=Ada",
            "text=\"3\"",
            "list=[1]",
            "empty=",
            "a=b=c",
        ];
        let parameters: Vec<String> = parameters.map(str::to_owned).into();
        let input = read_input(Some(r#"{"n":1,"kept":true}"#), &parameters).unwrap();
        assert_eq!(
            Value::Object(input),
            json!({"n": 3, "kept": true, "name": "Ada", "text": "3", "list": [1], "empty": "", "a": "b=c"})
        );
    }

    #[test]
    fn an_input_that_is_none_is_refused_with_what_to_write() {
        for (input, parameter, part) in [
            (Some("[1]"), None, "JSON object"),
            (Some("{"), None, "not JSON"),
            (Some("@no-such-file.json"), None, "cannot be read"),
            (None, Some("novalue"), "key=value"),
            (None, Some("=x"), "key=value"),
        ] {
            let parameters: Vec<String> = parameter.map(str::to_owned).into_iter().collect();
            let error = read_input(input, &parameters).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_folder_stands_for_the_pipeline_in_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("pipeline.json"), r#"{"name":"x"}"#).unwrap();
        let document = read_document(folder.path()).unwrap();
        assert_eq!(document.json, json!({"name": "x"}));
        assert_eq!(document.folder, folder.path());
    }
}
