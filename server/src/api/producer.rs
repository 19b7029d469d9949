//! The headers of Durable Streams: who produces, and how far it has come.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};

use crate::error::Problem;
use crate::executions::Producer;

/// The producer that sends a request, where it names itself: all three headers or none.
#[derive(Debug)]
pub(crate) struct FromProducer(pub(crate) Option<Producer>);

impl<S: Send + Sync> FromRequestParts<S> for FromProducer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let headers = &parts.headers;
        match (
            name(headers)?,
            number(headers, EPOCH)?,
            number(headers, SEQ)?,
        ) {
            (None, None, None) => Ok(Self(None)),
            (Some(id), Some(epoch), Some(seq)) => Ok(Self(Some(Producer { id, epoch, seq }))),
            _ => Err(wrong(
                "Producer-Id, Producer-Epoch and Producer-Seq come together, or none of them.",
            )),
        }
    }
}

/// The producer's name.
pub(crate) fn name(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(ID) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST_ID {
        return Err(wrong(
            "Producer-Id is a text of 1 to 256 visible ASCII characters.",
        ));
    }
    Ok(Some(text.to_owned()))
}

/// The producer's incarnation.
pub(crate) fn epoch(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    number(headers, EPOCH)
}

fn number(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(name) else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let number = plain.then(|| text.parse().ok()).flatten();
    match number.filter(|number| *number <= LARGEST) {
        Some(number) => Ok(Some(number)),
        None => Err(wrong(
            "Producer-Epoch and Producer-Seq are whole numbers from 0 to 9007199254740991.",
        )),
    }
}

fn wrong(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

const ID: &str = "producer-id";
const EPOCH: &str = "producer-epoch";
const SEQ: &str = "producer-seq";

/// A name that is longer says nothing more.
const LONGEST_ID: usize = 256;

/// What a number of JavaScript holds exactly.
const LARGEST: u64 = (1 << 53) - 1;
