//! Calls to the server's HTTP API: what a page asks and says beside the stream.

use std::fmt;

use gloo_net::http::{Request, RequestBuilder, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use stepcast_core::beacon::Report;
use stepcast_core::id::ExecutionId;
use stepcast_core::metrics::{Metric, Target, Targets};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub enum ApiError {
    /// The server was not reached.
    Unreachable,
    /// It refused, and says why (RFC 9457).
    Refused(Box<Problem>),
    /// It answered something else.
    Unreadable(String),
}

/// An RFC 9457 problem.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    #[serde(default)]
    pub status: u16,
    /// What is wrong in general.
    #[serde(default)]
    pub title: String,
    /// What is wrong here.
    #[serde(default)]
    pub detail: Option<String>,
    /// Where exactly.
    #[serde(default)]
    pub errors: Vec<Flaw>,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub struct Flaw {
    /// Where.
    #[serde(default)]
    pub path: String,
    /// What.
    #[serde(default)]
    pub message: String,
    /// What may have been meant.
    #[serde(default)]
    pub suggestion: Option<String>,
}

impl Flaw {
    /// What is wrong, without its place.
    pub(crate) fn inside(&self) -> String {
        match &self.suggestion {
            Some(meant) => format!("{}; did you mean `{meant}`?", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable => f.write_str("the server does not answer"),
            Self::Unreadable(what) => write!(f, "the server's answer is not understood: {what}"),
            Self::Refused(problem) => {
                f.write_str(problem.detail.as_deref().unwrap_or(&problem.title))?;
                for flaw in &problem.errors {
                    write!(f, "\n{}: {}", flaw.path, flaw.message)?;
                    if let Some(suggestion) = &flaw.suggestion {
                        write!(f, " ({suggestion})")?;
                    }
                }
                Ok(())
            }
        }
    }
}

/// What a person answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Which wait.
    pub wait_id: String,
    /// One entry a field.
    pub answer: Map<String, Value>,
    /// Who says so; nobody where it is empty.
    pub by: String,
}

/// The beginning of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Beginning {
    /// As text.
    pub text: String,
    /// Whether this is all of it.
    pub whole: bool,
}

/// Whom to ask, and what to show there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Server {
    /// The origin; the page's own where it is empty.
    pub(crate) base: String,
    /// A token, where the page's cookie is not who asks.
    pub(crate) token: Option<String>,
}

impl Server {
    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.header("authorization", &format!("Bearer {token}")),
            None => request,
        }
    }
}

/// Answers a wait of a run.
pub(crate) async fn answer(
    server: &Server,
    id: &ExecutionId,
    answer: &Answer,
) -> Result<(), ApiError> {
    let base = &server.base;
    let wait = escaped(&answer.wait_id);
    let url = format!("{base}/api/executions/{id}/waits/{wait}/answer");
    let mut body = json!({"answer": answer.answer});
    if !answer.by.is_empty()
        && let Some(body) = body.as_object_mut()
    {
        body.insert("by".to_owned(), answer.by.as_str().into());
    }
    let request = server
        .signed(Request::post(&url))
        .json(&body)
        .map_err(|error| ApiError::Unreadable(error.to_string()))?;
    let response = accept(request.send().await).await?;
    drop(response);
    Ok(())
}

/// When the server calls each metric well. Metrics of a later version are passed over.
pub(crate) async fn targets(server: &Server) -> Result<Targets, ApiError> {
    #[derive(Deserialize)]
    struct Answer {
        metrics: Vec<Definition>,
    }
    #[derive(Deserialize)]
    struct Definition {
        metric: String,
        target: Option<Target>,
    }
    let url = format!("{}/api/metrics/definitions", server.base);
    let answer: Answer = read(server.signed(Request::get(&url)).send().await).await?;
    let mut targets = Targets::default();
    for told in answer.metrics {
        let mut known = Metric::ALL.into_iter();
        if let Some(metric) = known.find(|known| known.as_str() == told.metric) {
            targets.set(metric, told.target);
        }
    }
    Ok(targets)
}

/// How often the server wants to hear how late events come here, in seconds; 0 where it does not.
pub(crate) async fn beacon(server: &Server) -> Result<u64, ApiError> {
    #[derive(Deserialize)]
    struct Answer {
        interval_seconds: u64,
    }
    let url = format!("{}/api/beacon", server.base);
    let answer: Answer = read(server.signed(Request::get(&url)).send().await).await?;
    Ok(answer.interval_seconds)
}

/// Tells the server how late events came here.
pub(crate) async fn report(server: &Server, report: &Report) -> Result<(), ApiError> {
    let url = format!("{}/api/beacon", server.base);
    let request = server
        .signed(Request::post(&url))
        .json(report)
        .map_err(|error| ApiError::Unreadable(error.to_string()))?;
    drop(accept(request.send().await).await?);
    Ok(())
}

/// Reads the beginning of a file that a run made: at most `most` bytes.
pub(crate) async fn beginning(
    server: &Server,
    url: &str,
    most: usize,
) -> Result<Beginning, ApiError> {
    let range = format!("bytes=0-{}", most.saturating_sub(1));
    let response = server.signed(Request::get(url)).header("range", &range);
    let response = accept(response.send().await).await?;
    // `bytes 0-99/12345`; without one it is all of the file, whatever was asked for
    let total = response.headers().get("content-range");
    let total = total.and_then(|range| range.rsplit('/').next()?.parse::<usize>().ok());
    let bytes = response.binary().await;
    let bytes = bytes.map_err(|error| ApiError::Unreadable(error.to_string()))?;
    let head = bytes.get(..most).unwrap_or(&bytes);
    Ok(Beginning {
        text: text_of(head),
        whole: head.len() >= total.unwrap_or(bytes.len()),
    })
}

/// The address under which the files of a run are.
pub(crate) fn files(base: &str, id: &ExecutionId) -> String {
    format!("{base}/api/executions/{id}/artifacts/")
}

/// Bytes as text; a character that was cut at the end is left out.
fn text_of(bytes: &[u8]) -> String {
    let whole = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => bytes.get(..error.valid_up_to()),
        Ok(_) | Err(_) => None,
    };
    String::from_utf8_lossy(whole.unwrap_or(bytes)).into_owned()
}

/// A part of an address, whatever is in it.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // `.` alone would be a way up
            b'.' if text.len() > 2 => out.push('.'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The JSON of the answer, where it says yes.
pub(crate) async fn read<T: DeserializeOwned>(
    answer: Result<Response, gloo_net::Error>,
) -> Result<T, ApiError> {
    let response = accept(answer).await?;
    let body = response.json().await;
    body.map_err(|error| ApiError::Unreadable(error.to_string()))
}

/// The response, where it says yes.
pub(crate) async fn accept(
    answer: Result<Response, gloo_net::Error>,
) -> Result<Response, ApiError> {
    let response = answer.map_err(|_network| ApiError::Unreachable)?;
    if response.ok() {
        return Ok(response);
    }
    let status = response.status();
    // a proxy in between answers with a page of its own
    let mut problem: Problem = response.json().await.unwrap_or_default();
    if problem.status == 0 {
        problem.status = status;
    }
    if problem.title.is_empty() && problem.detail.is_none() {
        if matches!(status, 502..=504) {
            return Err(ApiError::Unreachable);
        }
        problem.title = format!("status {status}");
    }
    Err(ApiError::Refused(Box::new(problem)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_character_is_left_out_and_odd_names_are_escaped() {
        assert_eq!(text_of("aü".as_bytes()), "aü");
        assert_eq!(text_of(&"aü".as_bytes()[..2]), "a");
        assert_eq!(text_of(&[b'a', 0xff, b'b']), "a\u{fffd}b");
        assert_eq!(escaped("review.1-2"), "review.1-2");
        assert_eq!(escaped("ü/1 ?"), "%C3%BC%2F1%20%3F");
        assert_eq!(escaped(".."), "%2E%2E");
    }

    #[test]
    fn a_problem_says_where_and_what_was_meant() {
        let problem = json!({"type":"about:blank","title":"Unprocessable","status":422,"detail":"the input does not fit",
            "errors":[{"path":"input.n","message":"is not a number","suggestion":"3"},{"path":"input.m","message":"is missing"}]});
        let error = ApiError::Refused(Box::new(serde_json::from_value(problem).unwrap()));
        assert_eq!(
            error.to_string(),
            "the input does not fit\ninput.n: is not a number (3)\ninput.m: is missing"
        );
    }
}
