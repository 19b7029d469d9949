//! `/v1/stream/{id}`: executions by the protocol of Durable Streams.
//!
//! Every execution is a stream of JSON, its events. A stream that somebody makes here is an execution too, whose
//! events hold what they append: the same log, the same read, the same resume.

mod live;
mod read;
mod write;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use stepcast_core::id::{Cursor, ExecutionId};

pub(crate) use self::read::read;
pub(crate) use self::write::{append, create, remove};
use crate::durable::{Content, Kept, Offset, settled};
use crate::error::Problem;
use crate::executions::{Executions, STREAM_NEXT_OFFSET};
use crate::log::{ExecutionRow, Tail};

/// What there is to know of a stream before anything of it is read.
#[derive(Debug)]
struct Stream {
    row: ExecutionRow,
    /// Where it was made as one.
    kept: Option<Kept>,
    content: Content,
}

impl Stream {
    /// The stream of this name.
    ///
    /// # Errors
    /// 404 where there is none.
    fn find(executions: &Executions, id: &ExecutionId) -> Result<Self, Problem> {
        let row = executions
            .find(id)?
            .ok_or_else(Problem::unknown_execution)?;
        let kept = executions.kept(&row)?;
        let content = Content::of(kept.as_ref());
        Ok(Self { row, kept, content })
    }

    fn content_type(&self) -> HeaderValue {
        let kept = self.kept.as_ref();
        let text = kept.map_or("application/json", |kept| &kept.content_type);
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
    }

    /// Where a reader stands that has seen everything up to `at`.
    fn offset(&self, at: Cursor, tail: Tail) -> Offset {
        match self.content {
            Content::Events => Offset(at),
            Content::Messages | Content::Bytes { .. } => Offset::new(
                at.epoch,
                settled(at.seq, tail.last_seq, tail.ended.is_some()),
            ),
        }
    }

    /// Says of what the stream is, and until when it is there.
    fn describe(&self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, self.content_type());
        let Some(kept) = &self.kept else {
            return;
        };
        if let Some(seconds) = kept.ttl_seconds {
            headers.insert(STREAM_TTL, seconds.into());
        }
        if let Some(at) = kept.expires_at.as_deref() {
            headers.extend(HeaderValue::try_from(at).map(|at| (STREAM_EXPIRES_AT, at)));
        }
    }
}

fn put(headers: &mut HeaderMap, offset: Offset) {
    let value = HeaderValue::try_from(offset.to_string());
    headers.extend(value.map(|value| (STREAM_NEXT_OFFSET, value)));
}

fn say(headers: &mut HeaderMap, name: HeaderName) {
    headers.insert(name, HeaderValue::from_static("true"));
}

const STREAM_TTL: HeaderName = HeaderName::from_static("stream-ttl");
const STREAM_EXPIRES_AT: HeaderName = HeaderName::from_static("stream-expires-at");
const STREAM_SEQ: HeaderName = HeaderName::from_static("stream-seq");
const STREAM_CURSOR: HeaderName = HeaderName::from_static("stream-cursor");
const STREAM_UP_TO_DATE: HeaderName = HeaderName::from_static("stream-up-to-date");
const STREAM_FORKED_FROM: HeaderName = HeaderName::from_static("stream-forked-from");
const STREAM_FORK_OFFSET: HeaderName = HeaderName::from_static("stream-fork-offset");
const STREAM_FORK_SUB_OFFSET: HeaderName = HeaderName::from_static("stream-fork-sub-offset");
