//! `/api/executions/{id}/artifacts`: the files of an execution, listed, sent and taken.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use stepcast_core::id::ExecutionId;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio_util::io::ReaderStream;

use super::answer::{ArtifactEntry, Artifacts};
use super::parts::{Path, Query};
use super::producer::FromProducer;
use super::range::{Part, part_of};
use crate::access::{Caller, Pass};
use crate::error::Problem;
use crate::executions::Executions;
use crate::limits::Arriving;
use crate::log::{Artifact, ContentHash};

/// `GET /api/executions/{id}/artifacts`
pub(crate) async fn list(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Artifacts>, Problem> {
    let id: ExecutionId = id.parse()?;
    let mut artifacts = executions.artifacts_of(&id).await?;
    artifacts.retain(|artifact| caller.pass.shows(artifact.seq));
    let artifacts = artifacts
        .iter()
        .map(|artifact| entry(&id, artifact))
        .collect();
    Ok(Json(Artifacts {
        execution_id: id,
        artifacts,
    }))
}

fn entry(id: &ExecutionId, artifact: &Artifact) -> ArtifactEntry {
    ArtifactEntry {
        seq: artifact.seq,
        name: artifact.name.clone(),
        media_type: artifact.media_type.clone(),
        size: artifact.size,
        sha256: artifact.sha256,
        href: format!("/api/executions/{id}/artifacts/{}", artifact.sha256),
    }
}

/// `GET` and `HEAD /api/executions/{id}/artifacts/{sha256}`: the file, or the part that `Range` asks for.
pub(crate) async fn send(
    State(executions): State<Executions>,
    caller: Caller,
    Path((id, sha256)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let sha256 = content(&sha256)?;
    let (artifact, file) = executions.artifact(&id, sha256, &caller.pass).await?;
    let tag = format!("\"{sha256}\"");
    let mut response = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        match part_of(&headers, &tag, artifact.size) {
            Part::Whole => body(file, 0, artifact.size).await?,
            Part::From(range) => {
                let length = range.end() - range.start() + 1;
                let mut response = body(file, *range.start(), length).await?;
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let (from, to, size) = (range.start(), range.end(), artifact.size);
                put(
                    &mut response,
                    header::CONTENT_RANGE,
                    &format!("bytes {from}-{to}/{size}"),
                );
                response
            }
            Part::None => {
                let detail = "The file has no such part; `Content-Range` says how long it is.";
                let range = HeaderValue::try_from(format!("bytes */{}", artifact.size));
                let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, detail);
                let unknown = HeaderValue::from_static("bytes */*");
                return Err(problem.header(header::CONTENT_RANGE, range.unwrap_or(unknown)));
            }
        }
    };
    describe(&mut response, &artifact, &tag);
    Ok(response)
}

/// Whether who asks has this content already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let given = headers.get_all(header::IF_NONE_MATCH).iter();
    let given = given.filter_map(|value| value.to_str().ok());
    given
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|given| given == "*" || given.strip_prefix("W/").unwrap_or(given) == tag)
}

/// The bytes from `start` on, read as they are sent.
async fn body(file: std::fs::File, start: u64, length: u64) -> Result<Response, Problem> {
    let mut file = tokio::fs::File::from_std(file);
    file.seek(std::io::SeekFrom::Start(start))
        .await
        .map_err(|error| Problem::from(crate::artifact::ArtifactError::from(error)))?;
    let stream = ReaderStream::with_capacity(file.take(length), PART);
    let mut response = Body::from_stream(stream).into_response();
    put(&mut response, header::CONTENT_LENGTH, &length.to_string());
    Ok(response)
}

/// What a browser is told, and what it is kept from: a file is data of the run, and never a page of this server's.
fn describe(response: &mut Response, artifact: &Artifact, tag: &str) {
    put(response, header::CONTENT_TYPE, &artifact.media_type);
    put(response, header::ETAG, tag);
    put(
        response,
        header::CONTENT_DISPOSITION,
        &disposition(artifact),
    );
    for (name, value) in [
        (header::ACCEPT_RANGES, "bytes"),
        (
            header::CACHE_CONTROL,
            "private, max-age=31536000, immutable",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; sandbox",
        ),
    ] {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response.headers_mut().insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
}

/// What a browser may open by itself; all else is offered to be saved. An image that is shown by a page is shown
/// either way.
fn disposition(artifact: &Artifact) -> String {
    let plain = artifact.media_type.split(';').next().unwrap_or_default();
    let plain = plain.trim().to_ascii_lowercase();
    let inert = match plain.split_once('/') {
        Some(("image", kind)) => kind != "svg+xml",
        Some(("audio" | "video", _)) => true,
        Some(("text", kind)) => kind == "plain",
        Some((_, kind)) => kind == "json",
        None => false,
    };
    let how = if inert { "inline" } else { "attachment" };
    let mut name = String::new();
    for byte in artifact.name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{how}; filename*=UTF-8''{name}")
}

fn put(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn content(text: &str) -> Result<ContentHash, Problem> {
    text.parse().map_err(|error: crate::log::NoHash| {
        Problem::new(StatusCode::BAD_REQUEST, format!("`sha256`: {error}."))
    })
}

/// What `POST /api/executions/{id}/artifacts` takes beside the file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Added {
    /// The file's name.
    name: String,
    /// The step that made it.
    step: Option<String>,
    /// What its content must have as its SHA-256.
    sha256: Option<String>,
}

/// `POST /api/executions/{id}/artifacts?name=&step=&sha256=`: keeps the body of a producer elsewhere, and announces it.
pub(crate) async fn add(
    State(executions): State<Executions>,
    Path(id): Path<String>,
    Query(added): Query<Added>,
    FromProducer(producer): FromProducer,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let expected = added.sha256.as_deref().map(content).transpose()?;
    let stream = executions.external(&id)?;
    let media_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/octet-stream")
        .to_owned();
    let mut writing = executions
        .begin_artifact(stream.key(), &added.name, &media_type)
        .await?;
    let mut parts = Arriving::new(body, &executions.config().limits);
    while let Some(part) = parts.next().await {
        writing.write(&part?).await?;
    }
    let kept = writing.finish(expected).await?;
    let artifact = kept.artifact().clone();
    let step = added.step.as_deref();
    let receipt = executions
        .announce_artifact(&id, step, producer.as_ref(), kept)
        .await?;
    stream.settled(receipt.last).await?;
    let status = if receipt.taken == 0 {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    // as it was announced, which may have been by the same request before
    let announced = match executions
        .artifact(&id, artifact.sha256, &Pass::default())
        .await
    {
        Ok((announced, _file)) => announced,
        Err(_not_committed_yet) => Artifact {
            seq: receipt.last,
            ..artifact
        },
    };
    Ok((status, Json(entry(&id, &announced))).into_response())
}

/// Bytes read and sent at once.
const PART: usize = 64 << 10;
