//! GraphQL over HTTP: `POST` for everything, `GET` for what changes nothing.

use async_graphql::Request;
use async_graphql::parser::types::{DocumentOperations, OperationType};
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use serde_json::Value;

use super::{GraphQl, is_refused, prepared, sse};
use crate::access::Caller;
use crate::api::body::Body;
use crate::api::parts::Query;
use crate::error::Problem;
use crate::executions::Executions;
use crate::graphql::Cut;

/// What an answer is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    /// `application/graphql-response+json`: a request that is wrong is 400.
    GraphQl,
    /// `application/json`: 200, whatever the answer says.
    Json,
    /// `text/event-stream`.
    Events,
}

/// `POST /graphql`
pub(crate) async fn ask(
    State(executions): State<Executions>,
    Extension(GraphQl(schema)): Extension<GraphQl>,
    caller: Caller,
    headers: HeaderMap,
    Body(body): Body<Value>,
) -> Result<Response, Problem> {
    let request: Request = serde_json::from_value(body).map_err(|error| {
        let detail = format!(
            "The body is an object with `query`, and `variables` and `operationName` where there are any: {error}."
        );
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })?;
    answer(&executions, GraphQl(schema), caller, &headers, request).await
}

/// What `GET` takes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Parameters {
    query: Option<String>,
    variables: Option<String>,
    operation_name: Option<String>,
}

/// `GET /graphql?query=&variables=&operationName=`
pub(crate) async fn look(
    State(executions): State<Executions>,
    Extension(schema): Extension<GraphQl>,
    caller: Caller,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Response, Problem> {
    let bad = |detail: &str| Problem::new(StatusCode::BAD_REQUEST, detail);
    let Some(query) = parameters.query else {
        return Err(bad(
            "This is GraphQL: POST a query as application/json, or give it as ?query=. docs/graphql.md has the schema.",
        ));
    };
    let mut request = Request::new(query);
    if let Some(name) = parameters.operation_name.filter(|name| !name.is_empty()) {
        request = request.operation_name(name);
    }
    if let Some(variables) = parameters.variables.filter(|text| !text.is_empty()) {
        let variables = serde_json::from_str::<Value>(&variables);
        let variables = variables.map_err(|_error| bad("`variables` is an object in JSON."))?;
        request = request.variables(async_graphql::Variables::from_json(variables));
    }
    if mutates(&mut request) {
        let problem = Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "A mutation is sent with POST.",
        );
        return Err(problem.header(header::ALLOW, HeaderValue::from_static("POST")));
    }
    answer(&executions, schema, caller, &headers, request).await
}

async fn answer(
    executions: &Executions,
    GraphQl(schema): GraphQl,
    caller: Caller,
    headers: &HeaderMap,
    mut request: Request,
) -> Result<Response, Problem> {
    let answer = wanted(headers)?;
    let kind = kind(&mut request);
    let cut = Cut::default();
    let request = prepared(request, executions, &caller, &cut)?;
    if answer == Answer::Events {
        return Ok(sse::open(executions, &schema, &caller, request, cut));
    }
    if kind == Some(OperationType::Subscription) {
        return Err(Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "A subscription is followed with `Accept: text/event-stream`, or at /ws/graphql.",
        ));
    }
    let response = schema.execute(request).await;
    let status = match answer {
        Answer::GraphQl if is_refused(&response) => StatusCode::BAD_REQUEST,
        Answer::GraphQl | Answer::Json | Answer::Events => StatusCode::OK,
    };
    let media = match answer {
        Answer::GraphQl => "application/graphql-response+json; charset=utf-8",
        Answer::Json | Answer::Events => "application/json; charset=utf-8",
    };
    let body = serde_json::to_string(&response)
        .map_err(|error| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let head = [
        (header::CONTENT_TYPE, media),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept"),
    ];
    Ok((status, head, body).into_response())
}

/// What the client takes; without a word of it, JSON.
fn wanted(headers: &HeaderMap) -> Result<Answer, Problem> {
    let accepts = headers.get_all(header::ACCEPT).iter();
    let mut accepts = accepts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|range| {
            range
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase()
        })
        .peekable();
    if accepts.peek().is_none() {
        return Ok(Answer::Json);
    }
    let mut found = None;
    for range in accepts {
        match range.as_str() {
            "application/graphql-response+json" => return Ok(Answer::GraphQl),
            "text/event-stream" => return Ok(Answer::Events),
            "application/json" | "application/*" | "*/*" => found = Some(Answer::Json),
            _ => {}
        }
    }
    found.ok_or_else(|| {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "Answers are application/graphql-response+json, application/json or text/event-stream.",
        )
    })
}

/// What kind of operation is asked for; none where that cannot be told, and the schema says why.
fn kind(request: &mut Request) -> Option<OperationType> {
    let name = request.operation_name.clone();
    let document = request.parsed_query().ok()?;
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation.node.ty),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(name.as_str())
            .map(|operation| operation.node.ty),
        // the schema executes the only one there is, named or not
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations
            .values()
            .next()
            .map(|operation| operation.node.ty),
        (DocumentOperations::Multiple(_), None) => None,
    }
}

/// Whether any of its operations is a mutation, whichever is executed: a page of another site may have a browser GET
/// whatever it likes.
fn mutates(request: &mut Request) -> bool {
    request.parsed_query().is_ok_and(|document| {
        let mut operations = document.operations.iter();
        operations.any(|(_, operation)| operation.node.ty == OperationType::Mutation)
    })
}
