//! `/api/aisdk`: runs as messages of a chat that the AI SDK shows.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use stepcast_core::id::ExecutionId;

use super::translated::{self, Begin};
use crate::access::{Action, Caller};
use crate::aisdk::AiSdk;
use crate::aisdk::input::{ChatRequest, chat_prefix, next_run};
use crate::api::body::Body;
use crate::api::parts::Path;
use crate::error::Problem;
use crate::executions::{Definition, Executions, Request};
use crate::log::ListQuery;

/// `POST /api/aisdk/{name}`: starts a stored pipeline for the chat's last message, and streams the answer.
pub(crate) async fn send(
    State(executions): State<Executions>,
    caller: Caller,
    Path(name): Path<String>,
    Body(chat): Body<ChatRequest>,
) -> Result<Response, Problem> {
    let id = next_run(&chat_prefix(&name, &chat.id));
    let request = Request {
        pipeline: Definition::Stored(name),
        input: chat.into_input(),
        execution_id: Some(id),
        owner: caller.owner(),
        trace: caller.trace.clone(),
    };
    let id = executions.create_and_start(request).await?;
    open(&executions, &id, caller, Begin::Earliest)
}

/// `GET /api/aisdk/{name}/{chat}/stream`: the run of this chat that is under way, from its beginning; 204 where none is.
/// With the id of something that was seen, what follows it, of the run that it is of, ended or not.
pub(crate) async fn again(
    State(executions): State<Executions>,
    caller: Caller,
    Path((name, chat)): Path<(String, String)>,
    seen: Seen,
) -> Result<Response, Problem> {
    let prefix = chat_prefix(&name, &chat);
    if let Seen(Some((id, begin))) = seen {
        let id = id.filter(|id| id.as_str().starts_with(&prefix));
        let row = id.map(|id| executions.find(&id)).transpose()?.flatten();
        let row = row.ok_or_else(Problem::unknown_execution)?;
        caller.may(Action::WatchAll, &row)?;
        return open(&executions, &row.id, caller, begin);
    }
    let owner = executions.access().is_closed();
    let rows = executions.list(&ListQuery {
        limit: 1,
        owner: owner.then(|| caller.owner().unwrap_or_default()),
        id_prefix: Some(prefix),
        ..ListQuery::default()
    })?;
    match rows.into_iter().next() {
        Some(row) if row.ended_at.is_none() && caller.may(Action::WatchAll, &row).is_ok() => {
            open(&executions, &row.id, caller, Begin::Earliest)
        }
        Some(_) | None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

/// `GET /api/aisdk/executions/{id}`: any run, of whatever start, as one message.
pub(crate) async fn join(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    Seen(seen): Seen,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let begin = match seen {
        None => Begin::Earliest,
        Some((of, begin)) if of.as_ref().is_none_or(|of| *of == id) => begin,
        Some(_) => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "The place is one in another execution than the address names.",
            ));
        }
    };
    open(&executions, &id, caller, begin)
}

fn open(
    executions: &Executions,
    id: &ExecutionId,
    caller: Caller,
    begin: Begin,
) -> Result<Response, Problem> {
    let stream = executions.log().open(id)?;
    let stream = stream.ok_or_else(Problem::unknown_execution)?;
    let translation = AiSdk::new(id, stream.epoch());
    drop(stream);
    let mut response = translated::open(executions, id, caller, begin, translation)?;
    response.headers_mut().insert(
        HeaderName::from_static("x-vercel-ai-ui-message-stream"),
        HeaderValue::from_static("v1"),
    );
    Ok(response)
}

/// What a reader has seen: a place, and the execution where the place names it.
pub(crate) struct Seen(Option<(Option<ExecutionId>, Begin)>);

impl<S: Send + Sync> FromRequestParts<S> for Seen {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let text = translated::place_asked_for(parts)?;
        if text.is_empty() {
            return Ok(Self(None));
        }
        let (id, place) = match text.split_once('/') {
            Some((id, place)) => (Some(id.parse()?), place),
            None => (None, text.as_str()),
        };
        match place.parse()? {
            Begin::Now => Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "A message cannot begin in its middle: leave `now` out.",
            )),
            begin @ (Begin::Earliest | Begin::After(_) | Begin::Answer(_)) => {
                Ok(Self(Some((id, begin))))
            }
        }
    }
}
