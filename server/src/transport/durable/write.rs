//! `PUT`, `POST` and `DELETE`: streams are made, appended to, closed and taken away.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use stepcast_core::event::EventType;
use stepcast_core::id::ExecutionId;

use super::{
    STREAM_EXPIRES_AT, STREAM_FORK_OFFSET, STREAM_FORK_SUB_OFFSET, STREAM_FORKED_FROM, STREAM_SEQ,
    STREAM_TTL, Stream, put, say,
};
use crate::access::{Action, Caller};
use crate::api::body;
use crate::api::incoming::{Expected, too_large};
use crate::api::parts::Path;
use crate::api::producer::FromProducer;
use crate::context::Draft;
use crate::durable::{Content, Kept, NoMessage, is_closing};
use crate::error::Problem;
use crate::executions::{
    Executions, PRODUCER_EPOCH, PRODUCER_SEQ, Receipt, Refusal, STREAM_CLOSED,
};
use crate::limits::is_deeper;

/// `PUT /v1/stream/{id}`: 201, or 200 where it is there already as it is asked for.
pub(crate) async fn create(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let headers = request.headers().clone();
    for name in [
        STREAM_FORKED_FROM,
        STREAM_FORK_OFFSET,
        STREAM_FORK_SUB_OFFSET,
    ] {
        if headers.contains_key(&name) {
            let detail = "Streams cannot be forked here.";
            return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
        }
    }
    let kept = Kept::of(
        text(&headers, header::CONTENT_TYPE),
        text(&headers, STREAM_TTL),
        text(&headers, STREAM_EXPIRES_AT),
    )
    .map_err(bad)?;
    let closes = is_closing(headers.get(STREAM_CLOSED).map(HeaderValue::as_bytes));
    let body = body::read(request, &executions).await?;
    let content = Content::of(Some(&kept));
    // no message at all is a stream to begin with
    let is_none = body.is_empty() || content == Content::Messages && body.trim_ascii() == b"[]";
    let mut drafts = match is_none {
        true => Vec::new(),
        false => drafts(&executions, &id, content, &body)?,
    };
    if closes {
        drafts.push(closing());
    }
    if let Some(row) = executions.find(&id)? {
        let (there, closed) = (executions.kept(&row)?, row.status.end().is_some());
        let is_own = caller.may(Action::Watch, &row).is_ok();
        if !is_own || there.as_ref() != Some(&kept) || closed != closes {
            return Err(taken());
        }
        return made(&executions, &id, StatusCode::OK, None);
    }
    caller.writes(&executions, body.len())?;
    caller.writes_events(&executions, drafts.len())?;
    if !executions
        .keep(&id, &kept, (caller.owner(), caller.trace))
        .await?
    {
        return made(&executions, &id, StatusCode::OK, None);
    }
    if !drafts.is_empty() {
        let receipt = executions
            .take_in_order(&id, &mut drafts, None, None)
            .await?;
        executions.external(&id)?.settled(receipt.last).await?;
    }
    let scheme = if caller.source.secure {
        "https"
    } else {
        "http"
    };
    let host = text(&headers, header::HOST).unwrap_or("localhost");
    let location = format!("{scheme}://{host}/v1/stream/{id}");
    made(&executions, &id, StatusCode::CREATED, Some(&location))
}

fn made(
    executions: &Executions,
    id: &ExecutionId,
    status: StatusCode,
    location: Option<&str>,
) -> Result<Response, Problem> {
    let stream = Stream::find(executions, id)?;
    let mut response = status.into_response();
    stream.describe(&mut response);
    place(executions, &stream, &mut response)?;
    let location = location.and_then(|location| HeaderValue::try_from(location).ok());
    response
        .headers_mut()
        .extend(location.map(|it| (header::LOCATION, it)));
    Ok(response)
}

/// `POST /v1/stream/{id}`: appends what the body brings, closes the stream, or both at once.
pub(crate) async fn append(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    FromProducer(producer): FromProducer,
    request: Request,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let headers = request.headers().clone();
    let stream = Stream::find(&executions, &id)?;
    if stream.row.lease_ms.is_none() {
        let detail = "This server runs the execution itself: nothing can be appended to it.";
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail);
        let allow = HeaderValue::from_static("GET,HEAD,DELETE");
        return Err(problem.header(header::ALLOW, allow));
    }
    let closes = is_closing(headers.get(STREAM_CLOSED).map(HeaderValue::as_bytes));
    let body = body::read(request, &executions).await?;
    if body.is_empty() && !closes {
        return Err(bad(
            "There is nothing to append: Stream-Closed: true closes the stream without.",
        ));
    }
    caller.writes(&executions, body.len())?;
    if stream.content.is_json() && is_deeper(&body, executions.config().limits.json_depth) {
        return Err(body::too_deep(executions.config().limits.json_depth));
    }
    let is_over = executions.external(&id)?.ended().is_some();
    let mut drafts = Vec::new();
    if !body.is_empty() && !is_over {
        check_type(&stream, &headers)?;
        drafts = self::drafts(&executions, &id, stream.content, &body)?;
    } else if !body.is_empty() {
        // the gate says what becomes of it; a body that cannot be read is refused by it all the same
        drafts.push(closing());
    }
    let ends = drafts
        .last()
        .is_some_and(|draft| draft.event_type.is_terminal());
    if closes && !ends {
        drafts.push(closing());
    }
    caller.writes_events(&executions, drafts.len())?;
    let order = text(&headers, STREAM_SEQ);
    let taken = executions
        .take_in_order(&id, &mut drafts, producer.as_ref(), order)
        .await;
    let receipt = match taken {
        Ok(receipt) => receipt,
        // closing what is closed changes nothing
        Err(Refusal::Ended { .. }) if closes && body.is_empty() && producer.is_none() => {
            Receipt::default()
        }
        Err(refusal) => return Err(refused(&executions, &stream, refusal)),
    };
    executions.external(&id)?.settled(receipt.last).await?;
    let is_told = producer.is_some() && !body.is_empty() && receipt.taken > 0;
    appended(&executions, &stream, is_told, &receipt)
}

fn appended(
    executions: &Executions,
    stream: &Stream,
    is_told: bool,
    receipt: &Receipt,
) -> Result<Response, Problem> {
    // a producer is told apart what is new and what was taken before
    let status = if is_told {
        StatusCode::OK
    } else {
        StatusCode::NO_CONTENT
    };
    let mut response = status.into_response();
    if let Some((epoch, seq)) = receipt.mark {
        let headers = response.headers_mut();
        headers.insert(PRODUCER_EPOCH, epoch.into());
        headers.insert(PRODUCER_SEQ, seq.into());
    }
    place(executions, stream, &mut response)?;
    Ok(response)
}

/// `DELETE /v1/stream/{id}`: takes a stream away; an execution that was not made as one has to have ended.
pub(crate) async fn remove(
    State(executions): State<Executions>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    let id: ExecutionId = id.parse()?;
    let stream = Stream::find(&executions, &id)?;
    if stream.kept.is_some() && stream.row.status.end().is_none() {
        // one that was closed meanwhile is as good
        executions.cancel(&id).await?;
    }
    executions.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says where the stream ends now.
fn place(executions: &Executions, stream: &Stream, response: &mut Response) -> Result<(), Problem> {
    let log = executions.log().open(&stream.row.id)?;
    let log = log.ok_or_else(Problem::unknown_execution)?;
    let tail = log.tail();
    let headers = response.headers_mut();
    put(headers, stream.offset(log.cursor(), tail));
    if tail.ended.is_some() {
        say(headers, STREAM_CLOSED);
    }
    Ok(())
}

/// A body is of the type that the stream is of.
fn check_type(stream: &Stream, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(given) = text(headers, header::CONTENT_TYPE) else {
        return Err(bad("Content-Type is missing: it is that of the stream."));
    };
    let given = Kept::of(Some(given), None, None).map_err(bad)?.content_type;
    let media = |text: &str| {
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim_end()
            .to_owned()
    };
    let there = stream.content_type();
    if media(&given) == media(there.to_str().unwrap_or_default()) {
        return Ok(());
    }
    let detail = "The stream is of another Content-Type.";
    Err(Problem::new(StatusCode::CONFLICT, detail))
}

fn drafts(
    executions: &Executions,
    id: &ExecutionId,
    content: Content,
    body: &[u8],
) -> Result<Vec<Draft>, Problem> {
    let config = executions.config();
    let (longest, deepest) = (config.max_event_bytes, config.limits.json_depth);
    if content == Content::Events {
        let expected = Expected {
            execution_id: id,
            max_event_bytes: longest,
            max_depth: deepest,
        };
        return expected.body(body);
    }
    if content.is_json() && is_deeper(body, deepest) {
        return Err(body::too_deep(deepest));
    }
    content.drafts(body, longest).map_err(|no| match no {
        NoMessage::Json(error) => bad(format!("The body is no JSON: {error}.")),
        NoMessage::Empty => bad("An empty array has nothing to append."),
        NoMessage::TooLong => too_large(longest),
    })
}

/// Why it was not taken; where the stream is closed, where it ends.
fn refused(executions: &Executions, stream: &Stream, refusal: Refusal) -> Problem {
    let is_end = matches!(refusal, Refusal::Ended { .. });
    let problem = Problem::from(refusal);
    if !is_end {
        return problem;
    }
    let mut response = StatusCode::CONFLICT.into_response();
    if place(executions, stream, &mut response).is_err() {
        return problem;
    }
    let headers = std::mem::take(response.headers_mut());
    headers
        .into_iter()
        .fold(problem, |problem, (name, value)| match name {
            Some(name) => problem.header(name, value),
            None => problem,
        })
}

fn closing() -> Draft {
    Draft {
        event_type: EventType::PipelineComplete,
        step_id: None,
        data: json!({ "output": Value::Null }),
        metadata: None,
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    // what is no text is none of what is asked for either
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}

fn taken() -> Problem {
    let detail = "There is a stream or an execution of this name already, and it is another.";
    Problem::new(StatusCode::CONFLICT, detail)
}
