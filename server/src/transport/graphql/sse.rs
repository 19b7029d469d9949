//! graphql-sse, distinct connections mode: one response, one operation.

use std::convert::Infallible;
use std::time::Duration;

use async_graphql::Request;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};
use stepcast_core::wire::sse::write_event;

use crate::access::{Caller, Lease};
use crate::edge;
use crate::executions::Executions;
use crate::graphql::{Cut, Schema};

/// An operation whose results are being written.
struct Results {
    results: BoxStream<'static, async_graphql::Response>,
    executions: Executions,
    lease: Lease,
    cut: Cut,
    heartbeat: Duration,
    over: bool,
}

/// Answers with the results of an operation, and `complete` where there are no more. A stream that the server has to end
/// before that ends without it: its client comes back.
pub(super) fn open(
    executions: &Executions,
    schema: &Schema,
    caller: &Caller,
    request: Request,
    cut: Cut,
) -> Response {
    let results = Results {
        results: schema.execute_stream(request).boxed(),
        executions: executions.clone(),
        lease: executions.access().lease(&caller.own()),
        cut,
        heartbeat: Duration::from_millis(executions.config().heartbeat_ms),
        over: false,
    };
    let body = Body::from_stream(stream::unfold(results, |mut results| async move {
        let text = results.next().await?;
        Some((Ok::<Bytes, Infallible>(text.into()), results))
    }));
    let mut response = body.into_response();
    let headers = response.headers_mut();
    edge::event_stream(headers);
    let vary = HeaderValue::from_static("Accept, Accept-Encoding");
    headers.insert(header::VARY, vary);
    response
}

impl Results {
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        let stopping = self.executions.stopping().clone();
        let result = tokio::select! {
            result = self.results.next() => result,
            () = tokio::time::sleep(self.heartbeat) => return Some(":\n\n".to_owned()),
            () = self.lease.over() => return None,
            () = stopping.cancelled() => return None,
        };
        let mut text = String::new();
        match result {
            Some(result) => {
                let json = serde_json::to_string(&result).ok()?;
                write_event(&mut text, Some("next"), &json, None);
            }
            None if self.cut.code().is_some() => return None,
            None => {
                self.over = true;
                write_event(&mut text, Some("complete"), "", None);
            }
        }
        Some(text)
    }
}
