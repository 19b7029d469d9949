//! `file`: reads and writes files below the run's directory.

use std::path::Path;

use serde_json::{Map, Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::artifact::{media_type_of, name_of};
use super::policy::file_error;
use super::registry::made;
use super::{Category, Step, StepConfig, StepContext, StepError, StepFuture};
use crate::pipeline::definition::{Fields, Problem, Problems};

struct File {
    write: bool,
    format: Option<Format>,
    options: CsvOptions,
    max_bytes: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Text,
    Lines,
    Json,
    Ndjson,
    Csv,
    /// Not looked into: kept for viewers.
    Artifact,
}

#[derive(Clone, Copy)]
struct CsvOptions {
    delimiter: u8,
    numbers: bool,
}

pub(super) fn load(config: &StepConfig<'_>) -> Result<Box<dyn Step>, Vec<Problem>> {
    let mut problems = Problems::default();
    let mut file = File {
        write: false,
        format: None,
        options: CsvOptions {
            delimiter: b',',
            numbers: false,
        },
        max_bytes: 64 << 20,
    };
    if let Some(mut fields) = Fields::open(config.config, &config.place, "`config`", &mut problems)
    {
        file.read_config(&mut fields, &mut problems);
        fields.close(&mut problems);
    }
    made(file, problems)
}

impl Step for File {
    fn run(&self, context: StepContext) -> StepFuture<'_> {
        Box::pin(async move {
            if self.format == Some(Format::Artifact) {
                self.keep(&context).await
            } else if self.write {
                self.write(&context).await
            } else {
                self.read(&context).await
            }
        })
    }
}

impl File {
    fn read_config(&mut self, fields: &mut Fields<'_>, problems: &mut Problems) {
        if fields.text("path", problems).is_none() && !fields.has(&["path"]) {
            problems.error(fields.here(), "`file` needs a `path`");
        }
        match fields.text("action", problems) {
            None | Some("read") => {}
            Some("write") => self.write = true,
            Some(word) => {
                let place = fields.place("action");
                problems.unknown(
                    &place,
                    format!("unknown action `{word}`"),
                    word,
                    ["read", "write"],
                );
            }
        }
        if let Some(word) = fields.text("format", problems) {
            self.format = Format::ALL
                .into_iter()
                .find_map(|(name, format)| (name == word).then_some(format));
            if self.format.is_none() {
                let names = Format::ALL.into_iter().map(|(name, _)| name);
                let place = fields.place("format");
                problems.unknown(&place, format!("unknown format `{word}`"), word, names);
            }
        }
        if let Some(text) = fields.text("delimiter", problems) {
            match text.as_bytes() {
                [byte] => self.options.delimiter = *byte,
                _ => problems.error(
                    &fields.place("delimiter"),
                    "a delimiter is one ASCII character",
                ),
            }
        }
        if let Some(numbers) = fields.flag("numbers", problems) {
            self.options.numbers = numbers;
        }
        if let Some(most) = fields.count("max_bytes", 1, problems) {
            self.max_bytes = most;
        }
        for key in ["name", "media_type"] {
            let given = fields.text(key, problems).is_some() || fields.has(&[key]);
            if given && self.format != Some(Format::Artifact) {
                let message = format!("`{key}` goes with `\"format\": \"artifact\"`");
                problems.error(&fields.place(key), message);
            }
        }
        if self.write && self.format == Some(Format::Artifact) {
            let place = fields.place("format");
            problems.error(
                &place,
                "a file that is read becomes an artifact, none that is written",
            );
        }
        if fields.value("content").is_none() && self.write {
            problems.error(fields.here(), "to write, `file` needs `content`");
        }
    }

    async fn read(&self, context: &StepContext) -> Result<Value, StepError> {
        let path = path_of(context)?;
        let file = context.policy().readable(&path)?;
        let format = self.format.unwrap_or_else(|| Format::of(&file));
        let bytes = self.read_bytes(&file, &path, context).await?;
        let (size, options) = (bytes.len(), self.options);
        let parsed = tokio::task::spawn_blocking(move || parse(bytes, format, options)).await;
        let parsed = parsed.unwrap_or_else(|error| Err(error.to_string()));
        let mut output = parsed.map_err(|error| {
            StepError::new(
                Category::Validation,
                format!("`{path}` cannot be read: {error}"),
            )
        })?;
        output.insert("path".into(), path.into());
        output.insert("bytes".into(), size.into());
        Ok(output.into())
    }

    /// Keeps the file as it is, for viewers.
    async fn keep(&self, context: &StepContext) -> Result<Value, StepError> {
        let path = path_of(context)?;
        let file = context.policy().readable(&path)?;
        let failed = |error: std::io::Error| file_error("cannot be kept", &path, &error);
        let opened = tokio::fs::File::open(&file).await.map_err(failed)?;
        if !opened.metadata().await.map_err(failed)?.is_file() {
            return Err(failed(std::io::Error::other("it is no file")));
        }
        let text = |key: &str| context.config().get(key).and_then(Value::as_str);
        let name = text("name").map_or_else(|| name_of(&file), str::to_owned);
        let media_type = text("media_type").map_or_else(|| media_type_of(&name), str::to_owned);
        let made = context.artifact(&name, &media_type, opened).await?;
        Ok(json!({"path": path, "bytes": made.size, "artifact": made.described()}))
    }

    async fn read_bytes(
        &self,
        file: &Path,
        path: &str,
        context: &StepContext,
    ) -> Result<Vec<u8>, StepError> {
        let failed = |error: std::io::Error| file_error("cannot be read", path, &error);
        let mut file = tokio::fs::File::open(file).await.map_err(failed)?;
        let size = file.metadata().await.map_err(failed)?.len();
        let too_big = || {
            let message = format!(
                "`{path}` has more than {} bytes (`max_bytes`)",
                self.max_bytes
            );
            StepError::new(Category::Resource, message)
        };
        if size > self.max_bytes {
            return Err(too_big());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        loop {
            let part = (&mut file).take(PART).read_to_end(&mut bytes).await;
            if part.map_err(failed)? == 0 {
                return Ok(bytes);
            }
            if bytes.len() as u64 > self.max_bytes {
                return Err(too_big());
            }
            if size > PART {
                let fraction = bytes.len() as f64 / size as f64;
                context.emit_progress(fraction.min(1.0), "reading").await;
            }
        }
    }

    /// Writes beside the target and renames: a reader sees the old file or the new one.
    async fn write(&self, context: &StepContext) -> Result<Value, StepError> {
        let path = path_of(context)?;
        let target = context.policy().writable(&path)?;
        let format = self.format.unwrap_or_else(|| Format::of(&target));
        let content = context.config().get("content").unwrap_or(&Value::Null);
        let bytes = write_bytes(content, format, self.options).map_err(|error| {
            let message = format!("`content` cannot be written as {format:?}: {error}");
            StepError::new(Category::Validation, message)
        })?;
        let failed = |error: std::io::Error| file_error("cannot be written", &path, &error);
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let beside = target.with_file_name(format!(".{name}.{:016x}", fastrand::u64(..)));
        let written = async {
            let mut file = tokio::fs::File::create_new(&beside).await?;
            file.write_all(&bytes).await?;
            file.flush().await?;
            tokio::fs::rename(&beside, &target).await
        };
        if let Err(error) = written.await {
            drop(tokio::fs::remove_file(&beside).await);
            return Err(failed(error));
        }
        Ok(json!({"path": path, "bytes": bytes.len()}))
    }
}

impl Format {
    const ALL: [(&'static str, Self); 6] = [
        ("artifact", Self::Artifact),
        ("text", Self::Text),
        ("lines", Self::Lines),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("csv", Self::Csv),
    ];

    /// The format that a file's name tells.
    fn of(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("ndjson" | "jsonl") => Self::Ndjson,
            Some("csv") => Self::Csv,
            _ => Self::Text,
        }
    }
}

fn path_of(context: &StepContext) -> Result<String, StepError> {
    let path = context.config().get("path").and_then(Value::as_str);
    path.map(str::to_owned)
        .ok_or_else(|| StepError::new(Category::Configuration, "`path` is a text"))
}

fn parse(
    bytes: Vec<u8>,
    format: Format,
    options: CsvOptions,
) -> Result<Map<String, Value>, String> {
    let mut output = Map::new();
    if format == Format::Csv {
        let rows = read_csv(&bytes, options).map_err(|error| error.to_string())?;
        output.insert("count".into(), rows.len().into());
        output.insert("rows".into(), rows.into());
        return Ok(output);
    }
    let text = String::from_utf8(bytes).map_err(|error| error.to_string())?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut list = |key: &str, values: Vec<Value>| {
        output.insert("count".into(), values.len().into());
        output.insert(key.into(), values.into());
    };
    match format {
        Format::Lines => list("lines", text.lines().map(Value::from).collect()),
        Format::Ndjson => {
            let lines = text.lines().enumerate();
            let rows = lines.filter(|(_, line)| !line.trim().is_empty());
            let rows = rows.map(|(at, line)| {
                serde_json::from_str(line).map_err(|error| format!("line {}: {error}", at + 1))
            });
            list("rows", rows.collect::<Result<_, _>>()?);
        }
        Format::Json => {
            let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            output.insert("json".into(), value);
        }
        Format::Text | Format::Csv | Format::Artifact => {
            output.insert("text".into(), text.into());
        }
    }
    Ok(output)
}

fn read_csv(bytes: &[u8], options: CsvOptions) -> Result<Vec<Value>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(options.delimiter)
        .from_reader(bytes);
    let headers = reader.headers()?.clone();
    let cell = |text: &str| match text.parse::<serde_json::Number>() {
        Ok(number) if options.numbers => Value::Number(number),
        _ => text.into(),
    };
    reader
        .records()
        .map(|record| {
            let record = record?;
            let row = headers.iter().zip(&record);
            let row: Map<_, _> = row
                .map(|(key, text)| (key.to_owned(), cell(text)))
                .collect();
            Ok(row.into())
        })
        .collect()
}

fn write_bytes(content: &Value, format: Format, options: CsvOptions) -> Result<Vec<u8>, String> {
    let rows = || content.as_array().ok_or("a list is needed");
    match format {
        Format::Text | Format::Artifact => Ok(as_text(content).into_bytes()),
        Format::Json => {
            let mut bytes =
                serde_json::to_vec_pretty(content).map_err(|error| error.to_string())?;
            bytes.push(b'\n');
            Ok(bytes)
        }
        Format::Lines => Ok(lines(rows()?.iter().map(as_text))),
        Format::Ndjson => Ok(lines(rows()?.iter().map(Value::to_string))),
        Format::Csv => write_csv(rows()?, options).map_err(|error| error.to_string()),
    }
}

fn lines(lines: impl Iterator<Item = String>) -> Vec<u8> {
    lines.flat_map(|line| (line + "\n").into_bytes()).collect()
}

/// One column for each key of the first row.
fn write_csv(rows: &[Value], options: CsvOptions) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(options.delimiter)
        .from_writer(Vec::new());
    let first = rows.first().and_then(Value::as_object);
    let headers: Vec<&String> = first.into_iter().flat_map(Map::keys).collect();
    if !headers.is_empty() {
        writer.write_record(&headers)?;
    }
    for row in rows {
        let cells = headers
            .iter()
            .map(|key| row.get(*key).map_or_else(String::new, as_text));
        writer.write_record(cells)?;
    }
    let bytes = writer.into_inner();
    bytes.map_err(|error| error.into_error().into())
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Bytes between two reports of progress.
const PART: u64 = 256 * 1024;
