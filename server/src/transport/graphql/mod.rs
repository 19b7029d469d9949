//! `/graphql` and `/ws/graphql`: what carries GraphQL.
//!
//! The protocols are written here: GraphQL over HTTP, graphql-sse in its distinct connections mode, and
//! graphql-transport-ws. What they carry is in [`crate::graphql`].

mod http;
mod message;
mod sse;
pub(crate) mod websocket;

use std::sync::Arc;

use async_graphql::{Request, Response};
use axum::http::StatusCode;

pub(crate) use self::http::{ask, look};
use crate::access::Caller;
use crate::error::Problem;
use crate::executions::Executions;
use crate::graphql::{Asking, Cut, Schema};

/// The schema, shared by all requests.
#[derive(Clone)]
pub(crate) struct GraphQl(pub(crate) Arc<Schema>);

/// A request that is on its way to the schema.
fn prepared(
    request: Request,
    executions: &Executions,
    caller: &Caller,
    cut: &Cut,
) -> Result<Request, Problem> {
    if request.query.len() > LONGEST {
        let detail = format!("A query has at most {LONGEST} bytes.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok(request.data(Asking {
        executions: executions.clone(),
        caller: caller.clone(),
        cut: cut.clone(),
    }))
}

/// Whether nothing was executed: the request itself is wrong.
fn is_refused(response: &Response) -> bool {
    let is_field = |error: &async_graphql::ServerError| !error.path.is_empty();
    !response.errors.is_empty()
        && response.data == async_graphql::Value::Null
        && !response.errors.iter().any(is_field)
}

/// Bytes of a query's text: what checks it takes more time than what reads it.
const LONGEST: usize = 32 << 10;
