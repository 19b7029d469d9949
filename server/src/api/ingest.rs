//! `POST /api/executions/{id}/events` and `…/heartbeat`: what a producer elsewhere says of its execution.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use stepcast_core::id::{Cursor, ExecutionId};

use super::answer::{Alive, Taken};
use super::body;
use super::incoming::Expected;
use super::intake::Intake;
use super::parts::Path;
use super::producer::{self, FromProducer};
use crate::access::Caller;
use crate::cloudevent;
use crate::error::Problem;
use crate::executions::{
    Executions, PRODUCER_EPOCH, PRODUCER_SEQ, Producer, Receipt, STREAM_CLOSED, STREAM_NEXT_OFFSET,
    Unit, cursor_value,
};
use crate::log::{ExecutionStatus, Stream};

/// Takes events: one or an array as JSON, or a stream of lines.
pub(crate) async fn events(
    State(executions): State<Executions>,
    caller: Caller,
    Path(id): Path<String>,
    FromProducer(producer): FromProducer,
    request: Request,
) -> Result<Response, Problem> {
    let id: ExecutionId = id.parse()?;
    let stream = executions.external(&id)?;
    match body::media_type(request.headers()).as_str() {
        media if let Some(written) = Written::of(media, request.headers()) => {
            let body = body::read(request, &executions).await?;
            caller.writes(&executions, body.len())?;
            let taken = take_body(&executions, &id, &caller, producer.as_ref(), &body, written);
            let receipt = taken.await?;
            stream.settled(receipt.last).await?;
            Ok(answer(&stream, &receipt))
        }
        "application/x-ndjson" => {
            let lease = executions.access().lease(&caller.pass);
            let intake = Intake::new(executions, stream, producer, (caller, lease));
            intake.run(request.into_body()).await
        }
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Send events as Content-Type: application/json, as application/x-ndjson for one a line, or as application/cloudevents+json or application/cloudevents-batch+json.",
        )),
    }
}

/// How the events of a body are written.
#[derive(Debug)]
enum Written {
    /// As ours.
    Plain,
    /// As CloudEvents in structured mode, one or many.
    CloudEvents,
    /// As the data of one CloudEvent, whose attributes are these headers.
    Binary(Box<HeaderMap>),
}

impl Written {
    fn of(media: &str, headers: &HeaderMap) -> Option<Self> {
        match media {
            // data that is no JSON has no place in an event
            "application/json" | "" if headers.contains_key("ce-specversion") => {
                Some(Self::Binary(Box::new(headers.clone())))
            }
            "application/json" => Some(Self::Plain),
            cloudevent::ONE | cloudevent::BATCH => Some(Self::CloudEvents),
            _ => None,
        }
    }
}

async fn take_body(
    executions: &Executions,
    id: &ExecutionId,
    caller: &Caller,
    producer: Option<&Producer>,
    body: &[u8],
    written: Written,
) -> Result<Receipt, Problem> {
    let expected = Expected {
        execution_id: id,
        max_event_bytes: executions.config().max_event_bytes,
        max_depth: executions.config().limits.json_depth,
    };
    let mut drafts = match written {
        Written::Plain => expected.body(body)?,
        Written::CloudEvents => expected.cloud_events(body)?,
        Written::Binary(headers) => expected.cloud_event_of(&headers, body)?,
    };
    caller.writes_events(executions, drafts.len())?;
    let taken = executions.take(id, &mut drafts, producer, Unit::Request);
    Ok(taken.await?)
}

/// What is told of events that are kept: 200, or 204 where all were kept before.
pub(super) fn answer(stream: &Stream, receipt: &Receipt) -> Response {
    let ended = stream.ended();
    let status = ended.as_ref().map_or(ExecutionStatus::Running, |ended| {
        ExecutionStatus::of_end(ended.reason)
    });
    let mut response = if receipt.taken == 0 && receipt.seen > 0 {
        StatusCode::NO_CONTENT.into_response()
    } else {
        let body = Taken {
            execution_id: stream.id().clone(),
            taken: receipt.taken,
            seen: receipt.seen,
            last_seq: receipt.last,
            status,
        };
        Json(body).into_response()
    };
    let headers = response.headers_mut();
    if let Some((epoch, seq)) = receipt.mark {
        headers.insert(PRODUCER_EPOCH, epoch.into());
        headers.insert(PRODUCER_SEQ, seq.into());
    }
    let (epoch, seq) = (stream.epoch(), receipt.last);
    headers.insert(STREAM_NEXT_OFFSET, cursor_value(Cursor { epoch, seq }));
    if ended.is_some() {
        headers.insert(STREAM_CLOSED, HeaderValue::from_static("true"));
    }
    response
}

/// The producer lives: its lease begins anew.
pub(crate) async fn heartbeat(
    State(executions): State<Executions>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Alive>, Problem> {
    let id: ExecutionId = id.parse()?;
    let (name, epoch) = (producer::name(&headers)?, producer::epoch(&headers)?);
    let row = executions
        .heartbeat(&id, name.as_deref().zip(epoch))
        .await?;
    Ok(Json(Alive {
        execution_id: id,
        status: row.status,
        lease_ms: row.lease_ms,
        last_seq: row.last_seq,
    }))
}
